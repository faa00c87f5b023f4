/* apart.h: doing something in a process of its own. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_APART_H
#define RECAP_KERNEL_LINUX_OBJECTS_APART_H

/* Runs `work` in a process that shares our memory, and our descriptor table only with CLONE_FILES
 * in `flags`; the calling thread waits for it. What `work` does to its descriptors (without that
 * flag), directories, umask, namespaces and limits is gone with it. No signal interrupts it, and it
 * runs to its end also when we are killed meanwhile: a change that it makes and takes back is
 * always taken back. For that reason it calls only what takes no lock (system calls, mmap).
 * Returns what `work` returned, 0 or a negative errno. */
int linux_apart(int flags, int (*work)(void *context), void *context);

#endif
