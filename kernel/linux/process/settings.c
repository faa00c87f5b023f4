/* settings.c: the files of /proc/PID that can be written: what the memory killer and core dumps
 * make of the process.
 */
#include "kernel/linux/process/process.h"
#include "kernel/linux/reading.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name, *file;
    int base;
} settings[] = {{"memory_killer_adjustment", "oom_score_adj", 10},
                {"core_dump_filter", "coredump_filter", 16}};

enum { SETTING_COUNT = sizeof settings / sizeof settings[0] };

int linux_settings_record(const struct linux_reading *reading, struct recap_value *state,
                          struct recap_error *error)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        char text[32];
        ssize_t length =
            linux_procfs_read_into(reading->pd->proc, settings[i].file, text, sizeof text);
        if (length < 0)
            return recap_fail(error, (int)length, "reading /proc/%d/%s", reading->pd->pid,
                              settings[i].file);
        long value = strtol(text, NULL, settings[i].base);
        if (settings[i].base == 16)
            recap_put_hex(reading->arena, state, settings[i].name, (uint64_t)value);
        else
            recap_put_number(reading->arena, state, settings[i].name, value);
    }
    return 0;
}

static int write_setting(struct linux_pd *pd, int i, int64_t value, struct recap_error *error)
{
    char text[32];
    int length =
        snprintf(text, sizeof text, settings[i].base == 16 ? "0x%llx" : "%lld", (long long)value);
    int fd = openat(pd->proc, settings[i].file, O_WRONLY | O_CLOEXEC);
    ssize_t written = fd < 0 ? -1 : write(fd, text, (size_t)length);
    int code = written < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return code ? recap_fail(error, code, "setting %s to %s", settings[i].file, text) : 0;
}

int linux_settings_set(struct linux_pd *pd, const struct recap_value *want,
                       const struct recap_value *have, struct recap_error *error)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        int64_t value, present;
        if (recap_get_number(want, settings[i].name, &value) < 0)
            return recap_refuse(error, RECAP_DAMAGED, -EBADMSG, "the attribute %s is malformed",
                                settings[i].name);
        int result = recap_get_number(have, settings[i].name, &present) == 0 && present == value
                         ? 0
                         : write_setting(pd, i, value, error);
        if (result < 0)
            return result;
    }
    return 0;
}
