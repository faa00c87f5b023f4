/* sample_graph.h: a graph with something of everything, and an image of it. */
#ifndef RECAP_TESTS_UNIT_SAMPLE_GRAPH_H
#define RECAP_TESTS_UNIT_SAMPLE_GRAPH_H

#include "image/image.h"

/* A graph of two PDs with slots, regions, threads, attributes and objects of every form of state.
 */
struct recap_graph *sample_graph(void);
/* The byte that page content has at an address. */
unsigned char sample_byte(uint64_t address);
/* Writes and commits an image of a graph like sample_graph's; object 2 has "hello pipe\n". */
void sample_write(const char *path, struct recap_graph *graph);
/* Fails the test unless both are equal in everything. */
void sample_assert_same(const struct recap_graph *a, const struct recap_graph *b);
/* Fails the test unless every range holds sample_byte. */
void sample_assert_pages(struct recap_image *image);

/* cmocka setup and teardown: *state is the path of a fresh folder, which goes with all in it. */
int sample_folder(void **state);
int sample_remove_folder(void **state);
/* folder/name in fresh memory. */
char *sample_path(const char *folder, const char *name);

#endif
