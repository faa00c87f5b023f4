"""Starting a self-checking subject (see tests/subjects/subject.h), and asking it for its findings."""
import os
import sys

from live import PYTHON, SKIPPED, Wrong, alive, wait_for

# Far above the selectors that a subject gets for what it opens first.
READY_FD = 100


def start(live, program, ahead=None, variables=()):
    """Starts the subject, on clocks that are `ahead` seconds ahead, and waits until it is ready. Its
    process id."""
    home = live.path("home")
    os.mkdir(home)
    ours, theirs = os.pipe()
    os.dup2(theirs, READY_FD)
    os.close(theirs)
    environment = dict(os.environ, RECAP_READY_FD=str(READY_FD), RECAP_GO=live.path("go"),
                       RECAP_RESULT=live.path("result"))
    program = live.bring(program)
    command = [PYTHON, program] if program.endswith(".py") else [program]
    environment.update(variable.split("=", 1) for variable in variables)
    if ahead:
        alone = [] if os.geteuid() == 0 else ["--user", "--map-current-user"]
        command = ["unshare", *alone, "--time", "--monotonic", ahead, "--boottime", ahead, *command]
    pid = live.start(command, pass_fds=[READY_FD], cwd=home, env=environment)
    os.close(READY_FD)
    with os.fdopen(ours) as answers:
        line = answers.readline()
        answers.read()  # until the subject has closed its end, a selector that is not its own
    if line.startswith("skip: "):
        live.wait_gone(pid)
        print(line.strip())
        sys.exit(SKIPPED)
    if line != "ready\n":
        raise Wrong("the subject could not build its state: " + findings(live))
    return pid


def findings(live):
    try:
        with open(live.path("result")) as file:
            return file.read()
    except FileNotFoundError:
        return ""


def result_of(live, pid):
    """Has the subject check its state."""
    with open(live.path("go"), "w"):
        pass
    wait_for(lambda: findings(live) or not alive(pid), "the subject does not answer", 20)
    text = findings(live)
    if not text:
        raise Wrong("the subject ended without an answer")
    live.wait_gone(pid)
    return text
