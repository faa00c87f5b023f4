"""A GNU Mach machine in an emulator, with a core to which the recap command can talk.

The kernel and the emulator are Debian packages; the guests' programs come from the build. Whoever
lacks one of them skips the tests.
"""
import argparse
import ctypes
import glob
import gzip
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

SKIPPED = 77
EMULATOR = "qemu-system-i386"
KERNELS = "/boot/gnumach-*-486.gz"
# What it takes an idle computer is a second or two.
BOOT_SECONDS = 60
COMMAND_SECONDS = 120


class Wrong(Exception):
    """What the test found."""


def require(condition, otherwise):
    if not condition:
        raise Wrong(otherwise)


def wait_for(condition, otherwise, seconds=30):
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        require(time.monotonic() < deadline, otherwise() if callable(otherwise) else otherwise)
        time.sleep(0.05)


def parser(description):
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("--recap", required=True, help="the recap command")
    arguments.add_argument("--guests", required=True, help="the folder with the guests' programs")
    arguments.add_argument("--keep", action="store_true", help="keep the test's folder")
    return arguments


def missing(guests):
    """Why there can be no machine, or None."""
    if not shutil.which(EMULATOR):
        return f"there is no {EMULATOR} (package qemu-system-x86)"
    if not glob.glob(KERNELS):
        return f"there is no {KERNELS} (package gnumach-image-1.8-486:i386)"
    if not os.path.exists(os.path.join(guests, "core.elf")):
        return f"the guests' programs were not built in {guests}"
    return None


def end_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL, 0, 0, 0)  # PR_SET_PDEATHSIG


class Component:
    """A program of the guest as a boot module: `words` go on its command line."""

    def __init__(self, program, name=None, words=()):
        self.program = program
        self.name = name or program
        self.words = words

    def module(self):
        words = [f"{self.program}.elf", self.name, *self.words, f"$({self.name}-task=task-create)",
                 "$(task-resume)"]
        return " ".join(words)


COUNTER, HOLDER, THREADS, SERVER = map(Component, ("counter", "holder", "threads", "server"))
CLIENT = Component("client", words=["${server-task}"])


class Machine:
    """One boot: its components are PDs 1, 2, ... in their order."""

    boots = 0

    def __init__(self, workshop, components):
        Machine.boots += 1
        self.workshop = workshop
        self.console_file = workshop.path(f"console-{Machine.boots}")
        self.socket = workshop.path(f"line-{Machine.boots}")
        self.ids = {component.name: number for number, component in enumerate(components, 1)}
        core = ["core.elf", "$(core-task=task-create)", "host=${host-port}",
                "device=${device-port}", "kernel=${kernel-task}",
                *(f"{name}=${{{name}-task}}" for name in self.ids), "$(task-resume)"]
        modules = [" ".join(core), *(component.module() for component in components)]
        self.emulator = subprocess.Popen(
            [EMULATOR, "-m", "128", "-display", "none", "-no-reboot", "-monitor", "none",
             "-nic", "none", "-kernel", workshop.kernel, "-append", "console=com0",
             "-initrd", ",".join(modules), "-serial", f"file:{self.console_file}",
             "-serial", f"unix:{self.socket},server=on,wait=off"],
            cwd=workshop.guests, stdin=subprocess.DEVNULL, preexec_fn=end_with_parent)
        workshop.machines.append(self)
        wait_for(lambda: "core: ready" in self.console(),
                 lambda: f"the machine does not start:\n{self.console()[-1000:]}", BOOT_SECONDS)

    def console(self):
        require(self.emulator.poll() is None, "the emulator has ended")
        try:
            with open(self.console_file, encoding="latin-1") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def counts(self, name):
        """All numbers that the component has said. The kernel begins a line for each component that
        it starts, and ends none."""
        console = self.console()
        wrong = re.search(r"^.*WRONG.*$", console, re.M)
        require(not wrong, f"a component says: {wrong and wrong.group()}")
        return [int(number) for number in re.findall(rf"(?:^|: ){name}: (\d+)\r?$", console, re.M)]

    def count(self, name):
        """How far the component has counted; None if it has not said yet."""
        return (self.counts(name) or [None])[-1]

    def power_off(self):
        """At once, as when the plug is pulled."""
        if self.emulator.poll() is None:
            self.emulator.kill()
        self.emulator.wait()

    # --- the recap command ---

    @property
    def command(self):
        return [self.workshop.recap, "--core", f"unix:{self.socket}"]

    def run(self, *arguments, status=0, seconds=COMMAND_SECONDS):
        """Runs recap on this machine; its output. Another exit status than `status` is wrong."""
        command = [*self.command, *map(str, arguments)]
        result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, timeout=seconds)
        require(result.returncode == status,
                f"{' '.join(command)}: exit status {result.returncode} instead of {status}\n"
                f"{result.stdout}{result.stderr}")
        return result.stdout if status == 0 else result.stdout + result.stderr

    def space(self, pd):
        """selector -> what is there. Badges number objects in the order in which they appear."""
        told = json.loads(self.run("caps", "--json", pd))["capabilities"]
        return {cap["selector"]: cap for cap in told}

    def listed(self):
        return {entry["pd"]: entry["name"] for entry in json.loads(self.run("ls", "--json"))["pds"]}

    def goes_on(self, name, beyond, rounds=3):
        """The component counts on from `beyond`, without leaving a number out."""
        counts = wait_for(lambda: len(self.counts(name)) >= rounds and self.counts(name),
                          lambda: f"{name} does not count on from {beyond}:\n"
                          f"{self.console()[-500:]}", 60)
        # The last count before may be said again: the console is no part of what was saved.
        require(counts[0] in (beyond, beyond + 1), f"{name} counts {counts[0]} after {beyond}")
        require(counts == list(range(counts[0], counts[0] + len(counts))),
                f"{name} does not count in steps of one: {counts}")


class Workshop:
    """A folder, and the machines that were started in it: all are off in the end."""

    def __init__(self, options):
        reason = missing(options.guests)
        if reason:
            print(f"skipped: {reason}")
            sys.exit(SKIPPED)
        self.recap = os.path.abspath(options.recap)
        self.guests = os.path.abspath(options.guests)
        self.keep = options.keep
        self.machines = []
        self.folder = tempfile.mkdtemp(prefix="recap-mach-")
        self.kernel = self.path("gnumach")
        with gzip.open(sorted(glob.glob(KERNELS))[-1]) as packed, open(self.kernel, "wb") as kernel:
            shutil.copyfileobj(packed, kernel)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        for machine in self.machines:
            machine.power_off()
        if self.keep:
            print(f"kept: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)
        if kind and issubclass(kind, (Wrong, subprocess.TimeoutExpired)):
            print(f"wrong: {value}")
            sys.exit(1)
        return False

    def path(self, name):
        return os.path.join(self.folder, name)

    def boot(self, *components):
        return Machine(self, components)


def without_labels(space):
    """What has to be the same after a restore: labels are for people and may tell passing things."""
    return {selector: {what: cap[what] for what in cap if what != "refers_to"}
            for selector, cap in space.items()}


def compare_spaces(before, after):
    before, after = without_labels(before), without_labels(after)
    differing = [f"  selector {selector}: {before.get(selector)}\n    and now: {after.get(selector)}"
                 for selector in sorted({*before, *after})
                 if before.get(selector) != after.get(selector)]
    require(not differing, "the capability space differs:\n" + "\n".join(differing))
