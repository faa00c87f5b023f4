/* vdso.c: comparing vDSOs, and making a foreign one lead into the running kernel's.
 *
 * A checkpointed program holds pointers into its vDSO and the addresses of its functions. When the
 * running kernel's vDSO is another, the old text stays where it was, and each function that it
 * exports becomes a jump to the running kernel's. Both texts are data from outside: every offset is
 * checked before use.
 */
#include "kernel/linux/memory/vdso.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

/* jmp *0(%rip), then the 64-bit address: no register changes. */
enum { JUMP = 14 };

/* What a function is found by. */
struct symbols {
    const char *image;
    size_t size;
    const Elf64_Sym *symbols;
    size_t count;
    const char *names;
    size_t names_size;
};

static const void *inside(const void *image, size_t size, uint64_t offset, uint64_t length,
                          size_t alignment)
{
    return offset <= size && length <= size - offset && offset % alignment == 0
               ? (const char *)image + offset
               : NULL;
}

static const Elf64_Ehdr *header_of(const void *image, size_t size)
{
    const Elf64_Ehdr *header = inside(image, size, 0, sizeof *header, 1);
    return header && memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
                   header->e_ident[EI_CLASS] == ELFCLASS64 &&
                   header->e_ident[EI_DATA] == ELFDATA2LSB && header->e_machine == EM_X86_64 &&
                   header->e_type == ET_DYN && header->e_phentsize == sizeof(Elf64_Phdr)
               ? header
               : NULL;
}

/* How many bytes belong to the ELF image; 0 for none. The rest of the last page is padding. */
static size_t extent_of(const void *image, size_t size)
{
    const Elf64_Ehdr *header = header_of(image, size);
    if (!header)
        return 0;
    const Elf64_Phdr *segments =
        inside(image, size, header->e_phoff, (uint64_t)header->e_phnum * sizeof *segments, 8);
    if (!segments)
        return 0;
    uint64_t extent = header->e_phoff + (uint64_t)header->e_phnum * sizeof *segments;
    for (size_t i = 0; i < header->e_phnum; i++) {
        if (!inside(image, size, segments[i].p_offset, segments[i].p_filesz, 1))
            return 0;
        if (segments[i].p_offset + segments[i].p_filesz > extent)
            extent = segments[i].p_offset + segments[i].p_filesz;
    }
    return (size_t)extent;
}

bool linux_vdso_same(const void *a, size_t a_size, const void *b, size_t b_size)
{
    size_t extent = extent_of(a, a_size);
    return extent && a_size == b_size && extent == extent_of(b, b_size) &&
           memcmp(a, b, extent) == 0;
}

static const Elf64_Phdr *segment_of(const struct symbols *s, uint32_t type)
{
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)(const void *)s->image;
    const Elf64_Phdr *segments = (const Elf64_Phdr *)(const void *)(s->image + header->e_phoff);
    for (size_t i = 0; i < header->e_phnum; i++)
        if (segments[i].p_type == type)
            return &segments[i];
    return NULL;
}

/* A vDSO is linked at 0, with addresses equal to offsets. */
static bool find_symbols(const void *image, size_t size, struct symbols *found)
{
    struct symbols s = {.image = image, .size = size};
    if (!extent_of(image, size))
        return false;
    const Elf64_Phdr *load = segment_of(&s, PT_LOAD), *dynamic = segment_of(&s, PT_DYNAMIC);
    if (!load || load->p_offset != load->p_vaddr || !dynamic)
        return false;
    const Elf64_Dyn *entries = inside(image, size, dynamic->p_offset, dynamic->p_filesz, 8);
    uint64_t hash = 0, gnu_hash = 0, symbols = 0, names = 0;
    for (size_t i = 0; entries && i < dynamic->p_filesz / sizeof *entries; i++) {
        if (entries[i].d_tag == DT_NULL)
            break;
        if (entries[i].d_tag == DT_HASH)
            hash = entries[i].d_un.d_ptr;
        else if (entries[i].d_tag == DT_GNU_HASH)
            gnu_hash = entries[i].d_un.d_ptr;
        else if (entries[i].d_tag == DT_SYMTAB)
            symbols = entries[i].d_un.d_ptr;
        else if (entries[i].d_tag == DT_STRTAB)
            names = entries[i].d_un.d_ptr;
        else if (entries[i].d_tag == DT_STRSZ)
            s.names_size = entries[i].d_un.d_val;
    }
    if (!symbols || !names)
        return false;
    s.names = inside(image, size, names, s.names_size, 1);
    if (!s.names || !s.names_size || s.names[s.names_size - 1] != '\0')
        return false;
    /* The old hash table tells the number of symbols; without it the names follow the symbols. */
    const uint32_t *table = hash ? inside(image, size, hash, 8, 4) : NULL;
    if (table)
        s.count = table[1];
    else if (gnu_hash && names > symbols)
        s.count = (size_t)(names - symbols) / sizeof *s.symbols;
    s.symbols = inside(image, size, symbols, (uint64_t)s.count * sizeof *s.symbols, 8);
    if (!s.symbols || !s.count)
        return false;
    *found = s;
    return true;
}

/* The name of an exported function, or NULL. */
static const char *function_name(const struct symbols *s, const Elf64_Sym *symbol)
{
    return ELF64_ST_TYPE(symbol->st_info) == STT_FUNC && symbol->st_shndx != SHN_UNDEF &&
                   symbol->st_name && symbol->st_name < s->names_size &&
                   inside(s->image, s->size, symbol->st_value, symbol->st_size, 1)
               ? s->names + symbol->st_name
               : NULL;
}

static const Elf64_Sym *function_named(const struct symbols *s, const char *name)
{
    for (size_t i = 0; i < s->count; i++) {
        const char *candidate = function_name(s, &s->symbols[i]);
        if (candidate && strcmp(candidate, name) == 0)
            return &s->symbols[i];
    }
    return NULL;
}

/* How many bytes may be written at a function before the next one begins. */
static uint64_t room_at(const struct symbols *s, const Elf64_Sym *symbol)
{
    uint64_t room = s->size - symbol->st_value;
    for (size_t i = 0; i < s->count; i++) {
        const Elf64_Sym *other = &s->symbols[i];
        if (function_name(s, other) && other->st_value > symbol->st_value &&
            other->st_value - symbol->st_value < room)
            room = other->st_value - symbol->st_value;
    }
    return symbol->st_size < room ? symbol->st_size : room;
}

int linux_vdso_redirect(void *old, size_t old_size, const void *new, size_t new_size,
                        uint64_t new_address, struct recap_error *error)
{
    struct symbols from, to;
    if (!find_symbols(old, old_size, &from) || !find_symbols(new, new_size, &to))
        return recap_refuse(error, RECAP_DAMAGED, -EINVAL,
                            "the vDSO is not an ELF image that is understood");
    for (size_t i = 0; i < from.count; i++) {
        const char *name = function_name(&from, &from.symbols[i]);
        if (!name)
            continue;
        const Elf64_Sym *target = function_named(&to, name);
        if (!target)
            return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                                "the running kernel's vDSO has no %s, and the program may call it",
                                name);
        if (room_at(&from, &from.symbols[i]) < JUMP)
            return recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                                "%s of the image's vDSO is too short to lead elsewhere", name);
    }
    for (size_t i = 0; i < from.count; i++) {
        const char *name = function_name(&from, &from.symbols[i]);
        if (!name)
            continue;
        uint64_t target = new_address + function_named(&to, name)->st_value;
        unsigned char jump[JUMP] = {0xff, 0x25};
        memcpy(jump + 6, &target, sizeof target);
        memcpy((char *)old + from.symbols[i].st_value, jump, sizeof jump);
    }
    return 0;
}
