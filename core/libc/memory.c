/* memory.c: malloc and free for guests without a libc.
 *
 * Small sizes are rounded up to a power of two and kept in one list each; their chunks are cut from
 * larger pieces of pages. What is larger than a piece has pages of its own and gives them back.
 */
#include "core/libc/pages.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { SMALLEST = 5, LARGEST = 15, PIECE = 256 * 1024 };

/* Before every allocation; as long as the alignment that it keeps. */
struct head {
    size_t size; /* bytes that the caller may use */
    size_t list; /* 0: pages of its own */
    struct head *next;
    size_t filler;
};

_Static_assert(sizeof(struct head) % 16 == 0, "what follows the head has to be aligned");

static struct head *lists[LARGEST + 1];
static unsigned char *piece;
static size_t piece_left;

static struct head *cut(size_t list)
{
    size_t size = (size_t)1 << list;
    if (piece_left < size) {
        unsigned char *more = libc_pages(PIECE);
        if (!more)
            return NULL;
        /* What is left of the old piece is too small for this list, but not for others. */
        for (size_t small = LARGEST; small >= SMALLEST; small--)
            while (piece_left >= (size_t)1 << small) {
                struct head *head = (struct head *)(void *)piece;
                *head = (struct head){.list = small, .next = lists[small]};
                lists[small] = head;
                piece += (size_t)1 << small;
                piece_left -= (size_t)1 << small;
            }
        piece = more;
        piece_left = PIECE;
    }
    struct head *head = (struct head *)(void *)piece;
    piece += size;
    piece_left -= size;
    return head;
}

static size_t whole_pages(size_t size)
{
    return (size + LIBC_PAGE - 1) & ~(size_t)(LIBC_PAGE - 1);
}

void *malloc(size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size_t whole = size + sizeof(struct head), list = SMALLEST;
    struct head *head;
    if (whole > (size_t)1 << LARGEST) {
        whole = whole_pages(whole);
        head = libc_pages(whole);
        if (!head)
            return NULL;
        *head = (struct head){.size = whole - sizeof *head};
        return head + 1;
    }
    while (whole > (size_t)1 << list)
        list++;
    head = lists[list];
    if (head)
        lists[list] = head->next;
    else if (!(head = cut(list)))
        return NULL;
    *head = (struct head){.size = ((size_t)1 << list) - sizeof *head, .list = list};
    return head + 1;
}

void free(void *memory)
{
    if (!memory)
        return;
    struct head *head = (struct head *)memory - 1;
    if (head->list) {
        head->next = lists[head->list];
        lists[head->list] = head;
    } else {
        libc_pages_free(head, head->size + sizeof *head);
    }
}

void *calloc(size_t count, size_t size)
{
    size_t whole;
    if (__builtin_mul_overflow(count, size, &whole))
        return NULL;
    void *memory = malloc(whole);
    if (memory)
        memset(memory, 0, whole);
    return memory;
}

void *realloc(void *memory, size_t size)
{
    if (!memory)
        return malloc(size);
    struct head *head = (struct head *)memory - 1;
    if (size <= head->size)
        return memory;
    void *moved = malloc(size);
    if (moved) {
        memcpy(moved, memory, head->size);
        free(memory);
    }
    return moved;
}

void *reallocarray(void *memory, size_t count, size_t size)
{
    size_t whole;
    return __builtin_mul_overflow(count, size, &whole) ? NULL : realloc(memory, whole);
}
