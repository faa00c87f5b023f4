"""Trying remedies: programs that recap refuses, the words that it has to say, and what they were for.
"""
import os
import re
import shutil
import signal

from live import ORDINARY_USER, PYTHON, Wrong, wait_for

WAIT = """
import time
told = open(f"{folder}/ready.part", "w")
if not full: told.close()
os.rename(f"{folder}/ready.part", f"{folder}/ready")
while True: time.sleep(1)
"""


class Tries:
    def __init__(self, live):
        self.live = live
        self.count = 0

    def program(self, text="", **more):
        """A Python program that has done that and waits. Its process id."""
        self.live.remove("open/ready")
        start = "import ctypes, os, resource, socket\n"
        start += f"full, folder = False, {self.live.path('open')!r}\n"
        text = start + text + WAIT
        pid = self.live.start([PYTHON, "-c", text], **more)
        wait_for(lambda: os.path.exists(self.live.path("open/ready")), "the program does not start")
        return pid

    def told(self, words, *arguments, **more):
        """The command fails and names that remedy. What it says."""
        return self.named(words, self.live.result(*arguments, **more))

    def named(self, words, result):
        said = result.stdout + result.stderr
        if not result.returncode or f"; {words}" not in said:
            raise Wrong(f"{' '.join(map(str, result.args))}: exit status {result.returncode}, "
                        f"and not told \"{words}\":\n{said}")
        self.count += 1
        return said

    def passes(self, pid, **more):
        """Nothing is refused any more."""
        self.live.run("checkpoint", "--dry-run", pid, **more)

    def end(self, pid):
        os.kill(pid, signal.SIGKILL)
        self.live.wait_gone(pid)

    def comes_back(self, image, *options, **more):
        """What the remedy was for."""
        result = self.live.result("restore", "--detach", *options, image, **more)
        restored = re.search(r"process (\d+) \(.*\) restored", result.stdout + result.stderr)
        if result.returncode or not restored:
            raise Wrong(f"what {options} was told to mend fails:\n{result.stdout}{result.stderr}")
        pid = int(restored[1])
        self.live.started.add(pid)
        self.end(pid)


def user(number=ORDINARY_USER, group=None):
    """How a process of another user is started."""
    return {"user": number, "group": group or number, "extra_groups": []}


def copy_for(live, image, number):
    """The image as that user's own."""
    copy = live.path(f"of-{number}")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(image, copy)
    for name in ("", *os.listdir(copy)):
        os.chown(os.path.join(copy, name), number, number)
    return copy
