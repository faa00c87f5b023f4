/* address_space.c: where the parts of an address space are, and what holds for all of it. */
#include "newer.h"
#include "states.h"

#include <asm/ldt.h>
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
static int set_futex_hash(struct held *held)
{
    (void)held;
    return prctl(PR_FUTEX_HASH, PR_FUTEX_HASH_SET_SLOTS, 64, 0, 0);
}

static void read_futex_hash(struct held *held, char text[STATE_TEXT])
{
    (void)held;
    int slots = prctl(PR_FUTEX_HASH, PR_FUTEX_HASH_GET_SLOTS, 0, 0, 0);
    state_say(text, slots >= 0, "%d slots", slots);
}

/* --- where the parts of the address space are ---------------------------------------------------
 */

/* Field numbers[1] of /proc/self/stat. */
static void read_stat(struct held *held, char text[STATE_TEXT])
{
    char whole[STATE_TEXT];
    state_say_file(whole, "/proc/self/stat");
    char *at = strrchr(whole, ')');
    for (long i = 2; at && i < held->state->numbers[1]; i++)
        at = strchr(at + 1, ' ');
    snprintf(text, STATE_TEXT, "%.*s", at ? (int)strcspn(at + 1, " ") : 4, at ? at + 1 : "none");
}

/* The parts as they are, from the fields of stat: what is to be another is changed by the caller.
 */
static void get_parts(struct prctl_mm_map *parts)
{
    static uint64_t vector[64];
    char whole[STATE_TEXT];
    uint64_t field[52] = {0};
    state_say_file(whole, "/proc/self/stat");
    char *at = strrchr(whole, ')');
    for (int i = 3; at && i < 52; i++) {
        at = strchr(at + 1, ' ');
        field[i] = at ? strtoull(at, NULL, 10) : 0;
    }
    int fd = open("/proc/self/auxv", O_RDONLY | O_CLOEXEC);
    ssize_t length = read(fd, vector, sizeof vector);
    close(fd);
    *parts = (struct prctl_mm_map){.start_code = field[26],
                                   .end_code = field[27],
                                   .start_data = field[45],
                                   .end_data = field[46],
                                   .start_brk = field[47],
                                   .brk = (uintptr_t)sbrk(0),
                                   .start_stack = field[28],
                                   .arg_start = field[48],
                                   .arg_end = field[49],
                                   .env_start = field[50],
                                   .env_end = field[51],
                                   .auxv = (void *)vector,
                                   .auxv_size = (uint32_t)length,
                                   .exe_fd = ~0u};
}

static int set_parts(struct prctl_mm_map *parts)
{
    return prctl(PR_SET_MM, PR_SET_MM_MAP, parts, sizeof *parts, 0);
}

/* {offset of a part, field of stat, what is taken off} */
static int set_part(struct held *held)
{
    const long *n = held->state->numbers;
    struct prctl_mm_map parts;
    uint64_t part;
    get_parts(&parts);
    memcpy(&part, (char *)&parts + n[0], sizeof part);
    part -= (uint64_t)n[2];
    memcpy((char *)&parts + n[0], &part, sizeof part);
    return set_parts(&parts);
}

static int set_command_line(struct held *held)
{
    static char line[] = "other arguments";
    struct prctl_mm_map parts;
    (void)held;
    get_parts(&parts);
    parts.arg_start = (uintptr_t)line;
    parts.arg_end = (uintptr_t)line + sizeof line;
    return set_parts(&parts);
}

static void read_command_line(struct held *held, char text[STATE_TEXT])
{
    (void)held;
    state_say_file(text, "/proc/self/cmdline");
}

static int set_environment(struct held *held)
{
    static char line[] = "OTHER=environment";
    struct prctl_mm_map parts;
    (void)held;
    get_parts(&parts);
    parts.env_start = (uintptr_t)line;
    parts.env_end = (uintptr_t)line + sizeof line;
    return set_parts(&parts);
}

static void read_environment(struct held *held, char text[STATE_TEXT])
{
    (void)held;
    state_say_file(text, "/proc/self/environ");
    text[64] = '\0';
}

/* Another number for what no library looks at any more. */
static int set_vector(struct held *held)
{
    struct prctl_mm_map parts;
    (void)held;
    get_parts(&parts);
    uint64_t *vector = (void *)parts.auxv;
    for (size_t i = 0; vector[i] != AT_NULL; i += 2)
        if (vector[i] == AT_CLKTCK)
            vector[i + 1] = 4711;
    return set_parts(&parts);
}

static void read_vector(struct held *held, char text[STATE_TEXT])
{
    uint64_t vector[64] = {0};
    int fd = open("/proc/self/auxv", O_RDONLY | O_CLOEXEC);
    (void)held;
    bool answered = read(fd, vector, sizeof vector - 2 * sizeof *vector) > 0;
    close(fd);
    size_t i = 0;
    while (vector[i] != AT_NULL && vector[i] != AT_CLKTCK)
        i += 2;
    state_say(text, answered, "%lu ticks", vector[i + 1]);
}

static int set_heap_end(struct held *held)
{
    (void)held;
    return brk((char *)sbrk(0) + 12345);
}

static void read_heap_end(struct held *held, char text[STATE_TEXT])
{
    (void)held;
    state_say(text, true, "%p", sbrk(0));
}

static int set_ldt(struct held *held)
{
    const struct user_desc entries[] = {
        {.entry_number = 3, .base_addr = 0x12345000, .limit = 0xfff, .seg_32bit = 1, .useable = 1},
        {.entry_number = 9,
         .base_addr = 0x1000,
         .limit = 0xfffff,
         .contents = 2,
         .read_exec_only = 1,
         .limit_in_pages = 1,
         .seg_not_present = 1},
    };
    (void)held;
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++)
        if (syscall(SYS_modify_ldt, 0x11, &entries[i], sizeof entries[i]) != 0)
            return -1;
    return 0;
}

static void read_ldt(struct held *held, char text[STATE_TEXT])
{
    uint64_t table[16] = {0};
    (void)held;
    int length = (int)syscall(SYS_modify_ldt, 0, table, sizeof table);
    state_say(text, length >= 0, "%d bytes: %lx, %lx", length, table[3], table[9]);
}

#define FLAGS_OF(option, value, flags, get)                                                        \
    {                                                                                              \
        (option), (value), (flags), (get)                                                          \
    }

static const struct state states[] = {
    {.name = "PR_SET_THP_DISABLE",
     .set = state_set_option,
     .read = state_read_option,
     .numbers = FLAGS_OF(PR_SET_THP_DISABLE, 1, 0, PR_GET_THP_DISABLE),
     .claims = "PR_SET_THP_DISABLE status:THP_enabled",
     .alone = true},
    {.name = "PR_SET_THP_DISABLE except where advised",
     .claims = "PR_THP_DISABLE_EXCEPT_ADVISED",
     .set = state_set_option,
     .read = state_read_option,
     .numbers = FLAGS_OF(PR_SET_THP_DISABLE, 1, PR_THP_DISABLE_EXCEPT_ADVISED, PR_GET_THP_DISABLE),
     .since = "6.18"},
    {.name = "PR_SET_MEMORY_MERGE",
     .set = state_set_option,
     .read = state_read_option,
     .numbers = FLAGS_OF(PR_SET_MEMORY_MERGE, 1, 0, PR_GET_MEMORY_MERGE),
     .since = "6.4"},
    {.name = "PR_SET_MDWE",
     .claims = "PR_SET_MDWE PR_MDWE_REFUSE_EXEC_GAIN",
     .set = state_set_option,
     .read = state_read_option,
     .numbers = FLAGS_OF(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, PR_GET_MDWE),
     .since = "6.3"},
    {.name = "PR_SET_MDWE for itself alone",
     .claims = "PR_MDWE_NO_INHERIT",
     .set = state_set_option,
     .read = state_read_option,
     .numbers =
         FLAGS_OF(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN | PR_MDWE_NO_INHERIT, 0, PR_GET_MDWE),
     .since = "6.6",
     .alone = true},
    {.name = "PR_FUTEX_HASH",
     .claims = "PR_FUTEX_HASH PR_FUTEX_HASH_SET_SLOTS",
     .set = set_futex_hash,
     .read = read_futex_hash,
     .since = "6.17"},
    {.name = "PR_SET_MM_START_CODE",
     .claims = "PR_SET_MM PR_SET_MM_MAP PR_SET_MM_START_CODE stat:26",
     .set = set_part,
     .read = read_stat,
     .numbers = {offsetof(struct prctl_mm_map, start_code), 26, 16}},
    {.name = "PR_SET_MM_END_CODE",
     .claims = "PR_SET_MM_END_CODE stat:27",
     .set = set_part,
     .read = read_stat,
     .numbers = {offsetof(struct prctl_mm_map, end_code), 27, 16}},
    {.name = "PR_SET_MM_START_STACK",
     .claims = "PR_SET_MM_START_STACK stat:28",
     .set = set_part,
     .read = read_stat,
     .numbers = {offsetof(struct prctl_mm_map, start_stack), 28, 16}},
    {.name = "PR_SET_MM_START_DATA",
     .claims = "PR_SET_MM_START_DATA stat:45",
     .set = set_part,
     .read = read_stat,
     .numbers = {offsetof(struct prctl_mm_map, start_data), 45, 16}},
    {.name = "PR_SET_MM_END_DATA",
     .claims = "PR_SET_MM_END_DATA stat:46",
     .set = set_part,
     .read = read_stat,
     .numbers = {offsetof(struct prctl_mm_map, end_data), 46, 16}},
    {.name = "PR_SET_MM_START_BRK",
     .claims = "PR_SET_MM_START_BRK stat:47",
     .set = set_part,
     .read = read_stat,
     .numbers = {offsetof(struct prctl_mm_map, start_brk), 47, 16}},
    {.name = "PR_SET_MM_BRK",
     .claims = "PR_SET_MM_BRK __NR_brk",
     .set = set_heap_end,
     .read = read_heap_end},
    {.name = "PR_SET_MM_ARG_START",
     .claims = "PR_SET_MM_ARG_START PR_SET_MM_ARG_END stat:48 stat:49 self:cmdline",
     .set = set_command_line,
     .read = read_command_line},
    {.name = "PR_SET_MM_ENV_START",
     .claims = "PR_SET_MM_ENV_START PR_SET_MM_ENV_END stat:50 stat:51 self:environ",
     .set = set_environment,
     .read = read_environment},
    {.name = "PR_SET_MM_AUXV",
     .claims = "PR_SET_MM_AUXV self:auxv",
     .set = set_vector,
     .read = read_vector,
     .alone = true},
    {.name = "modify_ldt",
     .claims = "__NR_modify_ldt",
     .set = set_ldt,
     .read = read_ldt,
     .may_lack = "a kernel with local descriptor tables"},
};

STATE_FAMILY(address_space_family, "address_space", states);
