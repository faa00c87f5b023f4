/* names.h: the names that files of an image have, and no others. */
#ifndef RECAP_IMAGE_NAMES_H
#define RECAP_IMAGE_NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMAGE_GRAPH "graph.json"
#define IMAGE_MANIFEST "MANIFEST"
#define IMAGE_OBJECTS "objects"

enum { IMAGE_NAME_SIZE = 40 }; /* room for every name, the final NUL included */

enum image_file {
    IMAGE_FILE_NONE, /* not a name of an image */
    IMAGE_FILE_GRAPH,
    IMAGE_FILE_CORE,   /* PID.core */
    IMAGE_FILE_OBJECT, /* objects/ID */
    IMAGE_FILE_MANIFEST,
};

/* What `name` (not NUL-terminated) names; for a core or an object, of which id. */
enum image_file image_name_parse(const char *name, size_t length, uint64_t *id);
/* The name of the core of PD `id`, or of the content of object `id`, into `name`. */
void image_name_core(uint64_t id, char name[IMAGE_NAME_SIZE]);
void image_name_object(uint64_t id, char name[IMAGE_NAME_SIZE]);
/* An unsigned decimal number without sign or superfluous zeros that fills `text`. */
bool image_decimal(const char *text, size_t length, uint64_t *number);
/* Exactly 16 lower-case hexadecimal digits. */
bool image_hex16(const char *text, uint64_t *number);

#endif
