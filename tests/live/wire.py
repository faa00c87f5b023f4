"""A client of core that speaks for itself, as recap-protocol(7) says, and says what recap would not.
"""
import socket
import struct
import zlib

MARK = b"\xf5Rcp"
HELLO, BYE, LIST, NAME, OPEN, CLOSE, EXAMINE, SUSPEND, RESUME = range(1, 10)
REQUEST, INSTALL, REMOVE, DESCRIBE, LABEL = range(11, 16)
BIND, LOCAL = 18, 19
DONE, ERROR = 128, 129


def number(value):
    out = bytearray()
    while True:
        out.append(value & 0x7F | (0x80 if value > 0x7F else 0))
        value >>= 7
        if not value:
            return bytes(out)


def text(value):
    return number(len(value) + 1) + value.encode()


def frame(kind, request, payload, flags=0):
    header = MARK + struct.pack("<BBHIII", kind, flags, 0, request, len(payload),
                                zlib.crc32(payload))
    return header + struct.pack("<I", zlib.crc32(header)) + payload


class Client:
    def __init__(self, address, hello=True):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(address.removeprefix("unix:"))
        self.request = 0
        self.last = b""
        if hello:
            assert self.ask(HELLO, 1, 65536) == 0

    def send(self, data):
        self.socket.sendall(data)

    def receive(self, size):
        data = b""
        while len(data) < size:
            part = self.socket.recv(size - len(data))
            if not part:
                raise EOFError("core is gone")
            data += part
        return data

    def answer(self):
        """Type and payload of the next message."""
        whole = b""
        while True:
            header = self.receive(24)
            kind, flags, _, _, length, _ = struct.unpack("<BBHIII", header[4:20])
            whole += self.receive(length)
            if not flags & 1:
                return kind, whole

    def ask(self, kind, *arguments):
        """0, or the errno of the answer; self.last is its payload."""
        self.request += 1
        self.send(frame(kind, self.request, b"".join(
            a if isinstance(a, bytes) else number(a) for a in arguments)))
        kind, self.last = self.answer()
        if kind == DONE:
            return 0
        return (self.number() + 1) // 2

    def number(self):
        """Takes the first number off self.last."""
        value = shift = 0
        for place, byte in enumerate(self.last):
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                self.last = self.last[place + 1:]
                return value
        raise ValueError("no number")

    def open(self, pid):
        """Core's number for the PD."""
        result = self.ask(OPEN, pid)
        return -result if result else self.number()

    def close(self):
        self.socket.close()
