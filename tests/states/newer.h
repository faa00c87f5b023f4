/* newer.h: names of states that the headers of Debian 12 (Linux 6.1) lack, up to Linux 6.18. The
 * entries that use them say since which Linux they are. */
#ifndef RECAP_TESTS_STATES_NEWER_H
#define RECAP_TESTS_STATES_NEWER_H

#include "kernel/linux/abi.h"

#include <asm/prctl.h>
#include <linux/ioprio.h>
#include <linux/prctl.h>

#ifndef PR_MDWE_REFUSE_EXEC_GAIN
#define PR_MDWE_REFUSE_EXEC_GAIN (1UL << 0)
#endif
#ifndef PR_MDWE_NO_INHERIT
#define PR_MDWE_NO_INHERIT (1UL << 1)
#endif

/* Linux 6.4: addresses with tags, where the processor masks them. */
#ifndef ARCH_ENABLE_TAGGED_ADDR
#define ARCH_GET_UNTAG_MASK 0x4001
#define ARCH_ENABLE_TAGGED_ADDR 0x4002
#define ARCH_GET_MAX_TAG_BITS 0x4003
#define ARCH_FORCE_TAGGED_SVA 0x4004
#endif

/* Linux 6.5: hints in the priority of input and output. Later headers of Debian 12 have them. */
#ifndef IOPRIO_HINT_SHIFT
#define IOPRIO_HINT_SHIFT 3
#define IOPRIO_HINT_DEV_DURATION_LIMIT_1 1
#endif

/* Linux 6.6: shadow stacks. */
#ifndef ARCH_SHSTK_ENABLE
#define ARCH_SHSTK_ENABLE 0x5001
#define ARCH_SHSTK_DISABLE 0x5002
#define ARCH_SHSTK_LOCK 0x5003
#define ARCH_SHSTK_UNLOCK 0x5004
#define ARCH_SHSTK_STATUS 0x5005
#endif

/* Linux 6.10 to 6.14: of other processors. */
#ifndef PR_RISCV_V_SET_CONTROL
#define PR_RISCV_V_SET_CONTROL 69
#define PR_RISCV_V_GET_CONTROL 70
#define PR_RISCV_SET_ICACHE_FLUSH_CTX 71
#define PR_PPC_GET_DEXCR 72
#define PR_PPC_SET_DEXCR 73
#define PR_GET_SHADOW_STACK_STATUS 74
#define PR_SET_SHADOW_STACK_STATUS 75
#define PR_LOCK_SHADOW_STACK_STATUS 76
#endif

/* Linux 6.4. */
#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856
#endif

/* Linux 6.17: how many slots a process's private futexes are hashed to. */
#ifndef PR_FUTEX_HASH
#define PR_FUTEX_HASH 78
#define PR_FUTEX_HASH_SET_SLOTS 1
#define PR_FUTEX_HASH_GET_SLOTS 2
#endif

/* Linux 6.18. */
#ifndef PR_THP_DISABLE_EXCEPT_ADVISED
#define PR_THP_DISABLE_EXCEPT_ADVISED (1 << 1)
#endif

#endif
