"""The machine as a measurement sees it: processes that are started and always ended, processor time,
memory, and how much other programs disturb. It knows nothing of SIP or RTP."""

import os
import platform
import resource
import signal
import socket
import subprocess
import sys
import time

TICKS = os.sysconf("SC_CLK_TCK")
# A step during which other programs used more than this (in cores) is repeated.
DISTURBED_CORES = 0.2


class GaveUp(Exception):
    """Something that ends the measurement, as a sentence that says what to do."""


def note(text):
    print(f"bin/bench: {text}", file=sys.stderr, flush=True)


def describe():
    """What figures depend on: processor, cores, kernel, date."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as lines:
            names = [l.split(":", 1)[1].strip() for l in lines if l.startswith("model name")]
        model = names[0] if names else model
    except OSError:
        pass
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "date": time.strftime("%Y-%m-%d %H:%M %Z"),
    }


def allow_many_files():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Processes:
    """Everything that was started; each one in a session of its own, so that its children end too."""

    def __init__(self, folder):
        self.folder = folder
        self.running = []

    def start(self, name, command, **options):
        log = open(os.path.join(self.folder, name + ".log"), "ab")
        options.setdefault("stdout", log)
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log,
                                       cwd=self.folder, start_new_session=True, **options)
        except OSError as error:
            raise GaveUp(f"{command[0]} cannot be started: {error}")
        process.title = name
        self.running.append(process)
        return process

    def end(self, process, first=signal.SIGTERM):
        for number in (first, signal.SIGKILL):
            if process.poll() is not None and number != signal.SIGKILL:
                continue
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                break
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                note(f"{process.title} does not end; killed")
        if process in self.running:
            self.running.remove(process)

    def end_all(self):
        for process in reversed(list(self.running)):
            self.end(process)

    def last_words(self, name):
        try:
            with open(os.path.join(self.folder, name + ".log"), errors="replace") as log:
                return "".join(log.readlines()[-15:])
        except OSError:
            return ""


def family(pid):
    """A process and all that descend from it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as stat:
                    parent = int(stat.read().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry))
    found, next_ones = [], [pid]
    while next_ones:
        one = next_ones.pop()
        found.append(one)
        next_ones += children.get(one, [])
    return found


def cpu_seconds(pids):
    """User and system time of all threads of these processes."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def own_cpu_seconds():
    """This program and its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def all_cpu_seconds():
    """Of the whole machine, with interrupts."""
    with open("/proc/stat") as stat:
        fields = [int(field) for field in stat.readline().split()[1:]]
    return (sum(fields[:3]) + sum(fields[5:7])) / TICKS


def memory_kib(pids):
    """Memory of these processes, with what they share counted once (Pss)."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup") as lines:
                total += sum(int(l.split()[1]) for l in lines if l.startswith("Pss:"))
        except OSError:
            continue
    return total


class Watch:
    """Processor time of one server and of everybody else, from its making until `stop`."""

    def __init__(self, server, ours):
        self.server, self.ours = server, ours
        self.begin = self.look()

    def look(self):
        return (time.monotonic(), cpu_seconds(self.server), cpu_seconds(self.ours),
                own_cpu_seconds(), all_cpu_seconds())

    def stop(self):
        seconds, server, ours, own, everybody = (
            end - begin for end, begin in zip(self.look(), self.begin))
        others = max(0.0, everybody - server - ours - own)
        return server, others / max(seconds, 0.001)


def wait_until_calm(limit_seconds):
    """Until other programs leave the machine alone, at most so long."""
    end = time.monotonic() + limit_seconds
    while time.monotonic() < end:
        begin, used = time.monotonic(), all_cpu_seconds()
        time.sleep(1.0)
        if (all_cpu_seconds() - used) / (time.monotonic() - begin) < DISTURBED_CORES:
            return


def undisturbed(measure, options, name):
    """Measures, again where others disturbed; returns the figure, and whether it is clean."""
    best = None
    for attempt in range(1, options.tries + 1):
        wait_until_calm(options.calm_seconds)
        figure, others = measure()
        if best is None or others < best[1]:
            best = (figure, others)
        if others <= DISTURBED_CORES:
            break
        note(f"{name}: others used {others:.2f} cores, try {attempt} of {options.tries}")
    return best[0], best[1] <= DISTURBED_CORES


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.1)
    raise GaveUp(what)


def is_free(port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_pairs(first, count):
    """Even ports from `first` on that are free, with the odd ones above them."""
    found = []
    for port in range(first + first % 2, 65_534, 2):
        if len(found) == count:
            return found
        if is_free(port) and is_free(port + 1):
            found.append(port)
    raise GaveUp(f"no {count} pairs of free ports from {first} on; --first-port chooses others")
