/* mappings.c: what a subject's own mappings look like, to compare before and after. All memory is
 * static: looking must not map anything. */
#include "mappings.h"
#include "subject.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST = 24000, TEXT = 64 << 20 };

struct mapping {
    uint64_t start;
    uint64_t end;
    uint64_t offset;
    char protection[5];
    char flags[64];
    char name[96];
};

static char text[TEXT];
static struct mapping before[MOST], after[MOST];
static size_t before_count;

/* Memory without a name; offsets mean nothing there. */
static bool plain(const struct mapping *mapping)
{
    return mapping->name[0] == '\0' || mapping->name[0] == '[';
}

static bool continues(const struct mapping *first, const struct mapping *second)
{
    return first->end == second->start && strcmp(first->protection, second->protection) == 0 &&
           strcmp(first->flags, second->flags) == 0 && strcmp(first->name, second->name) == 0 &&
           (plain(first) || first->offset + (first->end - first->start) == second->offset);
}

static size_t list(struct mapping *mappings)
{
    int fd = open("/proc/self/smaps", O_RDONLY | O_CLOEXEC);
    size_t length = 0, count = 0;
    ssize_t got;
    while ((got = read(fd, text + length, sizeof text - 1 - length)) > 0)
        length += (size_t)got;
    close(fd);
    text[length] = '\0';
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        struct mapping *last = &mappings[count ? count - 1 : 0];
        if (strncmp(line, "VmFlags: ", 9) == 0) {
            /* Soft-dirty and whether a lock is held on fault follow no one's will. */
            snprintf(last->flags, sizeof last->flags, "%s", line + 9);
            if (count > 1 && continues(last - 1, last)) {
                last[-1].end = last->end;
                count--;
            }
            continue;
        }
        if (line[0] >= 'A' && line[0] <= 'Z')
            continue;
        subject_need(count < MOST, "too many mappings");
        last = &mappings[count++];
        memset(last, 0, sizeof *last);
        int at = 0;
        sscanf(line, "%lx-%lx %4s %lx %*s %*s %n", &last->start, &last->end, last->protection,
               &last->offset, &at);
        snprintf(last->name, sizeof last->name, "%s", line + at);
    }
    return count;
}

void mappings_note(void)
{
    before_count = list(before);
}

static void differ(const struct mapping *mapping, const char *how)
{
    subject_check(false, "%s: %lx-%lx %s %lx %s [%s]", how, mapping->start, mapping->end,
                  mapping->protection, mapping->offset, mapping->name, mapping->flags);
}

void mappings_check(void)
{
    size_t count = list(after), i = 0, j = 0;
    while (i < before_count || j < count) {
        const struct mapping *had = i < before_count ? &before[i] : NULL;
        const struct mapping *has = j < count ? &after[j] : NULL;
        if (had && has && had->start == has->start && had->end == has->end &&
            had->offset == has->offset && strcmp(had->protection, has->protection) == 0 &&
            strcmp(had->flags, has->flags) == 0 && strcmp(had->name, has->name) == 0) {
            i++;
            j++;
        } else if (had && (!has || had->start <= has->start)) {
            differ(had, "no longer there");
            i++;
        } else {
            differ(has, "was not there");
            j++;
        }
    }
}
