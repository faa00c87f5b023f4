/* core_notes.h: the notes of a core file: what a debugger expects, and Recap's own.
 *
 * The last note, of Recap's own type CORE_NOTE_TIE, holds the checksum of graph.json, which the
 * core belongs to, and of everything in the tail before itself.
 */
#ifndef RECAP_IMAGE_CORE_NOTES_H
#define RECAP_IMAGE_CORE_NOTES_H

#include "graph/graph.h"
#include <recap/error.h>

#define CORE_NOTE_OWNER "RECAP"
/* Numbers that no other owner uses: debuggers look at the number alone when they do not know the
 * owner. Registers are those of the thread at hand, in a layout that no standard note has. */
enum core_note {
    CORE_NOTE_TIE = 0x52430001,
    CORE_NOTE_REGISTERS = 0x52430002,
    CORE_NOTE_EXTENDED = 0x52430003,
};

/* Bytes that grow; running out of memory is sticky. */
struct core_bytes {
    unsigned char *data;
    size_t length;
    size_t capacity;
    bool failed;
};

/* `size` zeroed bytes at the end, or NULL. */
void *core_bytes_add(struct core_bytes *bytes, size_t size);

/* Appends all notes of `pd` but the tie. */
int core_notes_put(struct core_bytes *notes, const struct recap_pd_image *pd,
                   struct recap_error *error);
/* How long the tie is. */
size_t core_notes_tie_size(void);
/* Appends the tie to `tail`, which has everything else by now. */
void core_notes_tie(struct core_bytes *tail, uint64_t graph_checksum);
/* Checks the tie at the end of a tail. */
int core_notes_check_tie(const void *tail, size_t size, uint64_t graph_checksum,
                         struct recap_error *error);
/* Reads the registers of all threads of `pd` from notes; copies go to the graph's arena. */
int core_notes_read(const void *notes, size_t size, struct recap_graph *graph,
                    struct recap_pd_image *pd, struct recap_error *error);

#endif
