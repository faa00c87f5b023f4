/* mapped_content.c: the bytes of a removed file that regions map, for those who may not open it.
 *
 * A page that a mapping shares with the file has the file's bytes, and the page map tells those
 * from the ones that the process has changed for itself. So what the process can still see of the
 * file can be read from its memory. What it cannot see, it will not miss.
 */
#include "kernel/linux/objects/memory/mapped_content.h"
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/objects/files/file_identity.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* Bits of an entry of /proc/PID/pagemap. */
#define ENTRY_PRESENT (1ull << 63)
#define ENTRY_SWAPPED (1ull << 62)
#define ENTRY_FILE (1ull << 61)

static int find_in(struct linux_mapped *mapped, pid_t pid)
{
    char path[32], name[64];
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *directory = opendir(path);
    int result = directory ? 0 : -errno;
    for (struct dirent *entry;
         result == 0 && (result = linux_procfs_next(directory, &entry)) == 0 && entry;) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        int fd = (int)strtol(entry->d_name, NULL, 10);
        snprintf(name, sizeof name, "%s/%d", path, fd);
        result = linux_path_leads(name, 0, mapped->device, mapped->inode, NULL);
        if (result > 0) {
            mapped->held = true;
            mapped->home = (struct linux_home){pid, fd};
        } else if (result < 0 && result != -ENOMEM) {
            /* A file system that does not answer is not the one that has told us of the file. */
            result = 0;
        }
    }
    if (directory)
        closedir(directory);
    return linux_procfs_gone(result) || linux_procfs_hidden(result) ? 0 : result;
}

int linux_mapped_find_holder(struct linux_mapped *mapped)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < mapped->piece_count; i++)
        if (i == 0 || mapped->pieces[i].pid != mapped->pieces[i - 1].pid)
            result = find_in(mapped, mapped->pieces[i].pid);
    return result;
}

static int open_of(pid_t pid, const char *file)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* The page at `address` of a mapping, if it is the file's: 1; 0 when the process has one of its own
 * there; -EIO beyond the end of the file. */
static int look_at_page(pid_t pid, uint64_t address, char page[PAGE])
{
    int memory = open_of(pid, "mem"), map = memory < 0 ? memory : open_of(pid, "pagemap");
    uint64_t entry = 0;
    int result = map < 0 ? map : 1;
    if (result == 1 && pread(map, &entry, sizeof entry, (off_t)(address / PAGE * sizeof entry)) !=
                           (ssize_t)sizeof entry)
        result = -EIO;
    if (result == 1 && entry & (ENTRY_PRESENT | ENTRY_SWAPPED) && !(entry & ENTRY_FILE))
        result = 0;
    if (result == 1 && pread(memory, page, PAGE, (off_t)address) != PAGE)
        result = -EIO;
    if (map >= 0)
        close(map);
    if (memory >= 0)
        close(memory);
    return result;
}

/* The page at `offset` of the file, by whichever mapping shows it. */
static int look(const struct linux_mapped *mapped, uint64_t offset, char page[PAGE])
{
    int result = 0;
    memset(page, 0, PAGE);
    for (size_t i = 0; i < mapped->piece_count && result != 1; i++) {
        const struct linux_mapped_piece *piece = &mapped->pieces[i];
        if (offset >= piece->offset && offset - piece->offset < piece->length)
            result = look_at_page(piece->pid, piece->start + (offset - piece->offset), page);
    }
    return result;
}

int linux_mapped_seen(const struct linux_mapped *mapped, uint64_t *size)
{
    char page[PAGE];
    uint64_t end = 0;
    for (size_t i = 0; i < mapped->piece_count; i++) {
        const struct linux_mapped_piece *piece = &mapped->pieces[i];
        if (piece->offset + piece->length > end)
            end = piece->offset + piece->length;
    }
    int result = 0;
    while (end >= PAGE && (result = look(mapped, end - PAGE, page)) == -EIO)
        end -= PAGE;
    if (result < 0 && result != -EIO)
        return result;
    *size = end;
    return 0;
}

static int by_offset(const void *a, const void *b)
{
    const struct linux_mapped_piece *left = a, *right = b;
    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

int linux_mapped_survey_seen(struct linux_mapped *mapped)
{
    int result = linux_mapped_seen(mapped, &mapped->size);
    struct linux_mapped_piece *pieces =
        result < 0 ? NULL : malloc(mapped->piece_count * sizeof *pieces + 1);
    if (!pieces)
        return result < 0 ? result : -ENOMEM;
    memcpy(pieces, mapped->pieces, mapped->piece_count * sizeof *pieces);
    qsort(pieces, mapped->piece_count, sizeof *pieces, by_offset);
    mapped->extents.count = 0;
    uint64_t at = 0;
    for (size_t i = 0; result == 0 && i < mapped->piece_count; i++) {
        uint64_t start = pieces[i].offset > at ? pieces[i].offset : at;
        uint64_t end = pieces[i].offset + pieces[i].length;
        if (end > mapped->size)
            end = mapped->size;
        if (start < end)
            result = linux_extents_add(&mapped->extents, start, end - start);
        at = end > at ? end : at;
    }
    free(pieces);
    return result;
}

ssize_t linux_mapped_look(const struct linux_mapped *mapped, uint64_t offset, void *buffer,
                          size_t size)
{
    uint64_t end;
    int result = linux_mapped_seen(mapped, &end);
    size_t done = 0;
    while (result >= 0 && done < size && offset + done < end) {
        char page[PAGE];
        uint64_t at = offset + done;
        size_t skip = at % PAGE, step = PAGE - skip < size - done ? PAGE - skip : size - done;
        result = look(mapped, at - skip, page);
        if (result >= 0)
            memcpy((char *)buffer + done, page + skip, step);
        done += step;
    }
    return result < 0 ? result : (ssize_t)done;
}
