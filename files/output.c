/* output.c: a file that is whole or absent, and never written to where somebody else chose. */
#include "files/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int make(struct files_output *output, mode_t mode, struct recap_error *error)
{
    output->fd = openat(output->at.folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
    output->nameless = output->fd >= 0;
    /* A file system that needs a name. */
    if (output->fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL))
        output->fd = openat(output->at.folder, output->at.name,
                            O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    output->made = output->fd >= 0;
    return output->fd < 0 ? recap_fail(error, -errno, "making %s", output->path) : 0;
}

/* What is there already. It is opened under the name that was looked at. */
static int open_existing(struct files_output *output, const struct stat *status,
                         struct recap_error *error)
{
    char open_as[32];
    struct stat now;
    int result = files_may_change(&output->at, output->path, error);
    if (result < 0)
        return result;
    snprintf(open_as, sizeof open_as, "/proc/self/fd/%d", output->at.open);
    output->fd = output->at.name ? openat(output->at.folder, output->at.name,
                                          O_WRONLY | O_NOFOLLOW | O_NOCTTY | O_CLOEXEC)
                                 : open(open_as, O_WRONLY | O_NOCTTY | O_CLOEXEC);
    if (output->fd < 0 || fstat(output->fd, &now) < 0)
        return recap_fail(error, -errno, "opening %s", output->path);
    if (now.st_dev != status->st_dev || now.st_ino != status->st_ino)
        return recap_fail(error, -ESTALE, "opening %s", output->path);
    return 0;
}

int files_output_open(const char *path, mode_t mode, enum files_existing existing,
                      struct files_output *output, struct recap_error *error)
{
    struct stat status;
    struct files_output opened = {.path = strdup(path), .at = {.folder = -1, .open = -1}, .fd = -1};
    if (!opened.path)
        return recap_fail(error, -ENOMEM, "making %s", path);
    int result =
        files_find(path, existing == FILES_NEW ? FILES_AS_IS : FILES_FOLLOW, &opened.at, error);
    int there = result < 0 ? result : files_look(&opened.at, &status);
    if (result == 0 && there == -ENOENT) {
        result = make(&opened, mode, error);
    } else if (result == 0 && there < 0) {
        result = recap_fail(error, there, "looking at %s", path);
    } else if (result == 0 && existing == FILES_NEW) {
        result = recap_fail(error, -EEXIST, "making %s", path);
        recap_error_remedy(error, "remove it or choose another name");
    } else if (result == 0) {
        result = open_existing(&opened, &status, error);
    }
    if (result < 0)
        files_output_clear(&opened);
    else
        *output = opened;
    return result;
}

int files_output_finish(struct files_output *output, struct recap_error *error)
{
    char open_as[32];
    struct stat status;
    off_t length = lseek(output->fd, 0, SEEK_CUR);
    if (fstat(output->fd, &status) < 0 ||
        (S_ISREG(status.st_mode) && ftruncate(output->fd, length) < 0))
        return recap_fail(error, -errno, "writing %s", output->path);
    output->whole = true;
    if (!output->nameless)
        return 0;
    snprintf(open_as, sizeof open_as, "/proc/self/fd/%d", output->fd);
    if (linkat(AT_FDCWD, open_as, output->at.folder, output->at.name, AT_SYMLINK_FOLLOW) < 0)
        return recap_fail(error, -errno, "making %s", output->path);
    output->nameless = false;
    return 0;
}

void files_output_remove(struct files_output *output)
{
    struct stat status;
    if (output->fd >= 0 && !output->nameless && (output->made || output->whole) &&
        fstat(output->fd, &status) == 0 && S_ISREG(status.st_mode))
        files_remove(&output->at, &status);
}

void files_output_clear(struct files_output *output)
{
    if (output->fd >= 0)
        close(output->fd);
    files_name_clear(&output->at);
    free(output->path);
    *output = (struct files_output){.at = {.folder = -1, .open = -1}, .fd = -1};
}
