/* library.c: librecap over a kernel in memory: what it adds to the engine and the kernel. */
#include "engine/engine.h"
#include "tests/unit/fake_kernel.h"
#include <recap/recap.h>

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static char path[128];
static struct fake_kernel kernel;
static struct recap_error error;
static struct recap_refusals refusals;

static int remove_one(const char *name, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(name);
}

static int start(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/recap-library-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/image", folder);
    fake_kernel_init(&kernel);
    error = (struct recap_error){0};
    return 0;
}

static int finish(void **state)
{
    (void)state;
    recap_refusals_clear(&refusals);
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

/* An image of two PDs, which have ended. */
static void take_two(void)
{
    const uint64_t ids[] = {1, 2};
    const struct recap_checkpoint_options options = {.path = path};
    kernel.pds[1] = *fake_pd_populate(&kernel);
    kernel.pds[1].base.id = 2;
    assert_int_equal(recap_checkpoint(&kernel.base, ids, 2, &options, &refusals, NULL, &error), 0);
    assert_false(kernel.pds[0].exists || kernel.pds[1].exists);
    kernel.calls = 0;
}

static int give_back(struct recap_pd ***pds, size_t *count)
{
    const struct recap_restore_options options = {0};
    return recap_restore(&kernel.base, path, &options, pds, count, &refusals, &error);
}

static void test_restores_and_starts_all(void **state)
{
    (void)state;
    struct recap_pd **pds;
    size_t count;
    take_two();
    assert_int_equal(give_back(&pds, &count), 0);
    assert_int_equal(count, 2);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(recap_pd_id(pds[i]), i + 1);
        assert_true(kernel.pds[i].exists && kernel.pds[i].started && !kernel.pds[i].suspended);
        recap_pd_close(pds[i]);
        assert_true(kernel.pds[i].exists);
    }
    free(pds);
}

/* Each operation failed once, the start of the second PD among them: nothing is left, and no output
 * is touched. */
static void test_restores_all_or_nothing(void **state)
{
    (void)state;
    take_two();
    for (size_t fail_at = 1;; fail_at++) {
        struct recap_pd **pds = (struct recap_pd **)&kernel;
        size_t count = 77;
        fake_kernel_init(&kernel);
        kernel.fail_at = fail_at;
        int result = give_back(&pds, &count);
        recap_refusals_clear(&refusals);
        if (kernel.calls < fail_at) {
            assert_int_equal(result, 0);
            assert_true(fail_at > 20);
            for (size_t i = 0; i < count; i++)
                recap_pd_close(pds[i]);
            free(pds);
            return;
        }
        assert_int_equal(result, -EIO);
        assert_true(pds == (struct recap_pd **)&kernel && count == 77);
        assert_false(kernel.pds[0].exists || kernel.pds[1].exists);
    }
}

static void test_restores_no_other_folder(void **state)
{
    (void)state;
    struct recap_pd **pds;
    size_t count;
    assert_int_equal(give_back(&pds, &count), -ENOENT);
    assert_int_equal(kernel.calls, 0);
}

/* PDs are told by their ids, or, where those are others, by their order; each once. */
static void test_verifies_which_is_which(void **state)
{
    (void)state;
    struct recap_pd **pds;
    size_t count;
    const uint64_t turned[] = {2, 1}, twice[] = {1, 1}, others[] = {3, 4}, unknown[] = {1, 4};
    take_two();
    assert_int_equal(give_back(&pds, &count), 0);
    for (size_t i = 0; i < count; i++)
        recap_pd_close(pds[i]);
    free(pds);
    struct recap_kernel *k = &kernel.base;
    assert_int_equal(recap_verify(k, path, turned, 2, &refusals, &error), 0);
    assert_int_equal(recap_verify(k, path, turned, 1, &refusals, &error), 0);
    assert_int_equal(recap_verify(k, path, twice, 2, &refusals, &error), -EINVAL);
    assert_non_null(strstr(error.what, "named twice"));
    assert_int_equal(recap_verify(k, path, others, 1, &refusals, &error), -EINVAL);
    assert_int_equal(error.cls, RECAP_USAGE);
    assert_non_null(strstr(error.what, "holds 2 PDs, and 1"));
    assert_int_equal(recap_verify(k, path, unknown, 2, &refusals, &error), -ESRCH);
    assert_true(recap_verify(k, folder, turned, 2, &refusals, &error) < 0);
    assert_int_equal(error.cls, RECAP_DAMAGED);
}

static void test_native_pd(void **state)
{
    (void)state;
    struct fake_pd *populated = fake_pd_populate(&kernel);
    struct recap_pd *pd;
    struct recap_cap cap;
    char *label = NULL;
    recap_selector next;
    assert_int_equal(recap_pd_open(&kernel.base, 1, &pd, &error), 0);
    assert_int_equal(recap_request(pd, 0, &cap, &next, &error), 0);
    assert_true(cap.badge == populated->slots[0].badge && next == 3);
    assert_int_equal(recap_install(pd, 5, &cap, &error), 0);
    assert_true(populated->slots[5].badge == cap.badge);
    assert_int_equal(recap_remove(pd, 5, &error), 0);
    assert_false(populated->slots[5].badge);

    cap.badge = 0;
    assert_int_equal(recap_install(pd, 5, &cap, &error), -EINVAL);
    assert_true(error.has_selector && error.selector == 5 && error.cls == RECAP_USAGE);
    assert_int_equal(recap_install(pd, 5, &cap, NULL), -EINVAL);

    assert_int_equal(recap_label(&kernel.base, populated->slots[0].badge, &label, &error), 0);
    assert_non_null(label);
    free(label);
    label = NULL;
    assert_true(recap_label(&kernel.base, FAKE_OBJECTS + 1, &label, &error) == -EBADF);
    assert_null(label);
    recap_pd_close(pd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_restores_and_starts_all, start, finish),
        cmocka_unit_test_setup_teardown(test_restores_all_or_nothing, start, finish),
        cmocka_unit_test_setup_teardown(test_restores_no_other_folder, start, finish),
        cmocka_unit_test_setup_teardown(test_verifies_which_is_which, start, finish),
        cmocka_unit_test_setup_teardown(test_native_pd, start, finish),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
