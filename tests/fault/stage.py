"""Where faults are played: programs, a running target and its images, in namespaces of their own."""

import argparse
import ctypes
import os
import shutil
import subprocess
import sys
import tempfile

import world
from world import Finding, Target

SKIPPED = 77
# One that every user can run: another may lie in somebody's home.
PYTHON = "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable
ORDINARY_USER = 65534  # Debian's nobody


class Stage:
    """A folder with the programs, a running target and its images."""

    def __init__(self, recap, stepper, program, folder):
        self.recap, self.stepper, self.program, self.folder = recap, stepper, program, folder
        self.home = f"{folder}/home"
        self.images = f"{folder}/images"
        self.image = f"{self.images}/image"
        self.call = f"{folder}/call"
        self.said = f"{folder}/said"
        os.makedirs(self.images)
        self.target = Target(program, self.home)
        self.noticed = (0, 0)
        self.known = {os.getpid(), self.target.pid}

    def step(self, action, number, *command):
        """Runs the command with the fault. Returns its exit code and what it said on standard
        error; self.met is the call concerned, or empty."""
        if os.path.exists(self.call):
            os.unlink(self.call)
        with open(self.said, "w") as said:
            run = subprocess.Popen([self.stepper, "-t", "-o", self.call, action, str(number), "--",
                                    self.recap, *command], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=said)
        try:
            code = run.wait(timeout=world.PATIENCE)
        except subprocess.TimeoutExpired:
            children = world.read(f"/proc/{run.pid}/task/{run.pid}/children").split()
            where = ", ".join(world.read(f"/proc/{child}/syscall").strip() for child in children)
            run.kill()
            run.wait()
            code = None
        self.met = world.read(self.call).strip()
        if code is None:
            raise Finding(f"hangs (in system call {where})")
        return code, world.read(self.said).strip()

    def plain(self, *command):
        run = subprocess.run([self.recap, *command], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60)
        if run.returncode != 0:
            raise Finding(f"recap {' '.join(command)} exits with {run.returncode}: {run.stderr}")

    # --- images ---

    def stale(self):
        return [name for name in os.listdir(self.images) if name != "image"]

    def take_image_away(self):
        shutil.rmtree(self.image, ignore_errors=True)

    def restores(self):
        """The image is whole: what it restores to, in a PID namespace, is the target."""
        # As an ordinary user, recap itself makes a PID namespace.
        apart = ["unshare", "--fork", "--pid", "--mount-proc", "--kill-child"]
        guard = subprocess.Popen([*(apart if os.geteuid() == 0 else ()), self.recap, "restore",
                                  self.image], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            def found():
                if guard.poll() is not None:
                    raise Finding(f"the image does not restore: {guard.stderr.read().strip()}")
                return [pid for pid in world.processes() if pid not in (os.getpid(), self.target.pid)
                        and world.read(f"/proc/{pid}/comm").strip() == "fault-target"
                        and not world.stopped(pid)]
            pid = world.awaited(found, "the image does not restore")[0]
            self.target.restored(pid)
            world.kill(pid)
            guard.wait(timeout=world.PATIENCE)
        finally:
            guard.kill()
            guard.wait()
        left = world.leftovers(self.known)
        if left:
            raise Finding(f"processes are left: {left}")

    # --- the target ---

    def renew(self):
        self.target.end()
        self.target = Target(self.program, self.home)
        self.noticed = (0, 0)
        self.known = {os.getpid(), self.target.pid}

    def not_noticed(self, action):
        """When recap is killed or loses the target's first thread, all threads go on at once, and
        for microseconds the others can see a descriptor that the first has yet to close; nothing
        else."""
        before, self.noticed = self.noticed, self.target.noticed
        if self.noticed[0] != before[0]:
            raise Finding("a sleep of the target was interrupted")
        if self.noticed[1] != before[1] and action == "fail" and " ptrace(" not in self.met:
            raise Finding("the target saw a descriptor that is not its own")

    def restored_processes(self, expected):
        """Processes that came about, once those that are about to end have done so."""
        if not expected:
            world.leftovers(self.known, patience=2)  # one may well have come to stay
        world.reap()
        return [pid for pid in sorted(world.processes() - self.known)
                if world.read(f"/proc/{pid}/comm").strip() == "fault-target"]

    def recover(self):
        """Makes everything ready for the next fault, whatever the last one left."""
        for pid in world.processes() - {os.getpid(), self.target.pid}:
            world.kill(pid)
        world.leftovers(self.known)
        for name in os.listdir(self.images):
            if name != "image" or self.target.pid in self.known:
                shutil.rmtree(f"{self.images}/{name}", ignore_errors=True)
        if self.target.pid in self.known:
            self.renew()

    def end(self):
        self.target.end()
        shutil.rmtree(self.folder, ignore_errors=True)


def arguments_of(description):
    arguments = argparse.ArgumentParser(description=description)
    for program in ("recap", "stepper", "target"):
        arguments.add_argument(f"--{program}", required=True, help=f"the program \"{program}\"")
    arguments.add_argument("--as", dest="who", choices=["root", "user"], default="root")
    arguments.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    return arguments


def enter(options):
    """Starts over in namespaces of our own, and there becomes the right user."""
    root = os.geteuid() == 0
    if options.inside:
        if root:
            # What others do there is no business of ours.
            subprocess.run(["mount", "-t", "tmpfs", "recap-faults", "/dev/shm"], check=True)
            world.PLACES.append("/dev/shm")
        if options.who == "user" and root:
            os.setgroups([])
            os.setresgid(*[ORDINARY_USER] * 3)
            os.setresuid(*[ORDINARY_USER] * 3)
            # Changing users makes a process undumpable, and so its /proc files root's.
            ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)
        return
    if options.who == "root" and not root:
        print("skipped: this is not root")
        sys.exit(SKIPPED)
    user = [] if root else ["--user", "--map-current-user"]
    os.execvp("unshare", ["unshare", *user, "--fork", "--pid", "--mount-proc", "--net", "--ipc",
                          "--kill-child", "--", PYTHON, os.path.abspath(sys.argv[0]), "--inside",
                          *sys.argv[1:]])


def stage_for(options, kind=Stage):
    """A stage for a test with these arguments, which starts over in namespaces of its own first."""
    enter(options)
    folder = tempfile.mkdtemp(prefix="recap-faults-")
    # Copied to where an ordinary user can run them: the build may be in a private home.
    return kind(*[shutil.copy(program, folder)
                  for program in (options.recap, options.stepper, options.target)], folder)
