/* disk.h: a small file system that only a fuzz target sees. */
#ifndef RECAP_TESTS_FUZZ_DISK_H
#define RECAP_TESTS_FUZZ_DISK_H

#include <stddef.h>

/* Where it is mounted. */
#define DISK "/mnt"

/* Mounts it, in a mount namespace of our own. Ends the process if that fails. */
void disk_mount(void);
/* Makes a folder, removes a folder and all in it. */
void disk_folder(const char *path);
void disk_remove(const char *path);
/* Writes a file. */
void disk_file(const char *path, const void *data, size_t size);

#endif
