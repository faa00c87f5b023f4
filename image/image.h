/* image.h: the checkpoint on disk.
 *
 * An image is a directory (mode 0700; files 0600):
 *     graph.json      the capability graph, for people, jq and the reader
 *     PID.core        one ELF core file per PD: memory, registers, notes
 *     objects/ID      content of object ID
 *     MANIFEST        sizes and checksums of every file above and of every 1 MiB of it
 * It is written under a temporary name beside its place, synced, and renamed: whole or absent. The
 * format is described in recap-image(5).
 */
#ifndef RECAP_IMAGE_IMAGE_H
#define RECAP_IMAGE_IMAGE_H

#include "graph/graph.h"
#include <recap/error.h>
#include <sys/types.h>

struct recap_image_writer;

/* Makes the temporary directory beside `path`, and removes what a killed writer left there. -EEXIST
 * when `path` exists, -EBUSY while another image is being written to it. Starts a thread, which
 * readies buffers: the earlier before the pause the better. A caller that may run into a limit of
 * file sizes ignores SIGXFSZ. */
int recap_image_create(const char *path, struct recap_image_writer **writer,
                       struct recap_error *error);
/* Plans the core file of `pd`: sets the offset of each of its ranges. Slots, regions, threads and
 * attributes are complete by now. Then recap_image_room and recap_image_put for all ranges. */
int recap_image_begin_core(struct recap_image_writer *writer, struct recap_pd_image *pd,
                           struct recap_error *error);
/* Room for 1 MiB of page content. Fill it, then hand it over with recap_image_put, which takes it
 * back also when it fails: writing goes on in another thread while the caller fills the next. Pages
 * go to the core that was begun last, best in order of their offsets, and each byte once. */
int recap_image_room(struct recap_image_writer *writer, void **buffer, struct recap_error *error);
int recap_image_put(struct recap_image_writer *writer, void *buffer, uint64_t offset, size_t size,
                    struct recap_error *error);
/* All pages of this core were put: waits until they are written. */
int recap_image_end_core(struct recap_image_writer *writer, const struct recap_graph *graph,
                         const struct recap_pd_image *pd, struct recap_error *error);
/* Appends to the content of object `id`, one object after the other. */
int recap_image_content(struct recap_image_writer *writer, uint64_t id, const void *data,
                        size_t size, struct recap_error *error);
/* Writes the headers and notes of all cores, graph and manifest, syncs, renames into place. The
 * graph gets the checksums of its contents. On failure the image is still to be discarded. */
int recap_image_commit(struct recap_image_writer *writer, struct recap_graph *graph,
                       struct recap_error *error);
/* Takes back an image that was committed: it is removed when the writer is discarded. */
void recap_image_withdraw(struct recap_image_writer *writer);
/* Frees the writer; what was not committed is removed from disk. Accepts NULL. */
void recap_image_discard(struct recap_image_writer *writer);

struct recap_image;

/* Opens `path`, checks manifest, graph, headers and notes, and builds the graph (owned by the
 * image). Every damage is class RECAP_DAMAGED. Page content is not read yet. */
int recap_image_open(const char *path, struct recap_image **image, struct recap_error *error);
/* Whether only the caller and root can have written the image and can write it now: what an image
 * says is run. Everything else may also be done with an image of others. */
int recap_image_trust(const struct recap_image *image, struct recap_error *error);
struct recap_graph *recap_image_graph(struct recap_image *image);
/* The descriptor of the core file of that PD; owned by the image. */
int recap_image_core(struct recap_image *image, const struct recap_pd_image *pd);
/* Checks all page content and object content against their checksums, by as many threads as there
 * are processors. */
int recap_image_check(struct recap_image *image, struct recap_error *error);
/* Reads object content, as recap_creation.content. */
ssize_t recap_image_read_content(void *image, uint64_t id, uint64_t offset, void *buffer,
                                 size_t size);
/* Accepts NULL. */
void recap_image_close(struct recap_image *image);

/* The graph as JSON text (the caller frees it), and back. (graph_json.c) */
int recap_graph_to_json(const struct recap_graph *graph, char **text, struct recap_error *error);
int recap_graph_from_json(const char *text, size_t length, struct recap_graph **graph,
                          struct recap_error *error);

/* The directory as a tar stream and back (stream.c); unpacking refuses every name that an image
 * does not have. */
int recap_image_pack(const char *path, int fd, struct recap_error *error);
int recap_image_unpack(int fd, const char *path, struct recap_error *error);

#endif
