/* terminal_settings.c: the settings of a terminal: line discipline, speeds, window. */
#include "kernel/linux/objects/terminals/terminal_settings.h"
#include "kernel/linux/objects/status_flags.h"

#include <asm/termbits.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

int linux_terminal_settings_describe(int fd, struct recap_arena *arena, struct recap_value *into,
                                     struct recap_error *error)
{
    struct termios2 modes;
    struct winsize window;
    if (ioctl(fd, TCGETS2, &modes) < 0 || ioctl(fd, TIOCGWINSZ, &window) < 0)
        return errno == EIO ? -EIO
                            : recap_fail(error, -errno, "reading the settings of a terminal");
    struct recap_value *record = recap_put_record(arena, into, "modes");
    recap_put_hex(arena, record, "input", modes.c_iflag);
    recap_put_hex(arena, record, "output", modes.c_oflag);
    recap_put_hex(arena, record, "control", modes.c_cflag);
    recap_put_hex(arena, record, "local", modes.c_lflag);
    recap_put_number(arena, record, "discipline", modes.c_line);
    recap_put_bytes(arena, record, "characters", modes.c_cc, sizeof modes.c_cc);
    recap_put_number(arena, record, "input_speed", modes.c_ispeed);
    recap_put_number(arena, record, "output_speed", modes.c_ospeed);
    record = recap_put_record(arena, into, "window");
    recap_put_number(arena, record, "rows", window.ws_row);
    recap_put_number(arena, record, "columns", window.ws_col);
    recap_put_number(arena, record, "width", window.ws_xpixel);
    recap_put_number(arena, record, "height", window.ws_ypixel);
    return 0;
}

static bool get_flags(const struct recap_value *record, const char *name, tcflag_t *flags)
{
    uint64_t value;
    if (recap_get_hex(record, name, &value) < 0 || value > UINT32_MAX)
        return false;
    *flags = (tcflag_t)value;
    return true;
}

static bool get_short(const struct recap_value *record, const char *name, unsigned short *number)
{
    int64_t value;
    if (recap_get_number(record, name, &value) < 0 || value < 0 || value > UINT16_MAX)
        return false;
    *number = (unsigned short)value;
    return true;
}

static bool get_modes(const struct recap_value *record, struct termios2 *modes)
{
    const void *characters;
    size_t length;
    int64_t discipline;
    if (!get_flags(record, "input", &modes->c_iflag) ||
        !get_flags(record, "output", &modes->c_oflag) ||
        !get_flags(record, "control", &modes->c_cflag) ||
        !get_flags(record, "local", &modes->c_lflag) ||
        !get_flags(record, "input_speed", &modes->c_ispeed) ||
        !get_flags(record, "output_speed", &modes->c_ospeed) ||
        recap_get_number(record, "discipline", &discipline) < 0 || discipline < 0 ||
        discipline > UINT8_MAX || recap_get_bytes(record, "characters", &characters, &length) < 0 ||
        length != sizeof modes->c_cc)
        return false;
    modes->c_line = (cc_t)discipline;
    memcpy(modes->c_cc, characters, length);
    return true;
}

int linux_terminal_settings_set(int fd, const struct recap_object *object,
                                const struct recap_value *from, bool window,
                                struct recap_error *error)
{
    const struct recap_value *record = recap_member(from, "window");
    struct termios2 modes = {0};
    struct winsize size;
    if (!get_modes(recap_member(from, "modes"), &modes) ||
        !get_short(record, "rows", &size.ws_row) || !get_short(record, "columns", &size.ws_col) ||
        !get_short(record, "width", &size.ws_xpixel) ||
        !get_short(record, "height", &size.ws_ypixel))
        return linux_state_damaged(object, "modes", error);
    if (ioctl(fd, TCSETS2, &modes) < 0 || (window && ioctl(fd, TIOCSWINSZ, &size) < 0))
        return recap_fail(error, -errno, "applying the settings of a terminal");
    return 0;
}
