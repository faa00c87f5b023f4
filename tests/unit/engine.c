/* engine.c: the engine over a kernel in memory: what it promises, and every operation failed once.
 */
#include "engine/engine.h"
#include "tests/unit/fake_kernel.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static char path[128];

static int remove_one(const char *name, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(name);
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/recap-engine-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/image", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static void remove_image(void)
{
    assert_int_equal(nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

/* Neither an image nor what it comes into being in. */
static void assert_nothing_left(void)
{
    assert_int_equal(rmdir(folder), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
}

static int take(struct fake_kernel *kernel, bool leave_running, struct recap_refusals *refusals,
                struct recap_error *error)
{
    const uint64_t id = 1;
    struct recap_checkpoint_options options = {.path = path, .leave_running = leave_running};
    return recap_engine_checkpoint(&kernel->base, &id, 1, &options, refusals, NULL, error);
}

static int give_back(struct fake_kernel *kernel, const struct recap_binding *bindings, size_t count,
                     struct recap_pd **pd, struct recap_refusals *refusals,
                     struct recap_error *error)
{
    struct recap_image *image;
    struct recap_restore_options options = {.bindings = bindings, .binding_count = count};
    int result = recap_image_open(path, &image, error);
    if (result < 0)
        return result;
    result = recap_engine_restore(&kernel->base, image, &options, pd, refusals, error);
    recap_image_close(image);
    return result;
}

static void assert_right(const struct fake_kernel *kernel, const struct fake_pd *pd,
                         const struct fake_pd *had)
{
    const struct recap_cap *slots = pd->slots;
    assert_true(slots[0].badge && slots[0].badge == slots[9].badge);
    assert_true(slots[3].badge && slots[3].badge != slots[0].badge);
    assert_int_equal(slots[9].slot_flags, RECAP_SLOT_CLOSE_ON_EXEC);
    for (size_t i = 0; i < FAKE_SLOTS; i++) {
        assert_int_equal(!slots[i].badge, !had->slots[i].badge);
        assert_int_equal(slots[i].rights, had->slots[i].rights);
    }
    const struct fake_object *number = &kernel->objects[slots[0].badge - 1];
    const struct fake_object *pair = &kernel->objects[slots[3].badge - 1];
    assert_int_equal(number->number, 7);
    assert_int_equal(pair->number, 8);
    assert_true(pair->other == slots[0].badge);
    assert_true(number->tied == slots[3].badge);
    assert_memory_equal(pd->memory, had->memory, sizeof pd->memory);
    assert_true(pd->register_value == had->register_value);
    assert_int_equal(pd->attribute, had->attribute);
}

static void test_comes_back(void **state)
{
    (void)state;
    struct fake_kernel kernel;
    struct recap_refusals refusals = {0};
    struct recap_error error = {0};
    struct recap_pd *pd = NULL;
    fake_kernel_init(&kernel);
    struct fake_pd had = *fake_pd_populate(&kernel);
    assert_int_equal(take(&kernel, false, &refusals, &error), 0);
    assert_false(kernel.pds[0].exists);
    assert_int_equal(give_back(&kernel, NULL, 0, &pd, &refusals, &error), 0);
    assert_non_null(pd);
    assert_true(kernel.pds[0].exists && kernel.pds[0].suspended && !kernel.pds[0].started);
    assert_right(&kernel, &kernel.pds[0], &had);
    kernel.base.ops->pd_close(pd);
    assert_false(kernel.pds[0].exists);
}

static void test_refuses_before_stopping(void **state)
{
    (void)state;
    struct fake_kernel kernel;
    struct recap_refusals refusals = {0};
    struct recap_error error = {0};
    fake_kernel_init(&kernel);
    struct fake_pd *pd = fake_pd_populate(&kernel);
    recap_badge strange = fake_object_add(&kernel, "strange", 1, 0);
    recap_badge outside = fake_object_add(&kernel, "outside", 1, 0);
    pd->slots[5] = (struct recap_cap){strange, "strange", RECAP_RIGHT_READ, 0, 1};
    pd->slots[6] = (struct recap_cap){outside, "outside", RECAP_RIGHT_READ, 0, 1};
    assert_int_equal(take(&kernel, false, &refusals, &error), -EOPNOTSUPP);
    assert_int_equal(error.cls, RECAP_UNSUPPORTED);
    assert_int_equal(refusals.count, 2);
    assert_true(refusals.items[0].has_selector);
    assert_int_equal(refusals.items[0].selector, 5);
    assert_int_equal(refusals.items[1].selector, 6);
    assert_int_equal(kernel.stops, 0);
    assert_int_not_equal(access(path, F_OK), 0);
    recap_refusals_clear(&refusals);
}

/* What is read of a program that runs may not belong together. */
static void test_believes_what_every_look_finds(void **state)
{
    (void)state;
    static const struct {
        const char *says[5];
        const char *believed; /* NULL: none */
        size_t stops;
    } cases[] = {
        {{"it has a child", "it has a child", "it has a child", ""}, "it has a child", 0},
        {{"it has a child", "", "it has a child", ""}, NULL, 1},
        {{"it has a child", "it is 32-bit", ""}, NULL, 1},
        /* Once it stands still, what is said is true. */
        {{"it has a child", "it is 32-bit", "it has a child", ""}, "it has a child", 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fake_kernel kernel;
        struct recap_refusals refusals = {0};
        struct recap_error error = {0};
        fake_kernel_init(&kernel);
        struct fake_pd *pd = fake_pd_populate(&kernel);
        kernel.says = cases[i].says;
        int result = take(&kernel, true, &refusals, &error);
        assert_int_equal(result, cases[i].believed ? -EOPNOTSUPP : 0);
        assert_int_equal(refusals.count, cases[i].believed ? 1 : 0);
        if (cases[i].believed)
            assert_string_equal(refusals.items[0].what, cases[i].believed);
        else
            remove_image();
        assert_int_equal(kernel.stops, cases[i].stops);
        assert_false(pd->suspended);
        assert_nothing_left();
        recap_refusals_clear(&refusals);
    }
}

static void test_examines_a_changed_program_again(void **state)
{
    (void)state;
    for (int refuses = 0; refuses < 2; refuses++) {
        static const char *const says[][3] = {{"", "", NULL}, {"", "it is 32-bit", NULL}};
        struct fake_kernel kernel;
        struct recap_refusals refusals = {0};
        struct recap_error error = {0};
        fake_kernel_init(&kernel);
        struct fake_pd *pd = fake_pd_populate(&kernel);
        kernel.says = says[refuses];
        kernel.changed = true;
        assert_int_equal(take(&kernel, true, &refusals, &error), refuses ? -EOPNOTSUPP : 0);
        assert_int_equal(kernel.examined, 2);
        assert_false(pd->suspended);
        if (!refuses)
            remove_image();
        recap_refusals_clear(&refusals);
    }
}

static void test_names_a_pd_once(void **state)
{
    (void)state;
    struct fake_kernel kernel;
    struct recap_refusals refusals = {0};
    struct recap_error error = {0};
    const uint64_t ids[] = {1, 1};
    struct recap_checkpoint_options options = {.path = path};
    fake_kernel_init(&kernel);
    fake_pd_populate(&kernel);
    assert_int_equal(
        recap_engine_checkpoint(&kernel.base, ids, 2, &options, &refusals, NULL, &error), -EINVAL);
    assert_int_equal(error.cls, RECAP_USAGE);
    assert_non_null(strstr(error.what, "named twice"));
    assert_int_equal(kernel.stops, 0);
}

static void test_binds_what_was_promised(void **state)
{
    (void)state;
    struct fake_kernel kernel;
    struct recap_refusals refusals = {0};
    struct recap_error error = {0};
    struct recap_pd *restored = NULL;
    const uint64_t id = 1;
    const struct recap_place externals[] = {{0, 5}, {1, 6}};
    struct recap_checkpoint_options options = {
        .path = path, .externals = externals, .external_count = 2};
    const struct recap_binding bindings[] = {{{0, 5}, "x"}, {{1, 6}, "y"}};
    fake_kernel_init(&kernel);
    struct fake_pd *pd = fake_pd_populate(&kernel);
    recap_badge strange = fake_object_add(&kernel, "strange", 1, 0);
    recap_badge outside = fake_object_add(&kernel, "outside", 1, 0);
    pd->slots[5] = (struct recap_cap){strange, "strange", RECAP_RIGHT_READ, 0, 1};
    pd->slots[6] = (struct recap_cap){outside, "outside", RECAP_RIGHT_READ, 0, 1};
    assert_int_equal(
        recap_engine_checkpoint(&kernel.base, &id, 1, &options, &refusals, NULL, &error), 0);
    assert_int_equal(give_back(&kernel, bindings, 1, &restored, &refusals, &error), -EOPNOTSUPP);
    assert_int_equal(refusals.count, 1);
    assert_int_equal(refusals.items[0].selector, 6);
    recap_refusals_clear(&refusals);
    assert_int_equal(give_back(&kernel, bindings, 2, &restored, &refusals, &error), 0);
    assert_int_equal(kernel.objects[kernel.pds[0].slots[5].badge - 1].number, 'x');
    assert_int_equal(kernel.objects[kernel.pds[0].slots[6].badge - 1].number, 'y');
    kernel.base.ops->pd_close(restored);
}

static void test_verify_finds_each_difference(void **state)
{
    (void)state;
    struct fake_kernel kernel;
    struct recap_refusals differences = {0};
    struct recap_error error = {0};
    struct recap_image *image;
    fake_kernel_init(&kernel);
    struct fake_pd *pd = fake_pd_populate(&kernel);
    assert_int_equal(take(&kernel, true, &differences, &error), 0);
    assert_int_equal(recap_image_open(path, &image, &error), 0);
    const struct recap_graph *graph = recap_image_graph(image);
    struct recap_pd *pds[] = {&pd->base};
    assert_int_equal(recap_engine_verify(&kernel.base, pds, graph, NULL, &differences, &error), 0);

    const struct recap_cap slots[FAKE_SLOTS] = {0};
    struct recap_cap before[FAKE_SLOTS];
    memcpy(before, pd->slots, sizeof before);
    struct {
        recap_selector selector;
        struct recap_cap cap;
    } changes[] = {
        {9, slots[9]},  /* gone */
        {4, before[3]}, /* new */
        {9, before[3]}, /* another object */
        {0, before[0]}, /* fewer rights, below */
        {9, before[9]}, /* another slot flag, below */
    };
    changes[3].cap.rights = 0;
    changes[4].cap.slot_flags = 0;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        memcpy(pd->slots, before, sizeof before);
        pd->slots[changes[i].selector] = changes[i].cap;
        assert_int_equal(recap_engine_verify(&kernel.base, pds, graph, NULL, &differences, &error),
                         -ESTALE);
        assert_int_equal(differences.count, 1);
        assert_int_equal(differences.items[0].selector, changes[i].selector);
        recap_refusals_clear(&differences);
    }
    memcpy(pd->slots, before, sizeof before);
    kernel.objects[before[0].badge - 1].number = 70;
    assert_int_equal(recap_engine_verify(&kernel.base, pds, graph, NULL, &differences, &error),
                     -ESTALE);
    recap_refusals_clear(&differences);
    recap_image_close(image);
}

/* Each operation of the kernel failed once: an error that says so, and the component as it was. */
static void test_every_operation_of_checkpoint_failed_once(void **state)
{
    (void)state;
    for (size_t fail_at = 1;; fail_at++) {
        struct fake_kernel kernel;
        struct recap_refusals refusals = {0};
        struct recap_error error = {0};
        fake_kernel_init(&kernel);
        struct fake_pd had = *fake_pd_populate(&kernel);
        kernel.fail_at = fail_at;
        int result = take(&kernel, false, &refusals, &error);
        if (kernel.calls < fail_at) {
            assert_int_equal(result, 0);
            assert_true(fail_at > 20);
            return;
        }
        assert_int_equal(result, -EIO);
        assert_int_equal(error.code, -EIO);
        assert_true(kernel.pds[0].exists && !kernel.pds[0].suspended && !kernel.pds[0].open);
        assert_memory_equal(kernel.pds[0].slots, had.slots, sizeof had.slots);
        assert_nothing_left();
    }
}

/* Two PDs that share their objects, checkpointed with failures from call `fail_at` on. */
static int take_two(struct fake_kernel *kernel, size_t fail_at, bool lost,
                    struct recap_error *error)
{
    const uint64_t ids[] = {1, 2};
    struct recap_checkpoint_options options = {.path = path};
    struct recap_refusals refusals = {0};
    fake_kernel_init(kernel);
    kernel->pds[1] = *fake_pd_populate(kernel);
    kernel->pds[1].base.id = 2;
    kernel->fail_at = fail_at;
    kernel->lost = lost;
    int result = recap_engine_checkpoint(&kernel->base, ids, 2, &options, &refusals, NULL, error);
    recap_refusals_clear(&refusals);
    return result;
}

/* An image is taken back when every PD of it goes on, and stays when it may be all that is left. */
static void test_ends_of_several_that_fail(void **state)
{
    (void)state;
    struct fake_kernel kernel;
    struct recap_error error = {0};
    assert_int_equal(take_two(&kernel, 0, false, &error), 0);
    assert_false(kernel.pds[0].exists || kernel.pds[1].exists);
    size_t last = kernel.calls; /* the end of the second one */
    remove_image();

    assert_int_equal(take_two(&kernel, last - 1, false, &error), -EIO);
    assert_string_equal(error.what, "destroy: Input/output error");
    assert_non_null(strstr(error.remedy, "was taken back"));
    for (size_t i = 0; i < 2; i++)
        assert_true(kernel.pds[i].exists && !kernel.pds[i].suspended);
    assert_nothing_left();

    assert_int_equal(take_two(&kernel, last, false, &error), -EIO);
    assert_non_null(
        strstr(error.remedy, "whole and stays, of which 1 other has ended; PD 2 runs on"));
    assert_true(!kernel.pds[0].exists && kernel.pds[1].exists && !kernel.pds[1].suspended);
    remove_image();

    /* Nobody can say whether they have ended. */
    assert_int_equal(take_two(&kernel, last - 1, true, &error), -EIO);
    assert_non_null(strstr(error.remedy, "whole and stays; PD 1 may run on"));
    remove_image();
}

static void test_every_operation_of_restore_failed_once(void **state)
{
    (void)state;
    struct fake_kernel kernel;
    struct recap_refusals refusals = {0};
    struct recap_error error = {0};
    fake_kernel_init(&kernel);
    fake_pd_populate(&kernel);
    assert_int_equal(take(&kernel, false, &refusals, &error), 0);
    for (size_t fail_at = 1;; fail_at++) {
        struct recap_pd *pd = NULL;
        fake_kernel_init(&kernel);
        kernel.fail_at = fail_at;
        int result = give_back(&kernel, NULL, 0, &pd, &refusals, &error);
        if (kernel.calls < fail_at) {
            assert_int_equal(result, 0);
            assert_true(fail_at > 15);
            kernel.base.ops->pd_close(pd);
            return;
        }
        assert_int_equal(result, -EIO);
        assert_null(pd);
        assert_false(kernel.pds[0].exists);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_comes_back, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_refuses_before_stopping, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_believes_what_every_look_finds, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_examines_a_changed_program_again, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_names_a_pd_once, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_binds_what_was_promised, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_verify_finds_each_difference, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_every_operation_of_checkpoint_failed_once, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_ends_of_several_that_fail, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_every_operation_of_restore_failed_once, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
