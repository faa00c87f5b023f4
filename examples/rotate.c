/* rotate.c: moves the log of a running program to another file, through librecap.
 *
 *     rotate PID OLD NEW
 *
 * Walks the capability space of process PID and has every selector that refers to the file OLD
 * refer to NEW (appending, created if need be), without the program's help and without it noticing.
 * Two selectors that shared OLD share NEW.
 *
 *     cc rotate.c $(pkg-config --cflags --libs recap) -o rotate
 */
#include <recap/recap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int complain(const struct recap_error *error)
{
    if (error->has_selector)
        fprintf(stderr, "rotate: selector %llu: %s\n", (unsigned long long)error->selector,
                error->what);
    else
        fprintf(stderr, "rotate: %s\n", error->what);
    if (*error->remedy)
        fprintf(stderr, "rotate: %s\n", error->remedy);
    return (int)error->cls;
}

/* Swaps every capability for `old`. The number of them, or a negative errno. */
static int swap_all(struct recap_kernel *kernel, struct recap_pd *pd, const char *old,
                    recap_badge new, struct recap_error *error)
{
    int swapped = 0;
    for (recap_selector selector = 0, next; selector != RECAP_NO_SELECTOR; selector = next) {
        struct recap_cap cap;
        char *label = NULL;
        int result = recap_request(pd, selector, &cap, &next, error);
        if (result == 0 && cap.badge == 0)
            continue;
        if (result == 0)
            result = recap_label(kernel, cap.badge, &label, error);
        if (result < 0)
            return result;
        if (strcmp(label, old) == 0) {
            /* The slot keeps its flags; only the object changes. */
            cap.badge = new;
            result = recap_install(pd, selector, &cap, error);
            swapped += result == 0;
        }
        free(label);
        if (result < 0)
            return result;
    }
    return swapped;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: rotate PID OLD NEW\n");
        return RECAP_USAGE;
    }
    struct recap_error error = {0};
    struct recap_kernel *kernel = NULL;
    struct recap_pd *pd = NULL;
    recap_badge new;
    char object[4200];
    /* The comma at the end protects a name that ends like an option. */
    snprintf(object, sizeof object, "path:%s,,w,append,create", argv[3]);
    int result = recap_kernel_open(&kernel, &error);
    if (result == 0)
        result = recap_pd_open(kernel, strtoull(argv[1], NULL, 10), &pd, &error);
    if (result == 0)
        result = recap_object(kernel, object, RECAP_RIGHT_WRITE, &new, &error);
    /* Suspended, the program cannot open or close anything between the walk and the swap. */
    if (result == 0)
        result = recap_pd_suspend(pd, &error);
    if (result == 0)
        result = swap_all(kernel, pd, argv[2], new, &error);
    int status = result < 0 ? complain(&error) : 0;
    if (result >= 0)
        printf("%d selectors of process %s refer to %s now\n", result, argv[1], argv[3]);
    recap_pd_close(pd);
    recap_kernel_close(kernel);
    return status;
}
