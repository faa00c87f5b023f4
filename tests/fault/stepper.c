/* stepper.c: runs a command up to its N-th system call, and has that one fail or be the last, or
 * has a signal come to it or another process end there.
 *
 * Counted are the system calls of the command's first process, from the first instruction of its
 * own program on (what the dynamic loader does before is not the command's). With -t the calls of
 * its other threads count as well, in the order in which they arrive. Child processes are not
 * followed: a command that traces others can do so undisturbed.
 *
 * How many calls a command makes is not the same each time: it waits more often or less. A call
 * that is to be the same one each time is named by its kind, which is its name and, where one call
 * does many things, which of them, and by how many of that kind came before it: openat:7,
 * ptrace/0x4206:1.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fitting.h"
#include "syscall-names.h"

enum action { COUNT, LIST, KINDS, KILL, KILL_AFTER, STOP, FAIL, SHORT, SLAY, SEND };

static const struct {
    const char *name;
    int least, most; /* numbers that follow the name on the command line */
} actions[] = {
    [COUNT] = {"count", 0, 0}, [LIST] = {"list", 0, 0},   [KINDS] = {"kinds", 0, 0},
    [KILL] = {"kill", 1, 1},   [STOP] = {"stop", 1, 1},   [KILL_AFTER] = {"killafter", 1, 1},
    [FAIL] = {"fail", 1, 2},   [SHORT] = {"short", 1, 1}, [SLAY] = {"slay", 2, 2},
    [SEND] = {"send", 2, 2},
};

struct kind {
    char text[64];
    unsigned long calls;
};

struct stepper {
    enum action action;
    unsigned long which; /* the call concerned, from 1 on */
    const char *kind;    /* counted are those of this kind; NULL: all */
    size_t kind_length;
    unsigned long of_kind;
    struct kind *kinds; /* all that came, for KINDS */
    size_t kind_count;
    int failure;  /* the errno of FAIL; 0: one that fits the call */
    pid_t victim; /* of SLAY: the process that is killed as the call is entered */
    int signal;   /* of SEND: what the command receives then */
    bool threads;
    FILE *report; /* NULL: say nothing */
    pid_t command;
    unsigned long calls;
    pid_t pending;                 /* the thread that is inside the call concerned; 0: none */
    struct user_regs_struct entry; /* its registers when it entered: the call leaves them alone */
    bool done;
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "stepper: %s: %s\n", what, strerror(errno));
    exit(125);
}

static _Noreturn void usage(void)
{
    fputs("Usage: stepper [-v] [-t] [-o FILE] count|list|kinds -- COMMAND...\n"
          "       stepper [-v] [-t] [-o FILE] kill|killafter|stop|short N -- COMMAND...\n"
          "       stepper [-v] [-t] [-o FILE] fail N [ERRNO] -- COMMAND...\n"
          "       stepper [-v] [-t] [-o FILE] slay N PID -- COMMAND...\n"
          "       stepper [-v] [-t] [-o FILE] send N SIGNAL -- COMMAND...\n"
          "N: the number of a call, or KIND:N as `kinds` prints them.\n"
          "-v: tell the call concerned, on standard error or in FILE; -t: threads count too.\n"
          "Exits as COMMAND does, or with 128 and the number of the signal that ended it.\n",
          stderr);
    exit(125);
}

static const char *name_of(long number)
{
    size_t count = sizeof syscall_names / sizeof *syscall_names;
    return number >= 0 && (size_t)number < count && syscall_names[number] ? syscall_names[number]
                                                                          : "unknown";
}

/* What a call does that does many things, as the place of the argument that says so, from 1 on. */
static uint64_t operation(const struct user_regs_struct *registers, bool *has)
{
    *has = true;
    switch (registers->orig_rax) {
    case SYS_ptrace:
    case SYS_prctl:
    case SYS_arch_prctl:
        return registers->rdi;
    case SYS_ioctl:
    case SYS_fcntl:
    case SYS_futex:
        return registers->rsi;
    case SYS_kcmp:
    case SYS_madvise:
        return registers->rdx;
    default:
        *has = false;
        return 0;
    }
}

static void name_kind(const struct user_regs_struct *registers, char *text, size_t size)
{
    bool has;
    unsigned long long which = operation(registers, &has);
    if (has)
        snprintf(text, size, "%s/%#llx", name_of((long)registers->orig_rax), which);
    else
        snprintf(text, size, "%s", name_of((long)registers->orig_rax));
}

/* The kind of a call and how many of it there were by now, for KINDS. */
static void tell_kind(struct stepper *stepper, const struct user_regs_struct *registers)
{
    char text[64];
    name_kind(registers, text, sizeof text);
    size_t i = 0;
    while (i < stepper->kind_count && strcmp(stepper->kinds[i].text, text) != 0)
        i++;
    if (i == stepper->kind_count) {
        stepper->kinds = reallocarray(stepper->kinds, i + 1, sizeof *stepper->kinds);
        if (!stepper->kinds)
            die("counting kinds");
        stepper->kinds[i].calls = 0;
        memcpy(stepper->kinds[i].text, text, sizeof text);
        stepper->kind_count++;
    }
    fprintf(stepper->report, "%s:%lu\n", text, ++stepper->kinds[i].calls);
}

/* Counts a call. Whether it is the one concerned. */
static bool is_concerned(struct stepper *stepper, const struct user_regs_struct *registers)
{
    char text[64];
    stepper->calls++;
    if (!stepper->kind)
        return stepper->calls == stepper->which;
    name_kind(registers, text, sizeof text);
    if (strlen(text) != stepper->kind_length ||
        memcmp(text, stepper->kind, stepper->kind_length) != 0)
        return false;
    return ++stepper->of_kind == stepper->which;
}

static void describe(const struct stepper *stepper, const struct user_regs_struct *registers)
{
    if (!stepper->report)
        return;
    fprintf(stepper->report, "%lu %s(%#llx, %#llx, %#llx, %#llx, %#llx, %#llx)\n", stepper->calls,
            name_of((long)registers->orig_rax), registers->rdi, registers->rsi, registers->rdx,
            registers->r10, registers->r8, registers->r9);
    fflush(stepper->report);
}

static struct user_regs_struct get_registers(pid_t thread)
{
    struct user_regs_struct registers = {0};
    if (ptrace(PTRACE_GETREGS, thread, NULL, &registers) < 0 && errno != ESRCH)
        die("reading registers");
    return registers;
}

static void set_registers(pid_t thread, const struct user_regs_struct *registers)
{
    if (ptrace(PTRACE_SETREGS, thread, NULL, registers) < 0 && errno != ESRCH)
        die("setting registers");
}

/* Whether a call that creates a task makes a thread of the same process. */
static bool makes_thread(pid_t thread, const struct user_regs_struct *registers)
{
    uint64_t flags = 0;
    if (registers->orig_rax == SYS_clone)
        flags = registers->rdi;
    else if (registers->orig_rax == SYS_clone3)
        flags = (uint64_t)ptrace(PTRACE_PEEKDATA, thread, registers->rdi, NULL);
    return flags & 0x00010000; /* CLONE_THREAD */
}

static const long basic_options = PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL | PTRACE_O_TRACEEXEC;

static void enter_call(struct stepper *stepper, pid_t thread)
{
    struct user_regs_struct registers = get_registers(thread);
    bool concerned = is_concerned(stepper, &registers);
    /* Only for the time of such a call: a child process must not find itself traced. */
    if (stepper->threads && (registers.orig_rax == SYS_clone || registers.orig_rax == SYS_clone3)) {
        long more = makes_thread(thread, &registers) ? PTRACE_O_TRACECLONE : 0;
        ptrace(PTRACE_SETOPTIONS, thread, NULL, basic_options | more);
    }
    if (stepper->action == LIST)
        describe(stepper, &registers);
    else if (stepper->action == KINDS)
        tell_kind(stepper, &registers);
    if (stepper->action < KILL || stepper->done || !concerned)
        return;
    stepper->done = true;
    stepper->pending = thread;
    describe(stepper, &registers);
    stepper->entry = registers;
    if (stepper->action == KILL) {
        kill(stepper->command, SIGKILL);
    } else if (stepper->action == SLAY) {
        kill(stepper->victim, SIGKILL);
    } else if (stepper->action == SEND) {
        kill(stepper->command, stepper->signal);
    } else if (stepper->action == STOP) {
        ptrace(PTRACE_DETACH, thread, NULL, SIGSTOP); /* it stops when it has made the call */
    } else if (stepper->action == FAIL) {
        /* Whatever close returns, the descriptor is free: the call is made and its answer lost. */
        int fitting = fitting_errno((long)registers.orig_rax, registers.rsi);
        stepper->failure = stepper->failure ? stepper->failure : fitting;
        if (!fitting)
            stepper->pending = 0;
        else if (registers.orig_rax == SYS_brk)
            registers.rdi = 0; /* it answers with where the heap ends, and fails by not moving it */
        else if (registers.orig_rax != SYS_close)
            registers.orig_rax = (unsigned long long)-1;
        set_registers(thread, &registers);
    } else if (stepper->action == SHORT) {
        bool writes = registers.orig_rax == SYS_write || registers.orig_rax == SYS_pwrite64;
        if (writes && registers.rdx > 1)
            registers.rdx /= 2;
        set_registers(thread, &registers);
    }
}

static void leave_call(struct stepper *stepper, pid_t thread)
{
    if (stepper->pending != thread)
        return;
    stepper->pending = 0;
    struct user_regs_struct registers = get_registers(thread);
    if (stepper->action == KILL_AFTER)
        kill(stepper->command, SIGKILL);
    else if (stepper->action == FAIL && stepper->entry.orig_rax != SYS_brk)
        registers.rax = (unsigned long long)-stepper->failure;
    registers.rdi = stepper->entry.rdi;
    registers.rdx = stepper->entry.rdx;
    if ((stepper->action == FAIL || stepper->action == SHORT))
        set_registers(thread, &registers);
}

/* Where the command's own program begins, which the loader jumps to when it is done. */
static uint64_t entry_of(pid_t process)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/auxv", process);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        die(path);
    Elf64_auxv_t entry;
    uint64_t address = 0;
    while (!address && read(fd, &entry, sizeof entry) == sizeof entry)
        if (entry.a_type == AT_ENTRY)
            address = entry.a_un.a_val;
    close(fd);
    return address;
}

static int wait_for(pid_t process, int *status)
{
    int result;
    do
        result = waitpid(process, status, __WALL);
    while (result < 0 && errno == EINTR);
    return result;
}

static int exit_code(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Runs the stopped command to its first own instruction. */
static void run_to_entry(pid_t command)
{
    uint64_t entry = entry_of(command);
    errno = 0;
    long word = ptrace(PTRACE_PEEKTEXT, command, entry, NULL);
    if (!entry || errno ||
        ptrace(PTRACE_POKETEXT, command, entry, (void *)((word & ~0xffL) | 0xcc)) < 0)
        die("placing a breakpoint at the command's entry");
    int status;
    do {
        if (ptrace(PTRACE_CONT, command, NULL, NULL) < 0 || wait_for(command, &status) < 0)
            die("running to the command's entry");
        if (!WIFSTOPPED(status))
            exit(exit_code(status));
    } while (WSTOPSIG(status) != SIGTRAP);
    struct user_regs_struct registers = get_registers(command);
    registers.rip = entry;
    set_registers(command, &registers);
    if (ptrace(PTRACE_POKETEXT, command, entry, (void *)word) < 0)
        die("taking the breakpoint away");
}

static pid_t start(char **argv)
{
    int gate[2];
    if (pipe2(gate, O_CLOEXEC) < 0)
        die("pipe");
    pid_t command = fork();
    if (command < 0)
        die("fork");
    if (command == 0) {
        char byte;
        if (read(gate[0], &byte, 1) != 1)
            _exit(125);
        execvp(argv[0], argv);
        die(argv[0]);
    }
    if (ptrace(PTRACE_SEIZE, command, NULL, basic_options) < 0)
        die("tracing the command");
    if (write(gate[1], "", 1) != 1)
        die("starting the command");
    close(gate[0]);
    close(gate[1]);
    int status;
    for (;;) {
        if (wait_for(command, &status) < 0)
            die("waiting for the command");
        if (!WIFSTOPPED(status))
            exit(exit_code(status));
        if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXEC << 8))
            return command;
        ptrace(PTRACE_CONT, command, NULL, status >> 16 ? 0 : WSTOPSIG(status));
    }
}

/* Answers one stop of one thread and lets it go on. */
static void answer(struct stepper *stepper, pid_t thread, int status)
{
    int event = status >> 16;
    int signal = WSTOPSIG(status);
    long request = stepper->done && !stepper->pending ? PTRACE_CONT : PTRACE_SYSCALL;
    long deliver = 0;
    if (signal == (SIGTRAP | 0x80)) {
        struct __ptrace_syscall_info info;
        if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) < 0)
            return;
        if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
            enter_call(stepper, thread);
        else
            leave_call(stepper, thread);
        request = stepper->done && !stepper->pending ? PTRACE_CONT : PTRACE_SYSCALL;
    } else if (event == PTRACE_EVENT_STOP && signal != SIGTRAP) {
        request = PTRACE_LISTEN;
    } else if (!event) {
        deliver = signal;
    }
    ptrace(request, thread, NULL, deliver);
}

static int run(struct stepper *stepper)
{
    int result = -1;
    if (ptrace(PTRACE_SYSCALL, stepper->command, NULL, NULL) < 0)
        die("starting to count");
    while (result < 0) {
        int status;
        pid_t thread = wait_for(-1, &status);
        if (thread < 0)
            die("waiting for the command");
        if (WIFSTOPPED(status))
            answer(stepper, thread, status);
        else if (thread == stepper->command)
            result = exit_code(status);
    }
    return result;
}

static void report_to(struct stepper *stepper, const char *path)
{
    stepper->report = fopen(path, "we");
    if (!stepper->report)
        die(path);
}

static int number(const char *text)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno || *end || end == text || value <= 0 || value > INT32_MAX)
        usage();
    return (int)value;
}

int main(int argc, char **argv)
{
    struct stepper stepper = {0};
    int option;
    while ((option = getopt(argc, argv, "+vto:")) != -1) {
        if (option == 'v' && !stepper.report)
            stepper.report = stderr;
        else if (option == 'o')
            report_to(&stepper, optarg);
        else if (option == 't')
            stepper.threads = true;
        else if (option != 'v')
            usage();
    }
    size_t known = sizeof actions / sizeof *actions;
    size_t action = 0;
    while (action < known && (optind == argc || strcmp(argv[optind], actions[action].name) != 0))
        action++;
    int command = optind + 1;
    while (command < argc && strcmp(argv[command], "--") != 0)
        command++;
    int numbers = command - optind - 1;
    if (action == known || numbers < actions[action].least || numbers > actions[action].most ||
        command + 1 >= argc)
        usage();
    stepper.action = (enum action)action;
    const char *colon = numbers > 0 ? strrchr(argv[optind + 1], ':') : NULL;
    if (colon) {
        stepper.kind = argv[optind + 1];
        stepper.kind_length = (size_t)(colon - stepper.kind);
    }
    if (numbers > 0)
        stepper.which = (unsigned long)number(colon ? colon + 1 : argv[optind + 1]);
    if (numbers > 1)
        stepper.failure = stepper.victim = stepper.signal = number(argv[optind + 2]);
    if (stepper.action < KILL && !stepper.report)
        stepper.report = stdout;

    stepper.command = start(&argv[command + 1]);
    run_to_entry(stepper.command);
    int result = run(&stepper);
    if (stepper.action == COUNT)
        fprintf(stepper.report, "%lu\n", stepper.calls);
    if (stepper.report && fclose(stepper.report) != 0)
        die("writing the report");
    free(stepper.kinds);
    return result;
}
