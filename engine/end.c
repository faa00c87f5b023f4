/* end.c: the end of PDs whose image is whole.
 *
 * There is a component once: as PDs, or as an image. So an image whose PDs all run on is withdrawn,
 * as if there had been no checkpoint; and one that may be all that is left of a PD stays, whatever
 * fails.
 */
#include "engine/engine.h"

#include <stdio.h>

/* The failure was that of `pd`, and the image is needed. */
static int keep(struct recap_error *error, const struct recap_pd *pd, size_t others, bool unknown)
{
    char ended[80] = "";
    if (others)
        snprintf(ended, sizeof ended, ", of which %zu other%s ended", others,
                 others == 1 ? " has" : "s have");
    return recap_error_remedy(error,
                              "the image is whole and stays%s; PD %llu %s: end it before the image "
                              "is restored, or remove the image",
                              ended, (unsigned long long)pd->id,
                              unknown ? "may run on" : "runs on");
}

int recap_end_pds(struct recap_pd *const *pds, size_t count, struct recap_image_writer *writer,
                  const char *path, struct recap_error *error)
{
    struct recap_image *image;
    int result = recap_image_open(path, &image, error);
    if (result < 0)
        return recap_image_withdraw(writer), result;
    recap_image_close(image);
    const struct recap_pd *failed = NULL;
    size_t ended = 0;
    bool unknown = false;
    for (size_t i = 0; i < count; i++) {
        const struct recap_kernel_ops *ops = pds[i]->kernel->ops;
        struct recap_error failure;
        int code = ops->destroy(pds[i], &failure);
        ended += code == 0;
        if (code == 0 || failed)
            continue;
        *error = failure;
        failed = pds[i];
        /* What goes on when it is told to has not ended. */
        unknown = ops->resume(pds[i], NULL) < 0;
        if (!ended && !unknown) {
            recap_image_withdraw(writer);
            return recap_error_remedy(error, "it runs on, and the image was taken back; with "
                                             "--leave-running it need not be ended");
        }
    }
    return failed ? keep(error, failed, ended, unknown) : 0;
}
