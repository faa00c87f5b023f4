/* errno.h: for guests without a libc: Linux's numbers, which are those on the wire. */
#ifndef RECAP_CORE_LIBC_ERRNO_H
#define RECAP_CORE_LIBC_ERRNO_H

enum {
    EPERM = 1,
    ENOENT = 2,
    ESRCH = 3,
    EINTR = 4,
    EIO = 5,
    E2BIG = 7,
    ENOEXEC = 8,
    EBADF = 9,
    EAGAIN = 11,
    ENOMEM = 12,
    EACCES = 13,
    EFAULT = 14,
    EBUSY = 16,
    EEXIST = 17,
    ENODEV = 19,
    EINVAL = 22,
    EMFILE = 24,
    EFBIG = 27,
    ENOSPC = 28,
    EPIPE = 32,
    ERANGE = 34,
    ENOSYS = 38,
    EBADMSG = 74,
    EOVERFLOW = 75,
    EPROTO = 71,
    EILSEQ = 84,
    EMSGSIZE = 90,
    EOPNOTSUPP = 95,
    ECONNRESET = 104,
    ETIMEDOUT = 110,
    ESTALE = 116,
};

#endif
