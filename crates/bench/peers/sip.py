"""SIP: registrations and calls with digest through fernamt and through Kamailio, in turns, with SIPp
as the phones. It starts both servers, and knows which figures are promised."""

import csv
import json
import os
import subprocess
import time

from machine import GaveUp, Watch, family, free_pairs, memory_kib, note, undisturbed, wait_for
from table import Row

HERE = os.path.dirname(os.path.abspath(__file__))
# Registrations a second while nothing is measured.
FILLING_RATE = 1000
# Transactions are remembered for 32 s after their end (RFC 3261, timers H and J), then forgotten.
FORGOTTEN_SECONDS = 36
# What a server does after the last answer, such as writing records, belongs to it.
SETTLE_SECONDS = 1.5


def password(user):
    return f"secret-{user}"


class Fernamt:
    name = "fernamt"

    def __init__(self, processes, options, port, users):
        self.processes, self.port, self.program = processes, port, options.program
        self.data = os.path.join(processes.folder, "fernamt")
        settings = os.path.join(processes.folder, "fernamt.toml")
        with open(settings, "w") as file:
            file.write("[listen]\ntcp = false\ntls = false\nwebsocket = false\n"
                       "secure_websocket = false\n")
        devices = os.path.join(processes.folder, "devices.csv")
        with open(devices, "w") as file:
            file.write("user,password\n")
            file.writelines(f"u{n},{password(f'u{n}')}\n" for n in range(users))
        self.ask("device", "import", devices)
        media = f"127.0.0.1:{options.first_port + 1000}-{options.first_port + 8999}"
        self.process = processes.start("fernamt", [
            self.program, "serve", "--data", self.data, "--config", settings,
            "--sip", f"127.0.0.1:{port}", "--media", media])
        wait_for(lambda: self.process.poll() is not None or self.is_ready(), 30,
                 "fernamt serve is not ready after 30 s")
        if self.process.poll() is not None:
            raise GaveUp("fernamt serve ended:\n" + processes.last_words("fernamt"))

    def ask(self, *words, check=True):
        done = subprocess.run([self.program, *words, "--data", self.data],
                              capture_output=True, text=True)
        if check and done.returncode != 0:
            raise GaveUp(f"fernamt {' '.join(words)} failed: {done.stderr.strip()}")
        return done

    def is_ready(self):
        return self.ask("status", "--json", check=False).returncode == 0

    def pids(self):
        return family(self.process.pid)


class Kamailio:
    name = "Kamailio"

    def __init__(self, processes, options, port, users):
        self.processes, self.port = processes, port
        run = os.path.join(processes.folder, "kamailio")
        os.mkdir(run)
        with open(os.path.join(HERE, "kamailio.cfg")) as file:
            text = file.read()
        for name, value in (("@ADDRESS@", f"127.0.0.1:{port}"), ("@USERS@", str(users))):
            text = text.replace(name, value)
        settings = os.path.join(run, "kamailio.cfg")
        with open(settings, "w") as file:
            file.write(text)
        self.process = processes.start("kamailio", [
            "kamailio", "-DD", "-E", "-f", settings, "-m", "768", "-M", "16", "-Y", run,
            "-P", os.path.join(run, "pid")])
        # It says nothing when it is ready; its workers are there then.
        wait_for(lambda: self.process.poll() is not None or len(self.pids()) >= 4, 20,
                 "Kamailio has no workers after 20 s")
        time.sleep(1.5)
        if self.process.poll() is not None:
            raise GaveUp("Kamailio ended:\n" + processes.last_words("kamailio"))

    def pids(self):
        return family(self.process.pid)


class Phones:
    """SIPp on both ends of one server."""

    def __init__(self, processes, server, port):
        self.processes, self.server = processes, server
        self.first_port = port
        self.runs = 0
        self.completed = 0
        # From the start, so that nobody takes the port that the bindings name.
        self.callee_port = free_pairs(port, 1)[0]
        self.sipp("callee", "callee.xml", self.callee_port)
        time.sleep(0.7)

    def write(self, name, lines):
        path = os.path.join(self.processes.folder, f"{self.server.name}-{name}.csv")
        with open(path, "w") as file:
            file.write("SEQUENTIAL\n")
            file.writelines(lines)
        return path

    def sipp(self, name, scenario, port, *more):
        self.runs += 1
        title = f"{self.server.name}-{name}-{self.runs}"
        statistics = os.path.join(self.processes.folder, title + ".stat")
        process = self.processes.start(title, [
            "sipp", "-sf", os.path.join(HERE, scenario), "-i", "127.0.0.1", "-mi", "127.0.0.1",
            "-p", str(port), "-nostdin", "-timer_resol", "1", "-buff_size", "4194304",
            "-trace_stat", "-stf", statistics, "-fd", "1", *more], stdout=subprocess.DEVNULL)
        return process, statistics

    def caller_port(self):
        return free_pairs(self.first_port, 1)[0]

    def finished(self, process, statistics, limit_seconds, allowed=0.001):
        """Waits for SIPp; returns how many calls went well, and the share of retransmissions."""
        try:
            process.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            self.processes.end(process)
            raise GaveUp(f"SIPp against {self.server.name} did not come to an end")
        self.processes.running.remove(process)
        with open(statistics, newline="") as file:
            rows = list(csv.reader(file, delimiter=";"))
        last = dict(zip(rows[0], rows[-1]))
        good, bad = int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"])
        if self.server.process.poll() is not None:
            name = self.server.process.title
            raise GaveUp(f"{name} ended (code {self.server.process.returncode}) while it was measured:\n"
                         + self.processes.last_words(name))
        if bad > allowed * (good + bad) or good == 0:
            raise GaveUp(f"{bad} of {good + bad} calls of SIPp failed against {self.server.name}:\n"
                         + self.processes.last_words(process.title))
        return good, int(last["Retransmissions(C)"]) / good

    def start_registering(self, first, count, rate, total=None):
        file = self.write("users", (
            f"u{n};[authentication username=u{n} password={password(f'u{n}')}]\n"
            for n in range(first, first + count)))
        total = total or count
        return (*self.sipp("register", "register.xml", self.caller_port(), "-inf", file,
                           "-key", "callee_port", str(self.callee_port), "-r", str(rate),
                           "-m", str(total), "-l", "15000",
                           f"127.0.0.1:{self.server.port}"), total / rate + 60)

    def start_calling(self, users, count, rate, hold_ms):
        half = users // 2
        file = self.write("calls", (
            f"u{n};u{(n + half) % users};[authentication username=u{(n + half) % users} "
            f"password={password(f'u{(n + half) % users}')}]\n" for n in range(users)))
        return (*self.sipp("call", "caller.xml", self.caller_port(), "-inf", file, "-r", str(rate),
                           "-m", str(count), "-l", "15000", "-d", str(hold_ms),
                           f"127.0.0.1:{self.server.port}"), count / rate + hold_ms / 1000 + 60)


def prepare(processes, options, users):
    """Both servers, with so many users and with phones; nobody is registered yet."""
    pairs = []
    for place, kind in enumerate((Kamailio, Fernamt)):
        ports = options.first_port + 50 * place
        server = kind(processes, options, free_pairs(ports, 1)[0], users)
        pairs.append(Phones(processes, server, ports + 20))
    return pairs


def cost(phones, start, options, what):
    """Processor seconds of the server for 1,000 of what SIPp does."""
    retransmitted = 0.0

    def measure():
        nonlocal retransmitted
        ours = [pid for process in phones.processes.running for pid in family(process.pid)
                if process is not phones.server.process]
        watch = Watch(phones.server.pids(), ours)
        good, retransmitted = phones.finished(*start())
        time.sleep(SETTLE_SECONDS)
        used, others = watch.stop()
        if what == "call":
            phones.completed += good
        return 1000 * used / good, others

    name = f"{what}, {phones.server.name}"
    figure, clean = undisturbed(measure, options, name)
    if retransmitted > 0.01:
        note(f"{name}: {100 * retransmitted:.1f} % of retransmissions; the rate is too high here")
    return figure, clean


def count_records(server):
    return len(json.loads(server.ask("cdr", "--json").stdout))


def half(row):
    ratio = row.ratio()
    return ratio is not None and ratio[1] < 0.5


def sip(processes, options):
    """Rows for registrations and calls."""
    pairs = prepare(processes, options, options.users)
    for phones in pairs:
        phones.finished(*phones.start_registering(0, options.users, FILLING_RATE))
    kinds = {
        "registration": lambda phones: phones.start_registering(
            0, options.users, options.registrations, round(options.registrations * options.seconds)),
        "call": lambda phones: phones.start_calling(
            options.users, round(options.calls * options.seconds), options.calls, 100),
    }
    rows = []
    for what, start in kinds.items():
        found = {phones.server.name: [] for phones in pairs}
        dirty = 0
        for turn in range(options.rounds):
            # The order changes, so that no side always comes first.
            for phones in pairs if turn % 2 == 0 else reversed(pairs):
                figure, clean = cost(phones, lambda: start(phones), options, what)
                found[phones.server.name].append(figure)
                dirty += not clean
                note(f"{what}, {phones.server.name}: {figure:.4f} CPU s per 1,000"
                     + ("" if clean else " (disturbed)"))
        rows.append(Row(f"1,000 {what}s with digest", "CPU s", found["fernamt"], found["Kamailio"],
                        "Kamailio", "ratio < 0.50", half, dirty))
    fernamt = pairs[1]
    records = count_records(fernamt.server)
    if records < fernamt.completed:
        raise GaveUp(f"fernamt has {records} records of {fernamt.completed} calls; so the figures are "
                     "not those of an exchange that keeps records")
    return rows, [f"fernamt: {fernamt.completed} calls, {records} call records on disk; Kamailio "
                  "(proxy with transactions, all in memory) keeps none."]


def memory(processes, options):
    """Rows for memory per registration and per call in progress."""
    count, held = options.users, options.held
    pairs = prepare(processes, options, 2 * count)
    registered, calling = {}, {}
    # The first registrations make room for what passes; the second ones find that room and add
    # only what stays.
    for first in (0, count):
        before = {phones.server.name: memory_kib(phones.server.pids()) for phones in pairs}
        for phones in pairs:
            phones.finished(*phones.start_registering(first, count, FILLING_RATE))
        time.sleep(FORGOTTEN_SECONDS)
        for phones in pairs:
            name = phones.server.name
            registered[name] = 1024 * (memory_kib(phones.server.pids()) - before[name]) / count
    for phones in pairs:
        phones.finished(*phones.start_calling(count, held, held / 10, 100))
    time.sleep(FORGOTTEN_SECONDS)
    before = {phones.server.name: memory_kib(phones.server.pids()) for phones in pairs}
    hold_seconds = 10 + FORGOTTEN_SECONDS + 5
    talks = [phones.start_calling(count, held, held / 10, 1000 * hold_seconds) for phones in pairs]
    time.sleep(10 + FORGOTTEN_SECONDS)
    for phones in pairs:
        name = phones.server.name
        calling[name] = (memory_kib(phones.server.pids()) - before[name]) / held
    for phones, talk in zip(pairs, talks):
        phones.finished(*talk)
    return [
        Row("memory of a registration", "bytes", [registered["fernamt"]], [max(registered["Kamailio"], 0)],
            "Kamailio", "<= 2048", lambda row: row.ours.middle <= 2048),
        Row("memory of a call in progress", "KiB", [calling["fernamt"]], [max(calling["Kamailio"], 0)],
            "Kamailio", "<= 20", lambda row: row.ours.middle <= 20),
    ], [f"Memory: {count} registrations on top of {count}, and {held} calls, {FORGOTTEN_SECONDS} s after "
        "the last of them, so that transactions are forgotten (Pss of all processes). The proxy "
        "keeps no state of a call in progress; an exchange must."]
