/* memory.c: the regions of a live process, which pages are its own, and vDSOs that differ. */
#include "kernel/kernel.h"
#include "kernel/linux/abi.h"
#include "kernel/linux/backend.h"
#include "kernel/linux/memory/mappings.h"
#include "kernel/linux/memory/vdso.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The walk over pages as on a kernel without PAGEMAP_SCAN. */
#undef PAGEMAP_SCAN
#define PAGEMAP_SCAN 0
#define linux_pages_open plain_pages_open
#define linux_pages_next plain_pages_next
#define linux_pages_free plain_pages_free
#define linux_pages plain_pages
struct plain_pages;
int plain_pages_open(int proc, const struct linux_mappings *mappings, struct plain_pages **pages,
                     struct recap_error *error);
int plain_pages_next(struct plain_pages *pages, struct linux_page_run *run,
                     struct recap_error *error);
void plain_pages_free(struct plain_pages *pages);
#include "kernel/linux/memory/pages.c"
#undef linux_pages_open
#undef linux_pages_next
#undef linux_pages_free
#undef linux_pages

enum { PAGES = 64, SIZE = PAGES * PAGE };

static void parses_what_the_kernel_writes(void **state)
{
    (void)state;
    char text[] = "00400000-00402000 r-xp 00001000 fe:01 42                 /bin/a file\n"
                  "Size:                  8 kB\nAnonymous:             0 kB\n"
                  "VmFlags: rd ex mr mw me dw \n"
                  "00402000-00403000 rw-s 00000000 00:01 7                  /dev/zero (deleted)\n"
                  "Anonymous:             4 kB\nProtectionKey:         3\n"
                  "VmFlags: rd wr sh mr mw me ms lo lf dc dd hg sl \n"
                  "00403000-00404000 ---p 00000000 00:00 0 \n"
                  "Swap:                  4 kB\nVmFlags: mr mw me nr gd\n";
    struct linux_mapping *items;
    size_t count;
    assert_int_equal(linux_mappings_parse(text, &items, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(items[0].start, 0x400000);
    assert_int_equal(items[0].end, 0x402000);
    assert_int_equal(items[0].protection, RECAP_PROT_READ | RECAP_PROT_EXECUTE);
    assert_false(items[0].shared);
    assert_int_equal(items[0].offset, 0x1000);
    assert_int_equal(items[0].inode, 42);
    assert_string_equal(items[0].name, "/bin/a file");
    assert_int_equal(items[0].flags, LINUX_MAPPING_MAY_WRITE | LINUX_MAPPING_UNKNOWN);
    assert_non_null(linux_mapping_obstacle(&items[0]));
    assert_false(items[0].own_pages);
    assert_true(items[1].shared);
    assert_true(items[1].own_pages);
    assert_int_equal(items[1].protection_key, 3);
    assert_int_equal(items[1].flags, LINUX_MAPPING_MAY_WRITE | LINUX_MAPPING_WRITES_THROUGH |
                                         LINUX_MAPPING_LOCKED | LINUX_MAPPING_LOCKED_ON_FAULT |
                                         LINUX_MAPPING_DONT_FORK | LINUX_MAPPING_DONT_DUMP |
                                         LINUX_MAPPING_HUGE_PAGES | LINUX_MAPPING_SEALED);
    assert_string_equal(items[1].flags_text, "rd wr sh mr mw me ms lo lf dc dd hg sl");
    assert_null(items[2].name);
    assert_true(items[2].own_pages);
    assert_null(linux_mapping_obstacle(&items[2]));
    free(items);
}

static void refuses_what_is_no_list(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "00402000-00402000 r-xp 00001000 fe:01 42 /bin/a\n",
        "00402000 r-xp 00001000 fe:01 42 /bin/a\n",
        "00400000-00402000 r-x",
        "00400000-00402000 r-xp 00001000 fe:01 x\n",
        "00400000-00402000 r-xp 00001000 fe01 1\n",
        "00000000000400000-00402000 r-xp 00001000 fe:01 1\n",
        "00400000-00402000 r-xp 0 0:0 0\n00401000-00403000 r-xp 0 0:0 0\n",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *text = strdup(wrong[i]);
        struct linux_mapping *items;
        size_t count;
        assert_int_equal(linux_mappings_parse(text, &items, &count), -EPROTO);
        free(text);
    }
}

/* Where the child has what; the same addresses in both processes. */
static struct {
    char *anonymous; /* pages 1 to 3 and the last one written, page 5 only read */
    char *hidden;    /* written, then PROT_NONE */
    char *file;      /* private: page 1 written, page 0 only read */
    char *shared;    /* shared anonymous; `again` are its pages 8 to 15 */
    char *again;
    char *memfd; /* mapped, closed */
    char *guarded;
    bool guards;
} child;

static void build(void)
{
    const int rw = PROT_READ | PROT_WRITE;
    volatile char sink;
    child.anonymous = mmap(NULL, SIZE, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(child.anonymous + PAGE, 1, 3 * PAGE);
    child.anonymous[SIZE - 1] = 1;
    sink = child.anonymous[5 * PAGE];
    /* Its own properties keep the kernel from merging it with the one above. */
    child.hidden = mmap(NULL, SIZE, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    memset(child.hidden + 7 * PAGE, 'h', 2 * PAGE);
    mprotect(child.hidden, SIZE, PROT_NONE);
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    child.file = mmap(NULL, 4 * PAGE, rw, MAP_PRIVATE, fd, 0);
    close(fd);
    sink = child.file[0];
    child.file[PAGE] = 1;
    child.shared = mmap(NULL, SIZE, rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    child.shared[9 * PAGE] = 's';
    child.again = mremap(child.shared + 8 * PAGE, 0, 8 * PAGE, MREMAP_MAYMOVE);
    fd = memfd_create("unit", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ftruncate(fd, SIZE);
    fcntl(fd, F_ADD_SEALS, F_SEAL_GROW);
    child.memfd = mmap(NULL, SIZE, rw, MAP_SHARED, fd, 0);
    child.memfd[3 * PAGE] = 'm';
    close(fd);
    child.guarded = mmap(NULL, 8 * PAGE, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    child.guarded[0] = 1;
    child.guards = madvise(child.guarded + 2 * PAGE, 3 * PAGE, MADV_GUARD_INSTALL) == 0;
    (void)sink;
}

struct live {
    pid_t pid;
    struct recap_kernel *kernel;
    struct recap_pd *pd;
    struct recap_graph *graph;
    struct recap_pd_image *image;
};

static int set_up(void **state)
{
    static struct live live;
    struct recap_error error = {0};
    int ready[2];
    char byte;
    build();
    pipe(ready);
    live.pid = fork();
    if (live.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        /* What fork does not carry is built anew in place. */
        memset(child.anonymous + PAGE, 1, 3 * PAGE);
        write(ready[1], "x", 1);
        for (;;)
            pause();
    }
    read(ready[0], &byte, 1);
    close(ready[0]);
    close(ready[1]);
    /* Shared memory is to be the child's alone. */
    munmap(child.shared, SIZE);
    munmap(child.again, 8 * PAGE);
    munmap(child.memfd, SIZE);
    live.graph = recap_graph_new();
    live.image = recap_graph_add_pd(live.graph);
    if (recap_linux_open(&live.kernel, &error) < 0 ||
        live.kernel->ops->pd_open(live.kernel, (uint64_t)live.pid, &live.pd, &error) < 0 ||
        live.kernel->ops->suspend(live.pd, &error) < 0 ||
        live.kernel->ops->regions(live.pd, live.graph, live.image, &error) < 0) {
        fprintf(stderr, "%s\n", error.what);
        return -1;
    }
    *state = &live;
    return 0;
}

static int tear_down(void **state)
{
    struct live *live = *state;
    live->kernel->ops->pd_close(live->pd);
    live->kernel->ops->close(live->kernel);
    recap_graph_free(live->graph);
    kill(live->pid, SIGKILL);
    waitpid(live->pid, NULL, 0);
    return 0;
}

static const struct recap_region *region_at(const struct live *live, const void *address)
{
    for (size_t i = 0; i < live->image->region_count; i++) {
        const struct recap_region *region = &live->image->regions[i];
        if ((uintptr_t)address - region->start < region->length)
            return region;
    }
    fail_msg("nothing is mapped at %p", address);
    return NULL;
}

/* Whether the page's content is kept. */
static bool kept(const struct live *live, const char *address)
{
    const struct recap_region *region = region_at(live, address);
    for (size_t i = 0; i < region->range_count; i++)
        if ((uintptr_t)address - region->ranges[i].start < region->ranges[i].length)
            return true;
    return false;
}

static void keeps_the_pages_that_are_its_own(void **state)
{
    struct live *live = *state;
    for (int i = 0; i < PAGES; i++)
        assert_int_equal(kept(live, child.anonymous + i * PAGE),
                         (i >= 1 && i <= 3) || i == PAGES - 1);
    for (int i = 0; i < 4; i++)
        assert_int_equal(kept(live, child.file + i * PAGE), i == 1);
    assert_false(kept(live, child.shared + 9 * PAGE));
    assert_false(kept(live, child.memfd + 3 * PAGE));
}

static void finds_the_same_without_the_scan(void **state)
{
    struct live *live = *state;
    struct linux_mappings mappings;
    struct plain_pages *pages;
    struct linux_page_run run;
    struct recap_error error;
    char path[32];
    snprintf(path, sizeof path, "/proc/%d", (int)live->pid);
    int proc = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(linux_mappings_read(proc, true, &mappings, &error), 0);
    assert_int_equal(plain_pages_open(proc, &mappings, &pages, &error), 0);
    size_t own = 0, hidden = 0, guards = 0;
    int result;
    while ((result = plain_pages_next(pages, &run, &error)) == 1)
        for (uint64_t at = run.start; at < run.end; at += PAGE) {
            uint64_t in = at - (uintptr_t)child.anonymous;
            if (run.kind == LINUX_PAGE_OWN && in < SIZE) {
                own++;
                /* This way tells the zero page from others only to the privileged. */
                assert_true((in >= PAGE && in < 6 * PAGE) || in == SIZE - PAGE);
            }
            hidden += run.kind == LINUX_PAGE_OWN && at - (uintptr_t)child.hidden < SIZE;
            guards += run.kind == LINUX_PAGE_GUARD && at - (uintptr_t)child.guarded < 8 * PAGE;
        }
    assert_int_equal(result, 0);
    assert_true(own >= 4);
    assert_int_equal(hidden, 2);
    assert_int_equal(guards, child.guards ? 3 : 0);
    plain_pages_free(pages);
    linux_mappings_clear(&mappings);
    close(proc);
}

static void reads_and_writes_what_the_process_may_not(void **state)
{
    struct live *live = *state;
    struct recap_error error;
    char buffer[2 * PAGE + 2];
    assert_int_equal(region_at(live, child.hidden)->protection, 0);
    assert_true(kept(live, child.hidden + 7 * PAGE));
    assert_true(kept(live, child.hidden + 8 * PAGE));
    assert_false(kept(live, child.hidden + 9 * PAGE));
    assert_int_equal(live->kernel->ops->read(live->pd, (uintptr_t)child.hidden + 7 * PAGE - 1,
                                             buffer, sizeof buffer, &error),
                     0);
    assert_int_equal(buffer[0], 0);
    assert_int_equal(buffer[1], 'h');
    assert_int_equal(buffer[2 * PAGE], 'h');
    assert_int_equal(buffer[2 * PAGE + 1], 0);
    assert_int_equal(
        live->kernel->ops->write(live->pd, (uintptr_t)child.hidden + 7 * PAGE, "w", 1, &error), 0);
    assert_int_equal(
        live->kernel->ops->read(live->pd, (uintptr_t)child.hidden + 7 * PAGE, buffer, 2, &error),
        0);
    assert_memory_equal(buffer, "wh", 2);
    assert_int_not_equal(live->kernel->ops->read(live->pd, PAGE, buffer, 1, &error), 0);
}

static void knows_shared_memory_by_its_object(void **state)
{
    struct live *live = *state;
    const struct recap_region *shared = region_at(live, child.shared);
    const struct recap_region *again = region_at(live, child.again);
    const struct recap_region *memfd = region_at(live, child.memfd);
    assert_true(shared->shared && again->shared && memfd->shared);
    assert_int_not_equal(shared->object, 0);
    assert_int_equal(shared->object, again->object);
    assert_int_equal(again->offset - shared->offset, 8 * PAGE);
    assert_int_not_equal(memfd->object, shared->object);

    struct recap_error error;
    struct recap_object object = {0};
    char byte;
    assert_int_equal(live->kernel->ops->describe(live->kernel, shared->object, live->graph->arena,
                                                 &object, &error),
                     0);
    assert_string_equal(object.kind, "shared-memory");
    assert_string_equal(recap_text_or_null(object.state, "form"), "anonymous");
    assert_int_equal(recap_number_or(object.state, "size", 0), SIZE);
    assert_int_equal(object.content, PAGE);
    assert_int_equal(live->kernel->ops->content(live->kernel, shared->object, 0, &byte, 1, &error),
                     1);
    assert_int_equal(byte, 's');
    object = (struct recap_object){0};
    assert_int_equal(live->kernel->ops->describe(live->kernel, memfd->object, live->graph->arena,
                                                 &object, &error),
                     0);
    assert_string_equal(recap_text_or_null(object.state, "name"), "unit");
    assert_int_equal(object.content, PAGE);
    assert_int_equal(live->kernel->ops->content(live->kernel, memfd->object, 0, &byte, 1, &error),
                     1);
    assert_int_equal(byte, 'm');
    if (geteuid() == 0)
        assert_int_equal(recap_number_or(recap_member(object.state, "ties"), "seals", 0),
                         F_SEAL_GROW);
}

static void notes_guards(void **state)
{
    struct live *live = *state;
    if (!child.guards)
        skip();
    const struct recap_value *guards = recap_items(region_at(live, child.guarded)->state, "guards");
    uint64_t start = 0, length = 0;
    assert_int_equal(recap_get_hex(guards, "start", &start), 0);
    assert_int_equal(recap_get_hex(guards, "length", &length), 0);
    assert_int_equal(start, (uintptr_t)child.guarded + 2 * PAGE);
    assert_int_equal(length, 3 * PAGE);
    assert_null(guards->next);
    assert_false(kept(live, child.guarded + 2 * PAGE));
}

/* Our own vDSO. */
static const char *vdso(size_t *size)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): the kernel's word for where it is */
    const char *start = (const char *)getauxval(AT_SYSINFO_EHDR);
    const ElfW(Ehdr) *header = (const void *)start;
    const ElfW(Phdr) *segment = (const void *)(start + header->e_phoff);
    size_t end = 0;
    for (int i = 0; i < header->e_phnum; i++)
        if (segment[i].p_type == PT_LOAD)
            end = segment[i].p_offset + segment[i].p_memsz;
    *size = (end + PAGE - 1) / PAGE * PAGE;
    return start;
}

/* The offset of a function that the vDSO exports, found the simple way. */
static size_t offset_of(const char *start, const char *name)
{
    const ElfW(Ehdr) *header = (const void *)start;
    const ElfW(Phdr) *segment = (const void *)(start + header->e_phoff);
    const ElfW(Dyn) *dynamic = NULL;
    const ElfW(Sym) *symbols = NULL;
    const char *names = NULL;
    const uint32_t *hash = NULL;
    for (int i = 0; i < header->e_phnum; i++)
        if (segment[i].p_type == PT_DYNAMIC)
            dynamic = (const void *)(start + segment[i].p_offset);
    for (; dynamic && dynamic->d_tag != DT_NULL; dynamic++) {
        if (dynamic->d_tag == DT_SYMTAB)
            symbols = (const void *)(start + dynamic->d_un.d_ptr);
        if (dynamic->d_tag == DT_STRTAB)
            names = start + dynamic->d_un.d_ptr;
        if (dynamic->d_tag == DT_HASH)
            hash = (const void *)(start + dynamic->d_un.d_ptr);
    }
    for (uint32_t i = 0; hash && i < hash[1]; i++)
        if (strcmp(names + symbols[i].st_name, name) == 0)
            return symbols[i].st_value;
    return 0;
}

static void leads_an_old_vdso_into_the_new(void **state)
{
    (void)state;
    size_t size;
    const char *real = vdso(&size);
    struct recap_error error;
    char *copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(copy, real, size);
    assert_true(linux_vdso_same(copy, size, real, size));
    copy[size - 1] = 1; /* padding */
    assert_true(linux_vdso_same(copy, size, real, size));
    size_t place = offset_of(real, "__vdso_clock_gettime");
    assert_int_not_equal(place, 0);
    copy[place] ^= 1;
    assert_false(linux_vdso_same(copy, size, real, size));

    /* Without the jumps the copy would crash: its functions begin with an undefined instruction. */
    copy[place] = 0x0f;
    copy[place + 1] = 0x0b;
    assert_int_equal(linux_vdso_redirect(copy, size, real, size, (uintptr_t)real, &error), 0);
    assert_int_equal(mprotect(copy, size, PROT_READ | PROT_EXEC), 0);
    int (*gettime)(clockid_t, struct timespec *);
    *(void **)&gettime = copy + place;
    struct timespec through, direct;
    assert_int_equal(gettime(CLOCK_MONOTONIC, &through), 0);
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &direct), 0);
    assert_in_range(direct.tv_sec - through.tv_sec, 0, 1);
    munmap(copy, size);
}

static void refuses_vdsos_that_are_none(void **state)
{
    (void)state;
    size_t size;
    const char *real = vdso(&size);
    struct recap_error error;
    char *old = malloc(size);
    memcpy(old, real, size);
    /* A function that the running kernel's lacks. */
    for (char *at = old; (at = memmem(at, size - (size_t)(at - old), "clock_gettime", 13)); at++)
        *at = 'k';
    assert_int_equal(linux_vdso_redirect(old, size, real, size, (uintptr_t)real, &error),
                     -EOPNOTSUPP);
    assert_int_equal(error.cls, RECAP_UNSUPPORTED);
    /* Any damage is survived. */
    for (size_t i = 0; i < 0x700; i++) {
        static const unsigned char values[] = {0x00, 0x7f, 0xff};
        for (size_t v = 0; v < sizeof values; v++) {
            memcpy(old, real, size);
            old[i] = (char)values[v];
            int result = linux_vdso_redirect(old, size, real, size, (uintptr_t)real, &error);
            assert_true(result == 0 || result == -EINVAL || result == -EOPNOTSUPP);
        }
    }
    for (size_t length = 0; length < size; length += 61) {
        char *piece = malloc(length + 1);
        memcpy(piece, real, length);
        int result = linux_vdso_redirect(piece, length, real, size, (uintptr_t)real, &error);
        assert_true(result == 0 || result == -EINVAL || result == -EOPNOTSUPP);
        free(piece);
    }
    free(old);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parses_what_the_kernel_writes),
        cmocka_unit_test(refuses_what_is_no_list),
        cmocka_unit_test(leads_an_old_vdso_into_the_new),
        cmocka_unit_test(refuses_vdsos_that_are_none),
    };
    const struct CMUnitTest live[] = {
        cmocka_unit_test(keeps_the_pages_that_are_its_own),
        cmocka_unit_test(finds_the_same_without_the_scan),
        cmocka_unit_test(reads_and_writes_what_the_process_may_not),
        cmocka_unit_test(knows_shared_memory_by_its_object),
        cmocka_unit_test(notes_guards),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    return cmocka_run_group_tests(live, set_up, tear_down) + failed;
}
