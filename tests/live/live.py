"""What the live tests share: a machine of their own, and the recap command in it.

As root a test moves into PID, network and mount namespaces of its own, so that process ids and
ports are its alone and nothing outlives it. With --as user it then becomes an ordinary user; a test
that an ordinary user starts runs as that user, without namespaces.
"""
import argparse
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
# One that every user can run: another may lie in somebody's home.
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
ORDINARY_USER = 65534  # Debian's nobody
PR_SET_CHILD_SUBREAPER = 36


# A sanitized recap would look for leaks by tracing itself at its end, which cannot work from a PID
# namespace that it is not in. The unit tests look for leaks.
os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=0")


class Wrong(Exception):
    """What the test found."""


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


def parser(description):
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--recap", required=True, help="the recap command")
    arguments.add_argument("--as", dest="who", choices=["root", "user"], default="root")
    arguments.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    arguments.add_argument("--keep", action="store_true", help="keep the test's folder")
    return arguments


def loopback_up():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anywhere:
        request = struct.pack("16sh14x", b"lo", 0x41)  # IFF_UP | IFF_RUNNING
        fcntl.ioctl(anywhere, 0x8914, request)  # SIOCSIFFLAGS


def own_terminals():
    """Numbers of pseudo-terminals that no other test takes between a checkpoint and its restore."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"devpts", b"/dev/pts", b"devpts", 0, b"mode=0620,ptmxmode=0666") < 0:
        raise OSError(ctypes.get_errno(), "mounting pseudo-terminals of the test's own")


def read_arguments():
    """Mode and content of the files that the command line names: an ordinary user may not reach
    them, as the build may be in a private home."""
    files = {}
    for word in sys.argv[1:]:
        if os.path.isfile(word):
            with open(word, "rb") as file:
                files[os.path.abspath(word)] = (os.fstat(file.fileno()).st_mode, file.read())
    return files


def enter(options):
    """Moves the test into its namespaces, by running it again, and makes it the right user. The
    files that the command line names, read."""
    files = read_arguments()
    if options.inside:
        loopback_up()
        own_terminals()
        if options.who == "user":
            os.setgroups([])
            os.setresgid(*[ORDINARY_USER] * 3)
            os.setresuid(*[ORDINARY_USER] * 3)
            # Changing users makes a process undumpable, and so its /proc files root's.
            ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
    elif os.geteuid() == 0:
        command = ["unshare", "--fork", "--pid", "--net", "--mount-proc", "--kill-child", "--"]
        os.execvp(command[0], command + [PYTHON] + sys.argv + ["--inside"])
    elif options.who == "root":
        skip("this is not root")
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    return files


class Live:
    """A folder, the recap command in it, and the processes that the test has started."""

    def __init__(self, options):
        self.files = enter(options)
        self.keep = options.keep
        self.folder = tempfile.mkdtemp(prefix="recap-live-")
        # Where the test was started may be out of reach for what it starts.
        self.origin = os.getcwd()
        os.chdir(self.folder)
        self.recap_program = self.bring(options.recap)
        self.started = set()
        self.images = 0

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for pid in self.started:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        left = [] if kind else self.left_over()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        if kind and issubclass(kind, Wrong):
            print(f"wrong: {value}")
            sys.exit(1)
        if left:
            print(f"wrong: processes are left over: {left}")
            sys.exit(1)
        return False

    def bring(self, program, name=None):
        """A copy of a program in the test's folder, where every user can run it."""
        mode, content = self.named(program)
        copy = self.path(name or os.path.basename(program))
        with open(copy, "wb") as file:
            file.write(content)
        os.chmod(copy, mode & 0o777)
        return copy

    def named(self, path):
        """Mode and content of a file that the command line names."""
        return self.files[os.path.normpath(os.path.join(self.origin, path))]

    def bring_text(self, name, content):
        """A file in the test's folder that every user can read."""
        with open(self.path(name), "w") as file:
            file.write(content)
        os.chmod(self.path(name), 0o644)

    def path(self, name):
        return os.path.join(self.folder, name)

    def text(self, name):
        """What a file in the test's folder says; nothing while it is not there."""
        try:
            with open(self.path(name)) as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def remove(self, name):
        if os.path.exists(self.path(name)):
            os.unlink(self.path(name))

    def left_over(self):
        """Processes of the test's own PID namespace that have not ended after a moment."""
        if os.getpid() != 1:
            return []
        deadline = time.monotonic() + 5
        while True:
            self.reap()
            left = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if pid != 1]
            if not left or time.monotonic() > deadline:
                return [f"{pid} {command_line(pid)}" for pid in left]
            time.sleep(0.01)

    def reap(self):
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.started.discard(pid)

    def run(self, *arguments, status=0, timeout=60, **more):
        """Runs recap; its output as text. Another exit status than `status` is wrong."""
        result = self.result(*arguments, timeout=timeout, **more)
        if result.returncode != status:
            raise Wrong(f"recap {' '.join(map(str, arguments))}: exit status {result.returncode} "
                        f"instead of {status}\n{result.stdout}{result.stderr}")
        return result.stdout if status == 0 else result.stdout + result.stderr

    def result(self, *arguments, timeout=60, **more):
        """The same, where every exit status is an answer."""
        more.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run([self.recap_program, *map(str, arguments)], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
                              **more)

    def start(self, command, pass_fds=(), **more):
        """Starts a program as a session of its own, with nothing open but the standard three."""
        for stream in ("stdin", "stdout", "stderr"):
            more.setdefault(stream, subprocess.DEVNULL)
        process = subprocess.Popen(command, start_new_session=True, pass_fds=pass_fds, **more)
        self.started.add(process.pid)
        return process.pid

    def start_sleeper(self, **more):
        """A program that sleeps, once it does."""
        pid = self.start(["sleep", "100000"], **more)
        wait_for(lambda: state(pid) == "S", "a program does not start")
        return pid

    def start_core(self, *options, name="core", **more):
        """A core that listens on a socket in the test's folder. Its address."""
        path = self.path(name)
        command = [self.recap_program, "core", "--listen", f"unix:{path}", *map(str, options)]
        self.core = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                     **more)
        self.started.add(self.core.pid)
        wait_for(lambda: answers(path), "core does not listen")
        return f"unix:{path}"

    def space(self, pid):
        """The capability space as far as it has to be the same after a restore: badges number
        objects in the order in which they appear."""
        caps = json.loads(self.run("caps", "--json", pid))["capabilities"]
        return [(c["selector"], c["kind"], c["rights"], c["close_on_exec"], c["badge"])
                for c in caps]

    def checkpoint(self, pid, *options, **more):
        """Checkpoints a process, which has to be gone then. The image."""
        self.images += 1
        image = self.path(f"image-{self.images}")
        self.run("checkpoint", *options, "-o", image, pid, **more)
        self.wait_gone(pid)
        return image

    def restore(self, image, *options, **more):
        """Restores an image in the background and verifies it. The process id."""
        pidfile = self.path("pidfile")
        self.run("restore", "--detach", "--pidfile", pidfile, *options, image, **more)
        with open(pidfile) as file:
            pid = int(file.read())
        self.started.add(pid)
        self.run("verify", image, pid)
        return pid

    def wait_gone(self, pid, seconds=10):
        """Until nothing of it is left, not even its id, which a restore may want."""
        wait_for(lambda: self.reap() or not os.path.exists(f"/proc/{pid}"),
                 f"process {pid} has not ended", seconds)


def answers(path):
    """Whether somebody listens there: the name of a socket is there before it can be connected to."""
    with socket.socket(socket.AF_UNIX) as client:
        return client.connect_ex(path) == 0


def command_line(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def state(pid):
    """The letter that /proc has for it, "X" if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rsplit(b")", 1)[1].split()[0].decode()
    except OSError:
        return "X"


def alive(pid):
    """Whether a process exists and is no zombie: its first thread may have ended before others."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return False
    return any(state(f"{pid}/task/{thread}") not in ("Z", "X") for thread in threads)


def wait_for(condition, otherwise, seconds=10):
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Wrong(otherwise)
        time.sleep(0.005)


def compare_spaces(before, after):
    if before != after:
        raise Wrong("the capability space differs:\n  before " +
                    "\n         ".join(map(str, before)) + "\n  after  " +
                    "\n         ".join(map(str, after)))
