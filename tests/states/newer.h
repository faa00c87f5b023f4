/* newer.h: names of states that the headers of Debian 12 (Linux 6.1) lack, up to Linux 6.18. The
 * entries that use them say since which Linux they are. */
#ifndef RECAP_TESTS_STATES_NEWER_H
#define RECAP_TESTS_STATES_NEWER_H

#include "kernel/linux/abi.h"

#include <asm/prctl.h>
#include <linux/prctl.h>

#ifndef PR_MDWE_REFUSE_EXEC_GAIN
#define PR_MDWE_REFUSE_EXEC_GAIN (1UL << 0)
#endif
#ifndef PR_MDWE_NO_INHERIT
#define PR_MDWE_NO_INHERIT (1UL << 1)
#endif

#endif
