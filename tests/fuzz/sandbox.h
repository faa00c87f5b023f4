/* sandbox.h: where a fuzz target may open, create and connect to whatever it names. */
#ifndef RECAP_TESTS_FUZZ_SANDBOX_H
#define RECAP_TESTS_FUZZ_SANDBOX_H

/* Moves the process to a file system that cannot be written, except where libFuzzer's arguments say
 * that it keeps something, with no devices but null, and to an empty network. Ends it if that
 * fails. */
void sandbox_enter(int argc, char **argv);

#endif
