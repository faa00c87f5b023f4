/* tar.c: headers of tar archives. */
#include "image/tar.h"

#include <stdio.h>
#include <string.h>

struct header {
    char name[100];
    char mode[8];
    char user[8];
    char group[8];
    char size[12];
    char time[12];
    char checksum[8];
    char type;
    char link[100];
    char magic[6];
    char version[2];
    char user_name[32];
    char group_name[32];
    char major[8];
    char minor[8];
    char prefix[155];
    char padding[12];
};
_Static_assert(sizeof(struct header) == TAR_BLOCK, "a header is one block");

/* The sum of all bytes, those of the checksum itself counted as spaces. */
static unsigned sum(const unsigned char *block)
{
    unsigned total = 0;
    for (size_t i = 0; i < TAR_BLOCK; i++) {
        bool own = i >= offsetof(struct header, checksum) &&
                   i < offsetof(struct header, checksum) + sizeof(((struct header *)0)->checksum);
        total += own ? ' ' : block[i];
    }
    return total;
}

static void put_octal(char *field, size_t size, uint64_t value)
{
    for (size_t i = size - 1; i--; value >>= 3)
        field[i] = (char)('0' + (value & 7));
    field[size - 1] = '\0';
}

static void put_size(char *field, size_t size, uint64_t value)
{
    if (value < (uint64_t)1 << 3 * (size - 1)) {
        put_octal(field, size, value);
        return;
    }
    for (size_t i = size; i--; value >>= 8)
        field[i] = (char)(value & 0xff);
    field[0] = (char)0x80;
}

/* Octal digits with spaces before and a space or NUL behind, or base 256. */
static bool get_size(const char *field, size_t size, uint64_t *value)
{
    uint64_t result = 0;
    size_t i = 0;
    if ((unsigned char)field[0] == 0x80) {
        for (i = 1; i < size; i++) {
            if (result >> 56)
                return false;
            result = result << 8 | (unsigned char)field[i];
        }
        *value = result;
        return result <= INT64_MAX;
    }
    while (i < size && field[i] == ' ')
        i++;
    if (i == size || field[i] < '0' || field[i] > '7')
        return false;
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++)
        result = result << 3 | (uint64_t)(field[i] - '0');
    for (; i < size; i++)
        if (field[i] != ' ' && field[i] != '\0')
            return false;
    *value = result;
    return true;
}

void tar_header(const struct tar_entry *entry, int64_t time, unsigned char block[TAR_BLOCK])
{
    struct header header;
    memset(&header, 0, sizeof header);
    snprintf(header.name, sizeof header.name, "%.98s%s", entry->name, entry->directory ? "/" : "");
    put_octal(header.mode, sizeof header.mode, entry->directory ? 0700 : 0600);
    put_octal(header.user, sizeof header.user, 0);
    put_octal(header.group, sizeof header.group, 0);
    put_size(header.size, sizeof header.size, entry->size);
    put_size(header.time, sizeof header.time, time > 0 ? (uint64_t)time : 0);
    header.type = entry->directory ? '5' : '0';
    memcpy(header.magic, "ustar", 6);
    memcpy(header.version, "00", 2);
    memcpy(block, &header, sizeof header);
    put_octal(header.checksum, 7, sum(block));
    header.checksum[7] = ' ';
    memcpy(block, &header, sizeof header);
}

bool tar_parse(const unsigned char block[TAR_BLOCK], struct tar_entry *entry)
{
    struct header header;
    uint64_t checksum, size;
    memcpy(&header, block, sizeof header);
    if (!get_size(header.checksum, sizeof header.checksum, &checksum) || checksum != sum(block) ||
        memcmp(header.magic, "ustar", 5) != 0 || !get_size(header.size, sizeof header.size, &size))
        return false;
    if (header.type != '0' && header.type != '\0' && header.type != '5')
        return false;
    /* GNU tar's own format has other things where POSIX has the prefix. */
    bool posix = header.magic[5] == '\0';
    int prefix = posix ? (int)strnlen(header.prefix, sizeof header.prefix) : 0;
    int length = snprintf(entry->name, sizeof entry->name, "%.*s%s%.*s", prefix, header.prefix,
                          prefix ? "/" : "", (int)sizeof header.name, header.name);
    if (length < 0 || (size_t)length >= sizeof entry->name)
        return false;
    entry->directory = header.type == '5';
    entry->size = entry->directory ? 0 : size;
    while (strncmp(entry->name, "./", 2) == 0)
        memmove(entry->name, entry->name + 2, strlen(entry->name + 2) + 1);
    size_t end = strlen(entry->name);
    if (entry->directory && end && entry->name[end - 1] == '/')
        entry->name[end - 1] = '\0';
    return true;
}

size_t tar_padding(uint64_t size)
{
    return (size_t)((TAR_BLOCK - size % TAR_BLOCK) % TAR_BLOCK);
}
