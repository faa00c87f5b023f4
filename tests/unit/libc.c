/* libc.c: the little of libc that guests link, under other names beside the real one. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

int guest_vsnprintf(char *buffer, size_t size, const char *format, va_list arguments);
int guest_snprintf(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void *guest_malloc(size_t size);
void *guest_calloc(size_t count, size_t size);
void *guest_realloc(void *memory, size_t size);
void *guest_reallocarray(void *memory, size_t count, size_t size);
void guest_free(void *memory);

#define vsnprintf guest_vsnprintf
#define snprintf guest_snprintf
#include "core/libc/format.c"
#undef snprintf
#define malloc guest_malloc
#define calloc guest_calloc
#define realloc guest_realloc
#define reallocarray guest_reallocarray
#define free guest_free
#include "core/libc/memory.c"
#undef malloc
#undef calloc
#undef realloc
#undef reallocarray
#undef free

static size_t pages_out; /* bytes that the allocator has at the moment */
static bool no_pages;

void *libc_pages(size_t size)
{
    void *memory = no_pages ? NULL : aligned_alloc(LIBC_PAGE, size);
    if (memory) {
        memset(memory, 0, size);
        pages_out += size;
    }
    return memory;
}

void libc_pages_free(void *memory, size_t size)
{
    pages_out -= size;
    free(memory);
}

/* Both say the same, also where the buffer is short. */
#define SAME(...)                                                                                  \
    do {                                                                                           \
        char theirs[64], ours[64];                                                                 \
        for (size_t size = 0; size <= sizeof ours; size += 4) {                                    \
            memset(theirs, 'x', sizeof theirs);                                                    \
            memset(ours, 'x', sizeof ours);                                                        \
            int length = (snprintf)(theirs, size, __VA_ARGS__);                                    \
            assert_int_equal(guest_snprintf(ours, size, __VA_ARGS__), length);                     \
            assert_memory_equal(ours, theirs, size < (size_t)length ? size : (size_t)length + 1);  \
        }                                                                                          \
    } while (0)

static void formats_as_libc_does(void **state)
{
    (void)state;
    char volatile zero = 0;
    SAME("%s, %10s, %-10s|, %.3s, %.*s", "text", "right", "left", "cut off", 2, "star");
    SAME("%d %i %u %5d %-5d| %05d %.4d", -7, 12, 4000000000u, -42, 42, -42, 42);
    SAME("%x %X", 0xbeefu, 0xBEEFu);
    SAME("%lld %llu %llx", INT64_MIN + 0LL, 18446744073709551615ULL, 0x123456789abcdefULL);
    SAME("%zu %zd %ju %hhd %hd", SIZE_MAX, (ptrdiff_t)-1, UINTMAX_MAX, 300 + zero, 70000 + zero);
    SAME("%c%c%%", 'a', 'b');
    SAME("%o %08x", 8u, 0x1234u);
    SAME("%.0d|%*d|%*d", zero, 6, 1, -6, 2);
}

static void gives_what_is_asked_for(void **state)
{
    (void)state;
    enum { COUNT = 400 };
    unsigned char *all[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        size_t size = i * i;
        all[i] = guest_malloc(size);
        assert_non_null(all[i]);
        assert_int_equal((uintptr_t)all[i] % 16, 0);
        memset(all[i], (int)i, size);
    }
    for (size_t i = 0; i < COUNT; i++) {
        all[i] = guest_realloc(all[i], i * i + 1000);
        assert_non_null(all[i]);
        for (size_t at = 0; at < i * i; at++)
            assert_int_equal(all[i][at], (unsigned char)i);
    }
    size_t most = pages_out;
    for (size_t i = 0; i < COUNT; i++)
        guest_free(all[i]);
    assert_true(pages_out < most); /* the large ones went back */
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT; i++) {
            all[i] = guest_calloc(1, 100);
            for (size_t at = 0; at < 100; at++)
                assert_int_equal(all[i][at], 0);
            memset(all[i], 1, 100);
        }
        for (size_t i = 0; i < COUNT; i++)
            guest_free(all[i]);
        if (!round)
            most = pages_out;
    }
    assert_int_equal(pages_out, most); /* and the small ones were used again */
    guest_free(NULL);
}

static void refuses_what_there_is_not(void **state)
{
    (void)state;
    assert_null(guest_malloc(SIZE_MAX - 8));
    assert_null(guest_calloc(SIZE_MAX / 2, 3));
    assert_null(guest_reallocarray(NULL, SIZE_MAX / 2, 3));
    no_pages = true;
    assert_null(guest_malloc(1024 * 1024));
    no_pages = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_as_libc_does),
        cmocka_unit_test(gives_what_is_asked_for),
        cmocka_unit_test(refuses_what_there_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
