/* ports.c: which ports of the processor a thread may use (ioperm(2)). Few kernels permit any. */
#include "kernel/linux/threads/threads.h"

#include <elf.h>
#include <errno.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

int linux_ports_examine(const struct linux_pd *pd, const struct linux_thread *thread,
                        struct recap_error *error)
{
    static bool never;
    uint64_t first_ports = 0;
    struct iovec map = {&first_ports, sizeof first_ports};
    if (never)
        return 0;
    if (ptrace(PTRACE_GETREGSET, thread->tid, NT_386_IOPERM, &map) < 0) {
        /* A thread that may use none has no map; a kernel that permits none does not know of maps.
         */
        never = errno == EINVAL;
        return 0;
    }
    recap_refuse(error, RECAP_UNSUPPORTED, -EOPNOTSUPP,
                 "thread %d of process %d may use ports of the processor (ioperm), which is not "
                 "given again",
                 thread->tid, pd->pid);
    return recap_error_remedy(error, "have the program give them up before the checkpoint");
}
