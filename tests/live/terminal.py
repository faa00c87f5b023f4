"""A pseudo-terminal for a live test."""
import fcntl
import os
import select
import struct
import subprocess
import termios
import time

from live import Wrong


class Terminal:
    """A pseudo-terminal on which a program runs as leader of a session, and what it has printed."""

    def __init__(self, live, command, size=(24, 80)):
        self.master, slave = os.openpty()
        self.resize(*size)
        self.printed = ""
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env=dict(os.environ, TERM="dumb", PS1="prompt> ", HISTFILE="/dev/null"))
        live.started.add(self.process.pid)
        os.close(slave)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def read(self):
        while select.select([self.master], [], [], 0)[0]:
            try:
                more = os.read(self.master, 65536)
            except OSError:
                return
            if not more:
                return
            self.printed += more.decode(errors="replace")

    def wait(self, text, seconds=10):
        deadline = time.monotonic() + seconds
        while text not in self.printed:
            self.read()
            if time.monotonic() > deadline:
                raise Wrong(f"the terminal does not show {text!r} but {self.printed!r}")
            time.sleep(0.005)
        self.printed = self.printed.split(text, 1)[1]

    def type(self, line):
        os.write(self.master, line.encode())
