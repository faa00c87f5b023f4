"""What a fault may not change: the target and everything around it, as /proc shows them."""

import os
import re
import shutil
import signal
import struct
import subprocess
import time

PATIENCE = 20  # seconds until something that has to happen counts as missing


class Finding(Exception):
    """Something that a fault changed and must not have changed."""


def read(path):
    try:
        with open(path, errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""


def awaited(condition, what):
    """What `condition` returns, once that is true."""
    end = time.monotonic() + PATIENCE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Finding(what() if callable(what) else what)
        time.sleep(0.001)


# --- the target ------------------------------------------------------------------------------------


STATUS = re.compile(r"^(?:Umask|Uid|Gid|Groups|Threads|SigPnd|ShdPnd|SigBlk|SigIgn|SigCgt|CapInh|"
                    r"CapPrm|CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp|Cpus_allowed|TracerPid):.*$", re.M)
MOVING = re.compile(r"^it_value:.*\n|^ino:.*\n|^mnt_id:.*\n| ino:[0-9a-f]+| sdev:[0-9a-f]+", re.M)
NUMBERED = re.compile(r"(pipe|socket):\[\d+\]")


def stopped(pid):
    """Whether a thread of the process stands still or is traced."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        status = read(f"/proc/{pid}/task/{thread}/status")
        if re.search(r"^State:\s[tT]|^TracerPid:\s[1-9]", status, re.M):
            return True
    return False


def snapshot(pid, same_objects=True):
    """What has to stay as it is, by name. Without `same_objects` it can be that of a restored
    process, which has new pipes and sockets, and an own vDSO."""
    seen = {}
    for fd in os.listdir(f"/proc/{pid}/fd"):
        link = os.readlink(f"/proc/{pid}/fd/{fd}")
        seen[f"selector {fd}"] = link if same_objects else NUMBERED.sub(r"\1", link)
        seen[f"state of selector {fd}"] = MOVING.sub("", read(f"/proc/{pid}/fdinfo/{fd}"))
    for thread in os.listdir(f"/proc/{pid}/task"):
        status = read(f"/proc/{pid}/task/{thread}/status")
        seen[f"status of thread {thread}"] = "\n".join(STATUS.findall(status))
        seen[f"name of thread {thread}"] = read(f"/proc/{pid}/task/{thread}/comm")
        if thread == str(pid):
            seen["children"] = read(f"/proc/{pid}/task/{thread}/children")
    for name in ("cmdline", "environ", "limits", "personality", "timers", "oom_score_adj"):
        seen[name] = read(f"/proc/{pid}/{name}")
    for name in ("cwd", "root", "exe"):
        seen[name] = os.readlink(f"/proc/{pid}/{name}")
    if same_objects:
        seen["memory map"] = read(f"/proc/{pid}/maps")
    return seen


def difference(before, after):
    """The first thing in which two snapshots differ, in words, or None."""
    for name in sorted(set(before) | set(after)):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if old is None or new is None:
            return f"{name} {'is new' if old is None else 'is gone'}: {new or old}"
        gone = [line for line in old.split("\n") if line not in new.split("\n")]
        new = [line for line in new.split("\n") if line not in old.split("\n")]
        return f"{name}: was {gone}, is {new}"
    return None


class Target:
    """A running tests/fault/target.c."""

    def __init__(self, program, folder):
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        self.process = subprocess.Popen([program], cwd=folder, stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                        start_new_session=True)
        self.pid = self.process.pid
        self.address = int(awaited(lambda: read(f"{folder}/pulse"), "the target does not start"), 16)
        self.noticed = (0, 0)
        self.lives(self.pid)
        self.before = snapshot(self.pid)

    def pulse(self, pid):
        with open(f"/proc/{pid}/mem", "rb", 0) as memory:
            memory.seek(self.address)
            found = memory.read(256)
        rounds, spins, sleeps, interrupted, crowded, wrong, what = struct.unpack("6Q208s", found)
        if wrong:
            raise Finding(what.split(b"\0")[0].decode())
        self.noticed = (interrupted, crowded)
        return rounds, spins, sleeps

    def lives(self, pid):
        """Has every thread that can move do so, twice, from now on."""
        try:
            begun = self.pulse(pid)
            awaited(lambda: all(now >= then + 2 for now, then in zip(self.pulse(pid), begun)),
                    lambda: f"a thread of the target stands still: {begun}, {self.pulse(pid)}; "
                            f"{read(f'/proc/{pid}/syscall')}")
        except (OSError, struct.error) as error:
            raise Finding(f"the target does not run: {error}") from None

    def unharmed(self):
        """Nothing of it changed, and it runs on."""
        pid = self.pid
        if self.process.poll() is not None:
            raise Finding(f"the target ended with {self.process.returncode}")
        awaited(lambda: not stopped(pid), "the target is stopped or traced")
        self.lives(pid)
        awaited(lambda: not difference(self.before, snapshot(pid)),
                lambda: difference(self.before, snapshot(pid)) or "the target is being changed")

    def ended(self):
        return self.process.poll() is not None

    def end(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def restored(self, pid):
        """The process `pid` is what the target was."""
        awaited(lambda: not stopped(pid), "the restored process is stopped or traced")
        self.lives(pid)


# --- the rest of the world -------------------------------------------------------------------------


def processes():
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


def reap():
    """Orphans come to process 1, which we are."""
    if os.getpid() == 1:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass


def files(*folders):
    found = set()
    for folder in folders:
        for where, names, others in os.walk(folder):
            found.update(os.path.join(where, name) for name in names + others)
    return found


PLACES = []  # beside those of the test itself, where nobody else leaves files


def surroundings(*folders):
    """What a failed restore may not leave behind, by name."""
    sockets = [line.split()[6:] for line in read("/proc/net/unix").split("\n")[1:]]
    return {
        "files": "\n".join(sorted(files(*folders, *PLACES))),
        "mounts": read("/proc/self/mountinfo"),
        "sockets": "\n".join(map(str, sorted(sockets))) + read("/proc/net/tcp") + read("/proc/net/udp"),
        "shared memory": read("/proc/sysvipc/shm"),
    }


def leftovers(known, patience=PATIENCE):
    """Processes beside `known`, once those that are about to end have done so; as text."""
    def others():
        reap()
        return processes() - known
    end = time.monotonic() + patience
    while others() and time.monotonic() < end:
        time.sleep(0.001)
    return " ".join(f"{pid} ({read(f'/proc/{pid}/comm').strip()})" for pid in sorted(others()))


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
