"""threads.py: 64 threads with sub-second sleeps and an interval timer; checks itself like a subject."""
import os
import signal
import threading
import time

THREADS = 64
steps = [0] * THREADS
ticks = 0
stop = threading.Event()
wrong = []


def work(number):
    """Sleeps of 1 to 40 ms: none may end early, and a checkpoint must not make one fail."""
    local = threading.local()
    local.steps = 0
    pause = 0.001 + 0.039 * number / THREADS
    while not stop.is_set():
        begin = time.monotonic()
        time.sleep(pause)
        if time.monotonic() - begin < pause:
            wrong.append(f"a sleep of thread {number} ended early")
        local.steps += 1
        steps[number] += 1
        if local.steps != steps[number]:
            wrong.append(f"thread {number} lost a step")


def tick(*_):
    global ticks
    ticks += 1


def answer(text):
    name = os.environ["RECAP_RESULT"]
    with open(name + ".part", "w") as file:
        file.write(text)
    os.rename(name + ".part", name)


signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
threads = [threading.Thread(target=work, args=(n,), name=f"worker-{n}") for n in range(THREADS)]
for thread in threads:
    thread.start()
names = sorted(thread.name for thread in threads)
ready = int(os.environ["RECAP_READY_FD"])
os.write(ready, b"ready\n")
os.close(ready)
while not os.path.exists(os.environ["RECAP_GO"]):
    time.sleep(0.01)

steps_before, ticks_before = steps.copy(), ticks
deadline = time.monotonic() + 5
while time.monotonic() < deadline and (
        ticks < ticks_before + 3 or any(a == b for a, b in zip(steps, steps_before))):
    time.sleep(0.02)
for number in range(THREADS):
    if steps[number] == steps_before[number]:
        wrong.append(f"thread {number} does not go on")
if ticks < ticks_before + 3:
    wrong.append("the interval timer does not tick")
if len(os.listdir("/proc/self/task")) != THREADS + 1:
    wrong.append("threads are missing")
stop.set()
for thread in threads:
    thread.join(5)
    if thread.is_alive():
        wrong.append(f"{thread.name} does not end")
answer("".join(f"wrong: {w}\n" for w in wrong) or "right\n")
os._exit(1 if wrong else 0)
