/* description.c: what /proc says of a descriptor, of every kind: recognising and describing it
 * never does more than read, and what is described can be written down. */
#include "kernel/linux/backend.h"
#include "kernel/linux/badges/badges.h"
#include "kernel/linux/descriptions.h"
#include "kernel/linux/objects/fdinfo.h"
#include "kernel/linux/objects/kinds.h"
#include "tests/fuzz/sandbox.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct recap_kernel *kernel;
static recap_badge badge;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    sandbox_enter(*argc, *argv);
    if (recap_linux_open(&kernel, NULL) < 0 ||
        linux_badge_own((struct linux_kernel *)kernel, eventfd(1, 0), &badge, NULL) < 0)
        abort();
    return 0;
}

/* The next piece of the input, up to a NUL byte, in memory of its own. */
static char *take(const uint8_t **data, size_t *size)
{
    const uint8_t *end = memchr(*data, 0, *size);
    size_t length = end ? (size_t)(end - *data) : *size;
    char *text = malloc(length + 1);
    if (!text)
        abort();
    memcpy(text, *data, length);
    text[length] = '\0';
    *data += end ? length + 1 : length;
    *size -= end ? length + 1 : length;
    return text;
}

static void read_lines(const char *fdinfo)
{
    uint64_t number;
    int64_t first, second;
    linux_fdinfo_number(fdinfo, "eventfd-count", 16, &number);
    linux_fdinfo_pair(fdinfo, "it_value", &first, &second);
    for (const char *line = fdinfo; line; line = linux_fdinfo_next(line))
        linux_fdinfo_text(line, "tfd");
    linux_procfs_field(fdinfo, "pos");
}

static void describe(const struct linux_description *description)
{
    const struct linux_kind *kind = linux_kind_of(description);
    struct recap_arena *arena = recap_arena_new();
    struct recap_object object = {.id = 1, .kind = kind->name};
    struct recap_error error = {0};
    int result =
        kind->describe((struct linux_kernel *)kernel, badge, description, arena, &object, &error);
    if (result > 0 || (result < 0 && (error.code != result || !*error.what)))
        abort();
    recap_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const mode_t types[] = {0, S_IFREG, S_IFDIR, S_IFCHR, S_IFIFO, S_IFSOCK, S_IFBLK};
    if (size < 2)
        return 0;
    struct linux_description description = {.fd = -1};
    description.status.st_mode = types[data[0] % (sizeof types / sizeof *types)];
    description.open_flags = data[1];
    data += 2;
    size -= 2;
    char *link = take(&data, &size);
    char *protocol = take(&data, &size);
    char *fdinfo = take(&data, &size);
    description.link = link;
    description.fdinfo = fdinfo;
    if (S_ISSOCK(description.status.st_mode))
        description.protocol = protocol;
    read_lines(fdinfo);
    describe(&description);
    free(link);
    free(protocol);
    free(fdinfo);
    return 0;
}
