/* image_core.c: what a debugger finds in a core file. The core is made of a live process of ours,
 * read through ptrace and /proc by the means of this test alone. */
#include "image/image.h"
#include "tests/unit/sample_graph.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* --- the program whose core is taken -------------------------------------------------------------
 */

static int ready_pipe[2];

__attribute__((noinline)) static void innermost_wait(int depth)
{
    volatile int keep = depth;
    if (write(ready_pipe[1], "r", 1) != 1)
        _exit(1);
    for (;;)
        pause();
    _exit(keep);
}

__attribute__((noinline)) static void middle_wait(int depth)
{
    innermost_wait(depth + 1);
    asm volatile("");
}

__attribute__((noinline)) static void *thread_wait(void *context)
{
    middle_wait(*(int *)context);
    return NULL;
}

__attribute__((noinline, noreturn)) static void run_program(void)
{
    static int depth = 7;
    pthread_t thread;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (pthread_create(&thread, NULL, thread_wait, &depth) != 0)
        _exit(1);
    middle_wait(depth);
    _exit(0);
}

/* --- reading it
 * ------------------------------------------------------------------------------------ */

static void add_thread(struct recap_graph *graph, struct recap_pd_image *pd, pid_t tid)
{
    struct recap_thread *thread = recap_graph_add_thread(graph, pd);
    struct user_regs_struct registers;
    unsigned char extended[16384];
    struct iovec general = {&registers, sizeof registers}, more = {extended, sizeof extended};
    assert_int_equal(ptrace(PTRACE_SEIZE, tid, NULL, NULL), 0);
    assert_int_equal(ptrace(PTRACE_INTERRUPT, tid, NULL, NULL), 0);
    assert_int_equal(waitpid(tid, NULL, __WALL), tid);
    assert_int_equal(ptrace(PTRACE_GETREGSET, tid, NT_PRSTATUS, &general), 0);
    assert_int_equal(ptrace(PTRACE_GETREGSET, tid, NT_X86_XSTATE, &more), 0);
    *thread = (struct recap_thread){
        .id = (uint64_t)tid,
        .registers = recap_arena_copy(graph->arena, &registers, sizeof registers),
        .registers_length = sizeof registers,
        .extended = recap_arena_copy(graph->arena, extended, more.iov_len),
        .extended_length = more.iov_len,
        .state = recap_record(graph->arena),
    };
}

static void add_region(struct recap_graph *graph, struct recap_pd_image *pd, const char *line)
{
    uint64_t start, end, offset, inode;
    char permissions[5];
    int name = 0;
    assert_true(sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %" SCNu64 " %n", &start,
                       &end, permissions, &offset, &inode, &name) == 5);
    /* What cannot be read, and the shadow memory of a sanitizer. */
    if (strstr(line, "[vvar") || strstr(line, "[vsyscall]") || end - start > 1 << 30)
        return;
    struct recap_region *region = recap_graph_add_region(graph, pd);
    *region = (struct recap_region){
        .start = start,
        .length = end - start,
        .protection = (permissions[0] == 'r' ? RECAP_PROT_READ : 0) |
                      (permissions[1] == 'w' ? RECAP_PROT_WRITE : 0) |
                      (permissions[2] == 'x' ? RECAP_PROT_EXECUTE : 0),
    };
    if (line[name] && line[name] != '\n') {
        region->name =
            recap_arena_printf(graph->arena, "%.*s", (int)strcspn(line + name, "\n"), line + name);
        region->object = inode ? 1 : 0;
        region->offset = inode ? offset : 0;
    }
    /* Text is left to the files. */
    if (permissions[0] != 'r' || (inode && permissions[2] == 'x'))
        return;
    region->ranges = recap_arena_alloc(graph->arena, sizeof *region->ranges);
    region->ranges[0] = (struct recap_range){.start = start, .length = end - start};
    region->range_count = 1;
}

static void read_process(struct recap_graph *graph, struct recap_pd_image *pd, pid_t pid)
{
    char path[64], line[4096], auxv[4096];
    pd->id = (uint64_t)pid;
    pd->name = "test-image_core";
    pd->attributes = recap_record(graph->arena);
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    assert_non_null(tasks);
    for (struct dirent *entry; (entry = readdir(tasks));)
        if (entry->d_name[0] != '.')
            add_thread(graph, pd, (pid_t)strtol(entry->d_name, NULL, 10));
    closedir(tasks);
    snprintf(path, sizeof path, "/proc/%d/maps", pid);
    FILE *maps = fopen(path, "re");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps))
        add_region(graph, pd, line);
    fclose(maps);
    snprintf(path, sizeof path, "/proc/%d/auxv", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = read(fd, auxv, sizeof auxv);
    assert_true(got > 0);
    close(fd);
    recap_put_bytes(graph->arena, recap_put_record(graph->arena, pd->attributes, "layout"),
                    "auxiliary_vector", auxv, (size_t)got);
    struct recap_object *object = recap_graph_add_object(graph);
    object->kind = "mapped-file";
}

static void write_core(const char *path, pid_t pid)
{
    struct recap_graph *graph = recap_graph_new();
    struct recap_image_writer *writer = NULL;
    struct recap_error error = {0};
    graph->kernel = "linux";
    graph->machine = "x86_64";
    graph->release = "6.18.0";
    struct recap_pd_image *pd = recap_graph_add_pd(graph);
    read_process(graph, pd, pid);
    assert_int_equal(recap_image_create(path, &writer, &error), 0);
    assert_int_equal(recap_image_begin_core(writer, pd, &error), 0);
    for (size_t r = 0; r < pd->region_count; r++)
        for (size_t i = 0; i < pd->regions[r].range_count; i++) {
            const struct recap_range *range = &pd->regions[r].ranges[i];
            for (uint64_t at = 0; at < range->length;) {
                void *buffer = NULL;
                size_t size = range->length - at < 1 << 20 ? (size_t)(range->length - at) : 1 << 20;
                assert_int_equal(recap_image_room(writer, &buffer, &error), 0);
                struct iovec here = {buffer, size}, there = {(void *)(range->start + at), size};
                assert_int_equal(process_vm_readv(pid, &here, 1, &there, 1, 0), size);
                assert_int_equal(recap_image_put(writer, buffer, range->offset + at, size, &error),
                                 0);
                at += size;
            }
        }
    assert_int_equal(recap_image_end_core(writer, graph, pd, &error), 0);
    if (recap_image_commit(writer, graph, &error) < 0)
        fail_msg("%s", error.what);
    recap_image_discard(writer);
    recap_graph_free(graph);
}

/* --- the tests
 * --------------------------------------------------------------------------------------- */

/* What gdb says to `commands` about the core of `program`. */
static char *run_gdb(const char *commands, const char *program, const char *core)
{
    static char output[65536];
    char *command = NULL;
    assert_true(asprintf(&command,
                         "timeout 60 gdb -nx -batch -iex 'set debuginfod enabled off' %s %s -c %s "
                         "2>&1",
                         commands, program, core) > 0);
    FILE *gdb = popen(command, "re");
    assert_non_null(gdb);
    size_t got = fread(output, 1, sizeof output - 1, gdb);
    output[got] = '\0';
    pclose(gdb);
    free(command);
    return output;
}

static size_t count(const char *text, const char *what)
{
    size_t found = 0;
    for (; (text = strstr(text, what)); text++)
        found++;
    return found;
}

static void test_debugger_shows_all_stacks(void **state)
{
    if (system("command -v gdb >/dev/null") != 0)
        skip();
    const char *folder = *state;
    char byte, name[64];
    assert_int_equal(pipe2(ready_pipe, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0)
        run_program();
    assert_int_equal(read(ready_pipe[0], &byte, 1), 1);
    assert_int_equal(read(ready_pipe[0], &byte, 1), 1);
    usleep(1000);
    char *path = sample_path(folder, "image");
    write_core(path, pid);
    kill(pid, SIGKILL);
    while (waitpid(-1, NULL, __WALL) > 0)
        ;
    snprintf(name, sizeof name, "image/%d.core", pid);
    char *core = sample_path(folder, name);
    char self[4096];
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    assert_true(length > 0);
    self[length] = '\0';
    const char *output = run_gdb("-ex bt -ex 'echo ALL\\n' -ex 'thread apply all bt'", self, core);
    const char *all = strstr(output, "ALL\n");
    if (!all || count(output, "innermost_wait") != 3 || count(output, "middle_wait") != 3 ||
        count(output, "run_program") != 2 || count(all, "thread_wait") != 1)
        fail_msg("%s", output);
    free(core);
    free(path);
}

/* More segments than fit the 16 bits of the header's count. */
static void test_any_number_of_segments(void **state)
{
    enum { RANGES = 70000, PAGE = 4096 };
    const char *folder = *state;
    struct recap_graph *graph = sample_graph();
    struct recap_image_writer *writer = NULL;
    struct recap_image *image = NULL;
    struct recap_error error = {0};
    struct recap_pd_image *pd = &graph->pds[0];
    graph->pd_count = 1;
    graph->objects[1].content = 0;
    struct recap_region *region = recap_graph_add_region(graph, pd);
    *region = (struct recap_region){.start = 0x7fffffff0000 - 2ull * RANGES * PAGE,
                                    .length = 2ull * RANGES * PAGE,
                                    .protection = RECAP_PROT_READ,
                                    .range_count = RANGES};
    struct recap_region stack = pd->regions[3];
    pd->regions[3] = *region;
    pd->regions[3].start = 0x10000000;
    pd->regions[4] = stack;
    region = &pd->regions[3];
    region->ranges = recap_arena_alloc(graph->arena, RANGES * sizeof *region->ranges);
    for (uint64_t i = 0; i < RANGES; i++)
        region->ranges[i] =
            (struct recap_range){.start = region->start + 2 * i * PAGE, .length = PAGE};
    char *path = sample_path(folder, "image");
    assert_int_equal(recap_image_create(path, &writer, &error), 0);
    assert_int_equal(recap_image_begin_core(writer, pd, &error), 0);
    void *buffer = NULL;
    size_t used = 0;
    uint64_t place = PAGE;
    for (size_t r = 0; r < pd->region_count; r++)
        for (size_t i = 0; i < pd->regions[r].range_count; i++) {
            const struct recap_range *range = &pd->regions[r].ranges[i];
            assert_int_equal(range->offset, place + used);
            for (uint64_t at = 0; at < range->length; at += PAGE) {
                if (!used)
                    assert_int_equal(recap_image_room(writer, &buffer, &error), 0);
                for (size_t b = 0; b < PAGE; b++)
                    ((unsigned char *)buffer)[used + b] = sample_byte(range->start + at + b);
                used += PAGE;
                if (used < 1 << 20)
                    continue;
                assert_int_equal(recap_image_put(writer, buffer, place, used, &error), 0);
                place += used;
                used = 0;
            }
        }
    assert_int_equal(used ? recap_image_put(writer, buffer, place, used, &error) : 0, 0);
    assert_int_equal(recap_image_end_core(writer, graph, pd, &error), 0);
    if (recap_image_commit(writer, graph, &error) < 0)
        fail_msg("%s", error.what);
    recap_image_discard(writer);
    if (recap_image_open(path, &image, &error) < 0 || recap_image_check(image, &error) < 0)
        fail_msg("%s", error.what);
    sample_assert_same(graph, recap_image_graph(image));
    Elf64_Ehdr header;
    Elf64_Shdr section;
    int core = recap_image_core(image, recap_image_graph(image)->pds);
    assert_int_equal(pread(core, &header, sizeof header, 0), sizeof header);
    assert_int_equal(header.e_phnum, PN_XNUM);
    assert_int_equal(pread(core, &section, sizeof section, (off_t)header.e_shoff), sizeof section);
    /* Notes, a gap-free region, one region without content, 32 + 1 + 4 ranges of the sample. */
    assert_int_equal(section.sh_info, 1 + RANGES + 1 + 32 + 1 + 4);
    recap_image_close(image);
    /* The first range, the last, and a gap, which is zeros. */
    if (system("command -v gdb >/dev/null") == 0) {
        char *file = sample_path(folder, "image/4711.core");
        const char *output = run_gdb("-ex 'x/2xb 0x10000000' -ex 'x/2xb 0x322de000' "
                                     "-ex 'x/2xb 0x10001000'",
                                     "", file);
        if (!strstr(output, "0x10000000:\t0x00\t0x07") ||
            !strstr(output, "0x322de000:\t0x04\t0x0b") ||
            !strstr(output, "0x10001000:\t0x00\t0x00"))
            fail_msg("%s", output);
        free(file);
    }
    recap_graph_free(graph);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_debugger_shows_all_stacks, sample_folder,
                                        sample_remove_folder),
        cmocka_unit_test_setup_teardown(test_any_number_of_segments, sample_folder,
                                        sample_remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
