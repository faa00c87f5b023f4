/* measure.c: what Native PD costs in this guest, beside the cost of one call into the kernel. */
#include "measure.h"

#include <l4/re/env.h>
#include <l4/sys/kip.h>
#include <l4/sys/task.h>
#include <stdio.h>

enum { RUNS = 2000, BULK_RUNS = 200, ORDER = 14, TO = 0xc000, FAR = 600 };

/* The kernel's clock ticks in milliseconds, the processor's counter does not. */
static double microseconds(void)
{
    enum { SAMPLE_US = 200 * 1000 };
    static double per_microsecond;
    unsigned long long ticks = __builtin_ia32_rdtsc();
    if (per_microsecond <= 0) {
        l4_kernel_clock_t start = l4_kip_clock(l4re_kip()), now;
        unsigned long long begin = ticks;
        do
            now = l4_kip_clock(l4re_kip());
        while (now - start < SAMPLE_US);
        ticks = __builtin_ia32_rdtsc();
        per_microsecond = (double)(ticks - begin) / (double)(now - start);
    }
    return (double)ticks / per_microsecond;
}

static void tell(const char *what, double begin, unsigned runs)
{
    printf("measured: %-52s %9.2f us\n", what, (microseconds() - begin) / runs);
}

static void measure_kernel(struct foc_pd *pd)
{
    l4_cap_idx_t to = (l4_cap_idx_t)TO << L4_CAP_SHIFT;
    double begin = microseconds();
    for (unsigned i = 0; i < RUNS; i++)
        l4_task_cap_valid(L4_BASE_TASK_CAP, to);
    tell("one call: l4_task_cap_valid", begin, RUNS);
    begin = microseconds();
    for (unsigned i = 0; i < RUNS; i++)
        l4_task_map(L4_BASE_TASK_CAP, pd->task->cap,
                    l4_obj_fpage((l4_cap_idx_t)FOC_SELECTOR << L4_CAP_SHIFT, 0, L4_CAP_FPAGE_RW),
                    l4_map_obj_control(to, 0));
    tell("one l4_task_map of one selector", begin, RUNS);
    begin = microseconds();
    for (unsigned i = 0; i < BULK_RUNS; i++)
        l4_task_map(L4_BASE_TASK_CAP, pd->task->cap, l4_obj_fpage(0, ORDER, L4_CAP_FPAGE_RW),
                    l4_map_obj_control(to, 0));
    tell("one l4_task_map of 16,384 selectors", begin, BULK_RUNS);
    l4_task_unmap(L4_BASE_TASK_CAP, l4_obj_fpage(to, ORDER, L4_CAP_FPAGE_RWS), L4_FP_ALL_SPACES);
}

void measure(struct foc *foc)
{
    struct foc_pd *pd = foc->pds;
    struct recap_pd *handle;
    struct recap_cap cap;
    recap_selector next;
    if (!pd || foc->base.ops->pd_open(&foc->base, pd->id, &handle, NULL) < 0)
        return;
    measure_kernel(pd);
    double begin = microseconds();
    for (unsigned i = 0; i < RUNS; i++)
        foc_request(handle, FOC_SELECTOR, &cap, NULL, NULL);
    tell("request of one used selector", begin, RUNS);
    begin = microseconds();
    for (unsigned i = 0; i < RUNS; i++)
        foc_install(handle, FAR, &cap, NULL);
    tell("install of one capability", begin, RUNS);
    foc_remove(handle, FAR, NULL);
    unsigned used = 0;
    begin = microseconds();
    for (recap_selector at = 0; at != RECAP_NO_SELECTOR; at = next, used++)
        foc_request(handle, at, &cap, &next, NULL);
    tell("a walk over all 65,536 selectors", begin, 1);
    tell("the same, for each selector looked at", begin, 65536);
    foc->base.ops->pd_close(handle);
    printf("measured: selectors used in that walk: %u\n", used - 1);
}
