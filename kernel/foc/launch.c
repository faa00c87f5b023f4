/* launch.c: a component from an ELF program: its segments, one stack, one thread. */
#include "foc.h"
#include "service.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

enum { STACK = 0x60000000, STACK_SIZE = 0x10000, PRIORITY = 2 };

static bool inside(uint64_t offset, uint64_t length, size_t size)
{
    return offset <= size && length <= size - offset;
}

static int load(struct foc_pd *pd, const uint8_t *elf, size_t size, const Elf64_Phdr *segment,
                struct recap_error *error)
{
    uint64_t start = segment->p_vaddr / FOC_PAGE * FOC_PAGE;
    if (!inside(segment->p_offset, segment->p_filesz, size) ||
        segment->p_filesz > segment->p_memsz || segment->p_memsz > FOC_SPACE_END ||
        segment->p_vaddr > FOC_SPACE_END)
        return recap_refuse(error, RECAP_DAMAGED, -ENOEXEC, "%s has a segment beyond its end",
                            pd->name);
    uint64_t end = (segment->p_vaddr + segment->p_memsz + FOC_PAGE - 1) / FOC_PAGE * FOC_PAGE;
    uint32_t protection = 0;
    protection |= segment->p_flags & PF_R ? RECAP_PROT_READ : 0;
    protection |= segment->p_flags & PF_W ? RECAP_PROT_WRITE : 0;
    protection |= segment->p_flags & PF_X ? RECAP_PROT_EXECUTE : 0;
    int result = foc_region_add(pd, start, end - start, protection, NULL, error);
    if (result == 0)
        foc_copy(pd, segment->p_vaddr, (void *)(elf + segment->p_offset), segment->p_filesz, true);
    return result;
}

static int load_all(struct foc_pd *pd, const uint8_t *elf, size_t size, uint64_t *entry,
                    struct recap_error *error)
{
    Elf64_Ehdr header;
    if (size < sizeof header)
        return recap_refuse(error, RECAP_DAMAGED, -ENOEXEC, "%s is no program", pd->name);
    memcpy(&header, elf, sizeof header);
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_machine != EM_X86_64 ||
        header.e_phentsize != sizeof(Elf64_Phdr) ||
        !inside(header.e_phoff, (uint64_t)header.e_phnum * sizeof(Elf64_Phdr), size))
        return recap_refuse(error, RECAP_DAMAGED, -ENOEXEC, "%s is no program", pd->name);
    int result = 0;
    for (unsigned i = 0; result == 0 && i < header.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, elf + header.e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_type == PT_LOAD && segment.p_memsz)
            result = load(pd, elf, size, &segment, error);
    }
    *entry = header.e_entry;
    return result;
}

int foc_launch(struct foc *foc, const char *name, const uint8_t *elf, size_t size, uint64_t family,
               struct recap_error *error)
{
    const uint32_t use = RECAP_RIGHT_READ | RECAP_RIGHT_WRITE;
    uint64_t entry = 0;
    struct foc_object *console = NULL;
    for (size_t i = 0; i < foc->object_count; i++)
        if (foc->objects[i] && foc->objects[i]->kind == FOC_LOG)
            console = foc->objects[i];
    struct foc_pd *pd = foc_pd_make(foc, 1, name, family, error);
    struct foc_thread *thread = pd ? foc_thread_make(pd, 1, error) : NULL;
    int result = thread ? load_all(pd, elf, size, &entry, error) : -ENOMEM;
    if (result == 0)
        result = foc_region_add(pd, STACK, STACK_SIZE, use, NULL, error);
    if (result == 0)
        result = foc_put(pd, FOC_SELECTOR_THREAD, thread->object, use, error);
    if (result == 0)
        result =
            foc_put(pd, FOC_SELECTOR_SESSION, thread->session, use | RECAP_RIGHT_SPECIAL, error);
    if (result == 0 && console)
        result = foc_put(pd, FOC_SELECTOR_LOG, console, use, error);
    if (result == 0) {
        pd->runs = true;
        result = foc_thread_start(thread, (l4_cap_idx_t)FOC_SELECTOR_SESSION << L4_CAP_SHIFT,
                                  PRIORITY, entry, STACK + STACK_SIZE - 8, error);
    }
    if (result < 0 && pd)
        foc_pd_end(pd);
    return result;
}
