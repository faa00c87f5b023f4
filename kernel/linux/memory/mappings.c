/* mappings.c: the list of a process's mappings, from /proc/PID/smaps.
 *
 * smaps is read and not maps: only there the kernel says what madvise, mlock and the like made of a
 * mapping, and such a change leaves no trace in maps that would tell when to look.
 */
#include "kernel/linux/memory/mappings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define CODE(a, b) ((unsigned)(a) << 8 | (unsigned)(b))

static uint32_t flag_of(unsigned code)
{
    switch (code) {
    case CODE('m', 'w'):
        return LINUX_MAPPING_MAY_WRITE;
    case CODE('g', 'd'):
        return LINUX_MAPPING_GROWS_DOWN;
    case CODE('l', 'o'):
        return LINUX_MAPPING_LOCKED;
    case CODE('l', 'f'):
        return LINUX_MAPPING_LOCKED_ON_FAULT;
    case CODE('s', 'r'):
        return LINUX_MAPPING_SEQUENTIAL;
    case CODE('r', 'r'):
        return LINUX_MAPPING_RANDOM;
    case CODE('d', 'c'):
        return LINUX_MAPPING_DONT_FORK;
    case CODE('a', 'c'):
        return LINUX_MAPPING_ACCOUNTED;
    case CODE('n', 'r'):
        return LINUX_MAPPING_NO_RESERVE;
    case CODE('w', 'f'):
        return LINUX_MAPPING_WIPE_ON_FORK;
    case CODE('d', 'd'):
        return LINUX_MAPPING_DONT_DUMP;
    case CODE('h', 'g'):
        return LINUX_MAPPING_HUGE_PAGES;
    case CODE('n', 'h'):
        return LINUX_MAPPING_NO_HUGE_PAGES;
    case CODE('m', 'g'):
        return LINUX_MAPPING_MERGEABLE;
    case CODE('d', 'p'):
        return LINUX_MAPPING_DROPPABLE;
    case CODE('s', 'l'):
        return LINUX_MAPPING_SEALED;
    case CODE('h', 't'):
        return LINUX_MAPPING_HUGETLB;
    case CODE('i', 'o'):
    case CODE('p', 'f'):
    case CODE('m', 'm'):
        return LINUX_MAPPING_DEVICE;
    case CODE('s', 'f'):
        return LINUX_MAPPING_SYNC;
    case CODE('u', 'm'):
    case CODE('u', 'w'):
    case CODE('u', 'i'):
        return LINUX_MAPPING_USERFAULT;
    case CODE('s', 'h'):
        return LINUX_MAPPING_WRITES_THROUGH;
    case CODE('s', 's'):
        return LINUX_MAPPING_SHADOW_STACK;
    /* Said elsewhere (protection, sharing, guard pages), implied, or not kept (soft dirty). */
    case CODE('r', 'd'):
    case CODE('w', 'r'):
    case CODE('e', 'x'):
    case CODE('m', 'r'):
    case CODE('m', 'e'):
    case CODE('m', 's'):
    case CODE('d', 'e'):
    case CODE('s', 'd'):
    case CODE('a', 'r'):
    case CODE('g', 'u'):
        return 0;
    default:
        return LINUX_MAPPING_UNKNOWN;
    }
}

uint32_t linux_mapping_flags(const char *text)
{
    uint32_t flags = 0;
    while (*text == ' ')
        text++;
    while (text[0] && text[1]) {
        flags |= flag_of(CODE((unsigned char)text[0], (unsigned char)text[1]));
        text += 2;
        while (*text == ' ')
            text++;
    }
    return text[0] ? flags | LINUX_MAPPING_UNKNOWN : flags;
}

static const char *parse_hex(const char *at, uint64_t *value)
{
    uint64_t v = 0;
    const char *begin = at;
    for (;; at++) {
        if (*at >= '0' && *at <= '9')
            v = v << 4 | (uint64_t)(*at - '0');
        else if (*at >= 'a' && *at <= 'f')
            v = v << 4 | (uint64_t)(*at - 'a' + 10);
        else
            break;
    }
    *value = v;
    return at == begin || at - begin > 16 ? NULL : at;
}

static const char *expect(const char *at, char c)
{
    return at && *at == c ? at + 1 : NULL;
}

/* "START-END rwxp OFFSET MAJOR:MINOR INODE    NAME", NUL-terminated. */
static bool parse_header(const char *line, struct linux_mapping *mapping)
{
    uint64_t major = 0, minor = 0;
    const char *at = parse_hex(line, &mapping->start);
    at = expect(at, '-');
    at = at ? parse_hex(at, &mapping->end) : NULL;
    at = expect(at, ' ');
    if (!at || strnlen(at, 5) < 5 || at[4] != ' ' || mapping->start >= mapping->end)
        return false;
    mapping->protection = (at[0] == 'r' ? RECAP_PROT_READ : 0) |
                          (at[1] == 'w' ? RECAP_PROT_WRITE : 0) |
                          (at[2] == 'x' ? RECAP_PROT_EXECUTE : 0);
    mapping->shared = at[3] == 's';
    at = expect(parse_hex(at + 5, &mapping->offset), ' ');
    at = at ? parse_hex(at, &major) : NULL;
    at = expect(at, ':');
    at = at ? parse_hex(at, &minor) : NULL;
    at = expect(at, ' ');
    if (!at || *at < '0' || *at > '9')
        return false;
    char *end;
    errno = 0;
    mapping->inode = strtoull(at, &end, 10);
    if (errno)
        return false;
    mapping->device = makedev((unsigned)major, (unsigned)minor);
    at = end;
    while (*at == ' ')
        at++;
    mapping->name = *at ? at : NULL;
    return true;
}

/* One of the lines that follow a header. */
static void parse_detail(char *line, struct linux_mapping *mapping)
{
    static const char flags[] = "VmFlags:", anonymous[] = "Anonymous:", swap[] = "Swap:",
                      key[] = "ProtectionKey:";
    if (line[0] == 'V' && strncmp(line, flags, sizeof flags - 1) == 0) {
        char *text = line + sizeof flags - 1, *end = text + strlen(text);
        while (*text == ' ')
            text++;
        while (end > text && end[-1] == ' ')
            *--end = '\0';
        mapping->flags_text = text;
        mapping->flags = linux_mapping_flags(mapping->flags_text);
    } else if (line[0] == 'A' && strncmp(line, anonymous, sizeof anonymous - 1) == 0) {
        mapping->own_pages |= strtoull(line + sizeof anonymous - 1, NULL, 10) != 0;
    } else if (line[0] == 'S' && strncmp(line, swap, sizeof swap - 1) == 0) {
        mapping->own_pages |= strtoull(line + sizeof swap - 1, NULL, 10) != 0;
    } else if (line[0] == 'P' && strncmp(line, key, sizeof key - 1) == 0) {
        mapping->protection_key = strtoull(line + sizeof key - 1, NULL, 10);
    }
}

int linux_mappings_parse(char *text, struct linux_mapping **items, size_t *count)
{
    struct linux_mapping *list = NULL;
    size_t used = 0, room = 0;
    for (char *line = text, *next; *line; line = next) {
        char *end = strchrnul(line, '\n');
        next = *end ? end + 1 : end;
        *end = '\0';
        if ((*line < '0' || *line > '9') && (*line < 'a' || *line > 'f')) {
            if (used)
                parse_detail(line, &list[used - 1]);
            continue;
        }
        if (used == room) {
            room = room ? room * 2 : 64;
            struct linux_mapping *more = reallocarray(list, room, sizeof *list);
            if (!more) {
                free(list);
                return -ENOMEM;
            }
            list = more;
        }
        list[used] = (struct linux_mapping){.flags_text = ""};
        if (!parse_header(line, &list[used]) || (used && list[used - 1].end > list[used].start)) {
            free(list);
            return -EPROTO;
        }
        used++;
    }
    *items = list;
    *count = used;
    return 0;
}

/* Of a process that runs, a long list is not of one moment: mappings that were joined meanwhile may
 * overlap in it. */
enum { MOST_ATTEMPTS = 10 };

int linux_mappings_read(int proc, bool details, struct linux_mappings *mappings,
                        struct recap_error *error)
{
    struct linux_mappings read = {0};
    int result = -EPROTO;
    for (int i = 0; result == -EPROTO && i < MOST_ATTEMPTS; i++) {
        result = linux_procfs_read(proc, details ? "smaps" : "maps", &read.text, NULL);
        if (result < 0)
            return recap_fail(error, result, "reading the list of mappings");
        result = linux_mappings_parse(read.text, &read.items, &read.count);
        if (result < 0)
            free(read.text);
    }
    if (result < 0)
        return recap_fail(error, result, "understanding the list of mappings");
    if (read.count && read.items[read.count - 1].name &&
        strcmp(read.items[read.count - 1].name, "[vsyscall]") == 0)
        read.count--;
    *mappings = read;
    return 0;
}

void linux_mappings_clear(struct linux_mappings *mappings)
{
    free(mappings->items);
    free(mappings->text);
    *mappings = (struct linux_mappings){0};
}

bool linux_mapping_is_kernels(const char *name)
{
    return name && (strncmp(name, "[vvar", 5) == 0 || strcmp(name, "[vdso]") == 0);
}

const char *linux_mapping_obstacle(const struct linux_mapping *mapping)
{
    bool has_file = mapping->device || mapping->inode;
    if (!has_file && linux_mapping_is_kernels(mapping->name))
        return NULL;
    if (mapping->flags & LINUX_MAPPING_HUGETLB)
        return "it is backed by reserved huge pages (hugetlb)";
    if (mapping->flags & LINUX_MAPPING_DEVICE)
        return "it maps memory of a device or of the kernel";
    if (mapping->flags & LINUX_MAPPING_SYNC)
        return "it is a synchronous mapping of persistent memory (MAP_SYNC)";
    if (mapping->flags & LINUX_MAPPING_USERFAULT)
        return "its page faults are handled through a userfaultfd";
    if (mapping->flags & LINUX_MAPPING_SHADOW_STACK)
        return "it is a shadow stack";
    if (mapping->flags & LINUX_MAPPING_UNKNOWN)
        return "the kernel gives it a property that is not known here";
    /* Execute-only memory has a key that the kernel chose and will choose again. */
    if (mapping->protection_key && mapping->protection != RECAP_PROT_EXECUTE)
        return "it is protected by a memory protection key";
    if (!has_file && mapping->name && strncmp(mapping->name, "[uprobes]", 9) == 0)
        return "a probe (uprobes) is being traced in it";
    if (has_file && mapping->name && strncmp(mapping->name, "/SYSV", 5) == 0) {
        uint64_t device;
        if (linux_shared_memory_device(&device, NULL) == 0 && device == mapping->device)
            return "it is a System V shared memory segment";
    }
    if (has_file && (!mapping->name || !strchr("/[(", mapping->name[0])))
        return "it maps something that is neither a file nor memory";
    return NULL;
}

int linux_shared_memory_device(uint64_t *device, struct recap_error *error)
{
    /* The device never changes while the kernel runs. */
    static _Atomic uint64_t known;
    if (known) {
        *device = known;
        return 0;
    }
    struct stat status;
    int fd = memfd_create("recap", MFD_CLOEXEC);
    if (fd < 0)
        return recap_fail(error, -errno, "making a memfd");
    int result = fstat(fd, &status) < 0 ? -errno : 0;
    close(fd);
    if (result < 0)
        return recap_fail(error, result, "asking for the status of a memfd");
    known = status.st_dev;
    *device = status.st_dev;
    return 0;
}
