/* core_layout.c: where everything is in a core file.
 *
 * Each range is a segment of its own, which goes on without content up to the next range or the end
 * of its region: a debugger takes those bytes from the file that is mapped there, or as zeros. More
 * segments than the 16 bits of the ELF header count are counted in section header 0 (PN_XNUM).
 */
#include "image/core_layout.h"

#include <errno.h>
#include <string.h>

static bool begins_with_gap(const struct recap_region *region)
{
    return !region->range_count || region->ranges[0].start != region->start;
}

int core_layout(const struct recap_pd_image *pd, struct core_layout *layout,
                struct recap_error *error)
{
    uint64_t segments = 1, bytes = CORE_PAGE, headers, end;
    bool overflow = false;
    for (size_t i = 0; i < pd->region_count; i++) {
        const struct recap_region *region = &pd->regions[i];
        segments += region->range_count + begins_with_gap(region);
        for (size_t r = 0; r < region->range_count; r++)
            overflow |= __builtin_add_overflow(bytes, region->ranges[r].length, &bytes);
    }
    overflow |= segments > UINT32_MAX;
    overflow |= __builtin_mul_overflow(segments, sizeof(Elf64_Phdr), &headers);
    overflow |= __builtin_add_overflow(bytes, headers + sizeof(Elf64_Shdr), &end);
    if (overflow || end > INT64_MAX)
        return recap_refuse(error, RECAP_DAMAGED, -EFBIG,
                            "the pages of PD %llu are more than a file holds",
                            (unsigned long long)pd->id);
    *layout = (struct core_layout){.tail = bytes, .segments = segments, .notes = end};
    return 0;
}

void core_layout_ranges(struct recap_pd_image *pd)
{
    uint64_t offset = CORE_PAGE;
    for (size_t i = 0; i < pd->region_count; i++)
        for (size_t r = 0; r < pd->regions[i].range_count; r++) {
            pd->regions[i].ranges[r].offset = offset;
            offset += pd->regions[i].ranges[r].length;
        }
}

bool core_layout_matches(const struct recap_pd_image *pd)
{
    uint64_t offset = CORE_PAGE;
    for (size_t i = 0; i < pd->region_count; i++)
        for (size_t r = 0; r < pd->regions[i].range_count; r++) {
            if (pd->regions[i].ranges[r].offset != offset)
                return false;
            offset += pd->regions[i].ranges[r].length;
        }
    return true;
}

void core_layout_header(const struct core_layout *layout, unsigned char page[CORE_PAGE])
{
    bool many = layout->segments >= PN_XNUM;
    Elf64_Ehdr header = {
        .e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
        .e_type = ET_CORE,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_phoff = layout->tail,
        .e_shoff = many ? layout->notes - sizeof(Elf64_Shdr) : 0,
        .e_ehsize = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = many ? PN_XNUM : (Elf64_Half)layout->segments,
        .e_shentsize = many ? sizeof(Elf64_Shdr) : 0,
        .e_shnum = many,
    };
    memset(page, 0, CORE_PAGE);
    memcpy(page, &header, sizeof header);
}

static Elf64_Word flags_of(const struct recap_region *region)
{
    return (region->protection & RECAP_PROT_READ ? PF_R : 0) |
           (region->protection & RECAP_PROT_WRITE ? PF_W : 0) |
           (region->protection & RECAP_PROT_EXECUTE ? PF_X : 0);
}

static Elf64_Phdr *put_region(Elf64_Phdr *to, const struct recap_region *region, uint64_t *offset)
{
    Elf64_Phdr segment = {.p_type = PT_LOAD, .p_flags = flags_of(region), .p_align = CORE_PAGE};
    if (begins_with_gap(region)) {
        uint64_t end =
            region->range_count ? region->ranges[0].start : region->start + region->length;
        segment.p_offset = *offset;
        segment.p_vaddr = region->start;
        segment.p_memsz = end - region->start;
        *to++ = segment;
    }
    for (size_t i = 0; i < region->range_count; i++) {
        const struct recap_range *range = &region->ranges[i];
        uint64_t end =
            i + 1 < region->range_count ? range[1].start : region->start + region->length;
        segment.p_offset = *offset;
        segment.p_vaddr = range->start;
        segment.p_filesz = range->length;
        segment.p_memsz = end - range->start;
        *offset += range->length;
        *to++ = segment;
    }
    return to;
}

void core_layout_segments(const struct core_layout *layout, const struct recap_pd_image *pd,
                          uint64_t notes_size, void *out)
{
    Elf64_Phdr *to = out;
    uint64_t offset = CORE_PAGE;
    *to++ = (Elf64_Phdr){
        .p_type = PT_NOTE, .p_offset = layout->notes, .p_filesz = notes_size, .p_align = 4};
    for (size_t i = 0; i < pd->region_count; i++)
        to = put_region(to, &pd->regions[i], &offset);
    Elf64_Shdr section = {.sh_type = SHT_NULL};
    if (layout->segments >= PN_XNUM) {
        section.sh_size = 1;
        section.sh_info = (Elf64_Word)layout->segments;
    }
    memcpy(to, &section, sizeof section);
}
