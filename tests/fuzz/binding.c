/* binding.c: the objects that people name: any text gives an object or a reason, and leaks none. */
#include "kernel/linux/backend.h"
#include "kernel/linux/linux.h"
#include "tests/fuzz/sandbox.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    sandbox_enter(*argc, *argv);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *spec = malloc(size + 1);
    struct recap_kernel *kernel;
    struct recap_error error = {0};
    recap_badge badge = 0;
    if (!spec || recap_linux_open(&kernel, &error) < 0)
        abort();
    memcpy(spec, data, size);
    spec[size] = '\0';
    uint32_t rights = size ? data[size - 1] & (RECAP_RIGHT_READ | RECAP_RIGHT_WRITE) : 0;
    int result = kernel->ops->bind(kernel, spec, rights, &badge, &error);
    if (result == 0 ? !badge : (badge || error.code != result || !*error.what))
        abort();
    kernel->ops->close(kernel);
    free(spec);
    return 0;
}
