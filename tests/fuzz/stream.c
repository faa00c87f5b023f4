/* stream.c: an image as a tar stream: nothing comes of it but a whole image, and nothing remains of
 * anything else. */
#include "image/image.h"
#include "tests/fuzz/disk.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FOLDER DISK "/folder"
#define IMAGE FOLDER "/image"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    disk_mount();
    return 0;
}

static size_t count_entries(void)
{
    size_t count = 0;
    DIR *list = opendir(FOLDER);
    if (!list)
        abort();
    for (struct dirent *entry; (entry = readdir(list));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(list);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct recap_error error = {0};
    int stream = memfd_create("stream", MFD_CLOEXEC);
    if (stream < 0 || (size && write(stream, data, size) != (ssize_t)size))
        abort();
    lseek(stream, 0, SEEK_SET);
    disk_folder(FOLDER);
    int result = recap_image_unpack(stream, IMAGE, &error);
    if (result < 0 ? error.cls != RECAP_DAMAGED || !*error.what || count_entries() != 0
                   : count_entries() != 1)
        abort();
    /* What was taken goes out as it came in. */
    if (result == 0 && (ftruncate(stream, 0) < 0 || recap_image_pack(IMAGE, stream, &error) < 0))
        abort();
    disk_remove(FOLDER);
    close(stream);
    return 0;
}
