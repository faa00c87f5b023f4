/* place.h: where an image comes into being: a locked temporary directory beside its place. */
#ifndef RECAP_IMAGE_PLACE_H
#define RECAP_IMAGE_PLACE_H

#include <recap/error.h>
#include <stdbool.h>

struct image_place {
    char *path;      /* as the user gave it, for messages */
    char *name;      /* its last component */
    char *temporary; /* the name of the temporary directory, in the same parent */
    int parent;      /* the directory that both are in */
    int directory;   /* the temporary directory itself */
    bool ours;       /* `temporary` is there and is ours to remove */
};

/* Makes the temporary directory (0700) and locks it. What a writer that is dead left behind there
 * is removed first. -EEXIST when the place is taken, -EBUSY while another writer lives. */
int image_place_make(const char *path, struct image_place *place, struct recap_error *error);
/* Creates a file (0600) in the directory `at`, which belongs to the place: a descriptor, or a
 * negative errno. */
int image_place_file(int at, const char *name);
/* Renames the directory, whose files are synced, to its place, and syncs the parent. */
int image_place_settle(struct image_place *place, struct recap_error *error);
/* Makes what was settled, and still is where it was, a temporary directory again. */
void image_place_unsettle(struct image_place *place);
/* Removes the temporary directory unless it was settled; frees and closes. */
void image_place_clear(struct image_place *place);

#endif
