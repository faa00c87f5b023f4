"""What request, install, remove, checkpoint, restore and verify mean, on whatever kernel.

One source for every backend: it speaks through the recap command alone, and learns from a `Backend`
only what a test cannot know by itself: which component to use, a selector that is free, and how far
the component has counted. The component has to count for ever, hold at least two capabilities of
different objects, and end by itself when one of its capabilities is not what it was.
"""
import json
import os
import subprocess
import time


class Wrong(Exception):
    """What the test found."""


class Source:
    """An object that the component can be given a capability for: `spec` is what the install command
    calls it, and `is_at(backend, selector)` tells whether the component has one for it there."""

    def __init__(self, spec, is_at):
        self.spec = spec
        self.is_at = is_at


def own(backend, held):
    """What the component itself holds at another selector."""
    return Source(f"pid:{backend.pd}:{held}",
                  lambda backend, selector: same_object(backend, selector, held))


class Backend:
    """What a kernel's own part of the test gives."""

    recap = None  # the recap command and its global options, as a list
    folder = None  # where images may be
    pd = None  # the id of the component
    name = None  # what it is called
    free = None  # a selector that it does not use and will not use by itself
    restore_options = ()
    checkpoint_options = ()

    def sources(self):
        """Two different objects."""
        raise NotImplementedError

    def count(self):
        """How far the component has counted by now; None if it has not said yet."""
        raise NotImplementedError

    def ended(self, pd):
        """Called after a PD should be gone: waits for what the kernel still does about it."""


def recap(backend, *arguments, status=0, timeout=120):
    command = [*backend.recap, *map(str, arguments)]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, timeout=timeout)
    if result.returncode != status:
        raise Wrong(f"{' '.join(command)}: exit status {result.returncode} instead of {status}\n"
                    f"{result.stdout}{result.stderr}")
    return result.stdout if status == 0 else result.stdout + result.stderr


def answer(backend, command, *arguments):
    return json.loads(recap(backend, command, "--json", *arguments))


def require(condition, otherwise):
    if not condition:
        raise Wrong(otherwise)


def wait_for(condition, otherwise, seconds=30):
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        require(time.monotonic() < deadline, otherwise)
        time.sleep(0.02)


def goes_on(backend, beyond=None):
    """The component counts on, from where it was. How far it is."""
    before = backend.count() if beyond is None else beyond
    wait_for(lambda: (backend.count() or 0) > (before or 0) + 1, "the component does not count on")
    return backend.count()


def space(backend, pd=None):
    """selector -> what is there; badges number objects in the order in which they appear. Labels
    are for people, and may tell a number of the kernel's own."""
    told = answer(backend, "caps", pd or backend.pd)["capabilities"]
    return {c.pop("selector"): c for c in told if c.pop("refers_to") is not None}


def listed(backend):
    return {entry["pd"]: entry["name"] for entry in answer(backend, "ls")["pds"]}


def check_walk(backend):
    """Asking on from 0 visits exactly the used selectors, in order."""
    used = list(space(backend))
    require(used == sorted(set(used)), f"caps lists selectors out of order: {used}")
    visited, selector = [], 0
    while selector is not None:
        told = answer(backend, "request", backend.pd, selector)
        if told["used"]:
            visited.append(selector)
        require(told["next"] is None or told["next"] > selector,
                f"after selector {selector} comes {told['next']}")
        selector = told["next"]
    require(visited == used, f"walking visits {visited} and not {used}")
    told = answer(backend, "request", backend.pd, backend.free)
    above = [selector for selector in used if selector > backend.free]
    require(not told["used"], f"selector {backend.free} is in use")
    require(told["next"] == (above[0] if above else None),
            f"after the unused selector {backend.free} comes {told['next']}")


def same_object(backend, one, other):
    caps = space(backend)
    return one in caps and other in caps and caps[one]["badge"] == caps[other]["badge"]


def check_install(backend):
    """A capability arrives at exactly its selector, refers to its object, and disturbs nothing."""
    before = space(backend)
    first, second = backend.sources()
    recap(backend, "install", backend.pd, backend.free, first.spec)
    require(first.is_at(backend, backend.free), "the capability is for another object")
    goes_on(backend)
    # Again, over what is there now.
    recap(backend, "install", backend.pd, backend.free, second.spec)
    require(second.is_at(backend, backend.free), "an occupied selector was not replaced")
    require(not first.is_at(backend, backend.free), "the old capability is still there")
    recap(backend, "remove", backend.pd, backend.free)
    require(space(backend) == before, "install and remove left something else behind")
    told = recap(backend, "remove", backend.pd, backend.free, status=1)
    require(str(backend.free) in told, f"removing nothing does not name the selector: {told}")
    goes_on(backend)


def check_snapshot(backend):
    """A checkpoint that lets the component run; verify sees a change and its end."""
    image = os.path.join(backend.folder, "snapshot.recap")
    count = goes_on(backend)
    recap(backend, "checkpoint", *backend.checkpoint_options, "--leave-running", "-o", image,
          backend.pd)
    goes_on(backend, count)
    require(answer(backend, "verify", image, backend.pd)["equal"], "it differs from its image")
    recap(backend, "install", backend.pd, backend.free, backend.sources()[0].spec)
    told = recap(backend, "verify", image, backend.pd, status=1)
    require(f"selector {backend.free}:" in told, f"verify does not name the selector: {told}")
    recap(backend, "remove", backend.pd, backend.free)
    require(answer(backend, "verify", image, backend.pd)["equal"], "it is not as it was")


def check_dry_run(backend):
    before = listed(backend)
    recap(backend, "checkpoint", *backend.checkpoint_options, "--dry-run", backend.pd)
    require(listed(backend) == before, "a dry run changed something")
    goes_on(backend)


def damage(image):
    """One byte in the middle of the graph."""
    graph = os.path.join(image, "graph.json")
    with open(graph, "r+b") as file:
        size = os.path.getsize(graph)
        file.seek(size // 2)
        byte = file.read(1)[0]
        file.seek(size // 2)
        file.write(bytes([byte ^ 1]))


def check_restore(backend):
    """Ended and brought back: the same space, verified, and the count goes on from where it was."""
    image = os.path.join(backend.folder, "whole.recap")
    source = backend.sources()[0]
    recap(backend, "install", backend.pd, backend.free, source.spec)
    before, count = space(backend), goes_on(backend)
    recap(backend, "checkpoint", *backend.checkpoint_options, "-o", image, backend.pd)
    backend.ended(backend.pd)
    require(backend.pd not in listed(backend), "the component is still there")
    told = json.loads(recap(backend, "restore", *backend.restore_options, "--detach", "--json",
                            image))
    require(told["verified"], "the restored component is not verified")
    backend.pd = told["pid"]
    require(listed(backend).get(backend.pd) == backend.name,
            f"{backend.pd} is not called {backend.name}: {listed(backend)}")
    require(space(backend) == before, f"the capability space differs:\n{before}\n{space(backend)}")
    require(source.is_at(backend, backend.free), "what was installed is another object now")
    require(answer(backend, "verify", image, backend.pd)["equal"], "it differs from its image")
    goes_on(backend, count)
    recap(backend, "remove", backend.pd, backend.free)
    goes_on(backend)
    damage(image)
    there = listed(backend)
    recap(backend, "restore", *backend.restore_options, "--detach", image, status=4)
    require(listed(backend) == there, "a damaged image left something")
    goes_on(backend)


def run(backend):
    wait_for(lambda: backend.count() is not None, "the component does not count at all")
    require(listed(backend).get(backend.pd) == backend.name,
            f"{backend.pd} is not listed as {backend.name}: {listed(backend)}")
    for check in (check_walk, check_install, check_dry_run, check_snapshot, check_restore,
                  check_walk):
        check(backend)
        print(f"{check.__name__[6:]}: right")
