"""Lets recap find a kernel that is older than this one: a seccomp filter takes calls away from it."""
import ctypes
import errno
import struct

SYS_IOCTL = 16
PAGEMAP_SCAN = 0xC0606610  # Linux 6.7
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, FAIL = 0x7FFF0000, 0x00050000
NUMBER, SECOND = 0, 24  # where struct seccomp_data has them


def lack(request):
    """An ioctl fails as one that nobody knows, in this process and those that come of it."""
    program = b"".join(struct.pack("HBBI", *line) for line in (
        (LOAD, 0, 0, NUMBER), (EQUAL, 0, 3, SYS_IOCTL),
        (LOAD, 0, 0, SECOND), (EQUAL, 0, 1, request),
        (RETURN, 0, 0, FAIL | errno.ENOTTY), (RETURN, 0, 0, ALLOW)))
    code = ctypes.create_string_buffer(program, len(program))
    prog = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or \
            libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, prog, 0, 0):
        raise OSError(ctypes.get_errno(), "a seccomp filter")
