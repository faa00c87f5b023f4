/* terminal_settings.h: the settings of a terminal: line discipline, speeds, window. */
#ifndef RECAP_KERNEL_LINUX_OBJECTS_TERMINALS_TERMINAL_SETTINGS_H
#define RECAP_KERNEL_LINUX_OBJECTS_TERMINALS_TERMINAL_SETTINGS_H

#include "kernel/linux/linux.h"

/* Writes the members "modes" and "window". -EIO: the terminal has hung up. */
int linux_terminal_settings_describe(int fd, struct recap_arena *arena, struct recap_value *into,
                                     struct recap_error *error);
/* Applies "modes" of `from`, and "window" as well if asked for. */
int linux_terminal_settings_set(int fd, const struct recap_object *object,
                                const struct recap_value *from, bool window,
                                struct recap_error *error);

#endif
