/* mappings.h: what a subject's own mappings look like, to compare before and after. */
#ifndef RECAP_TESTS_MAPPINGS_H
#define RECAP_TESTS_MAPPINGS_H

/* Remembers every mapping with its protection, sharing, offset, name and flags. */
void mappings_note(void);
/* Checks that they are the same now; each difference is a finding. Neighbours with equal properties
 * count as one. */
void mappings_check(void);

#endif
