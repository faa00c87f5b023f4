/* main.c: core on Fiasco.OC: launches the programs that it is told, then serves for ever.
 *
 * recap-core [measure] [PROGRAM...]: each the path of a boot module, such as rom/recap-counter;
 * with "measure", what Native PD costs is printed first.
 */
#include "core/server.h"
#include "foc.h"
#include "measure.h"
#include "serial.h"

#include <l4/re/env.h>
#include <l4/sys/scheduler.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PRIORITY = 100, FRAME = 16 * 1024, MEMORY = 64 * 1024 * 1024 };

static uint8_t *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    uint8_t *bytes = NULL;
    if (file && fstat(fileno(file), &status) == 0 && status.st_size > 0 &&
        (bytes = malloc((size_t)status.st_size)) != NULL) {
        *size = (size_t)status.st_size;
        if (fread(bytes, 1, *size, file) != *size) {
            free(bytes);
            bytes = NULL;
        }
    }
    if (file)
        fclose(file);
    return bytes;
}

static void launch(struct foc *foc, const char *path)
{
    struct recap_error error = {0};
    size_t size;
    const char *name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    uint8_t *program = read_file(path, &size);
    if (!program)
        printf("core: %s cannot be read\n", path);
    else if (foc_launch(foc, name, program, size, foc->families, &error) < 0)
        printf("core: %s: %s\n", name, error.what);
    free(program);
}

int main(int argc, char **argv)
{
    l4_sched_param_t parameters = l4_sched_param(PRIORITY, 0);
    struct recap_error error = {0};
    l4_scheduler_run_thread(l4re_env()->scheduler, l4re_env()->main_thread, &parameters);
    struct foc *foc = foc_open(&error);
    struct core_stream *stream = foc ? serial_open(foc) : NULL;
    if (!stream) {
        printf("core: %s\n", foc ? "there is no second serial line" : error.what);
        return 1;
    }
    bool measured = argc > 1 && !strcmp(argv[1], "measure");
    for (int i = 1 + measured; i < argc; i++)
        launch(foc, argv[i]);
    if (measured)
        measure(foc);
    printf("core: ready on %s\n", foc->release);
    const struct core_limits limits = {.frame = FRAME, .memory = MEMORY};
    for (;;)
        core_serve(&foc->base, stream, &limits);
}
