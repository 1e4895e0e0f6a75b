"""Media: processor time per relayed packet, ours beside rtpengine in user space and beside a relay that
only receives and sends. It makes the calls at rtpengine by its control protocol."""

import json
import os
import re
import socket
import subprocess

from machine import GaveUp, Watch, family, free_pairs, note, undisturbed, wait_for
from table import Row

CALLS = "calls.txt"


def encode(value):
    """Bencode, which rtpengine is controlled with."""
    if isinstance(value, int):
        return b"i%de" % value
    if isinstance(value, str):
        return b"%d:" % len(value.encode()) + value.encode()
    if isinstance(value, list):
        return b"l" + b"".join(map(encode, value)) + b"e"
    return b"d" + b"".join(encode(key) + encode(value[key]) for key in sorted(value)) + b"e"


def decode(data, at=0):
    kind = data[at:at + 1]
    if kind == b"i":
        end = data.index(b"e", at)
        return int(data[at + 1:end]), end + 1
    if kind in (b"l", b"d"):
        values, at = [], at + 1
        while data[at:at + 1] != b"e":
            value, at = decode(data, at)
            values.append(value)
        if kind == b"d":
            values = dict(zip(values[::2], values[1::2]))
        return values, at + 1
    colon = data.index(b":", at)
    end = colon + 1 + int(data[at:colon])
    return data[colon + 1:end].decode("latin-1"), end


class Control:
    """A client of rtpengine's control protocol."""

    def __init__(self, port):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.socket.settimeout(3)
        self.count = 0

    def ask(self, **words):
        self.count += 1
        cookie = b"%d_%d" % (os.getpid(), self.count)
        self.socket.send(cookie + b" " + encode({k.replace("_", "-"): v for k, v in words.items()}))
        while True:
            answered, _, body = self.socket.recv(65536).partition(b" ")
            if answered == cookie:
                answer, _ = decode(body)
                if answer.get("result") not in ("ok", "pong"):
                    raise GaveUp(f"rtpengine refuses: {answer}")
                return answer

    def is_there(self):
        try:
            return self.ask(command="ping")["result"] == "pong"
        except OSError:
            return False


def description(port):
    return ("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendrecv\r\n")


def audio_port(text):
    return int(re.search(r"m=audio (\d+)", text).group(1))


def local_ports(options):
    """The ports of the two parties of each call."""
    ports = free_pairs(options.first_port + 100, 2 * options.media_calls)
    return list(zip(ports[::2], ports[1::2])), ports[-1] + 2


def write_calls(processes, lines):
    path = os.path.join(processes.folder, CALLS)
    with open(path, "w") as file:
        file.writelines(" ".join(map(str, line)) + "\n" for line in lines)
    return path


def start_listed(processes, options, name, program):
    """A relay that reads the list of calls: ours and the floor."""
    parties, first = local_ports(options)
    relay = free_pairs(first, 2 * options.media_calls)
    path = write_calls(processes, (
        (a, relay[2 * call], b, relay[2 * call + 1]) for call, (a, b) in enumerate(parties)))
    process = processes.start(name, [program, path], stdout=subprocess.PIPE, text=True)
    if not process.stdout.readline().startswith("relaying"):
        raise GaveUp(f"the relay {name} does not start:\n" + processes.last_words(name))
    return process


def start_rtpengine(processes, options):
    parties, first = local_ports(options)
    control = free_pairs(options.first_port, 1)[0]
    process = processes.start("rtpengine", [
        "rtpengine", "-f", "--table=-1", "--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{control}",
        f"--port-min={first}", f"--port-max={first + 12 * options.media_calls + 500}", "--log-level=4",
        "--log-stderr", "--num-threads=2", "--timeout=120",
        "--pidfile=" + os.path.join(processes.folder, "rtpengine.pid")])
    client = Control(control)
    wait_for(client.is_there, 15, "rtpengine does not answer after 15 s")
    lines = []
    for call, (a, b) in enumerate(parties):
        common = {"call_id": f"call-{call}", "from_tag": "a", "ICE": "remove",
                  "flags": ["trust-address"]}
        offer = client.ask(command="offer", sdp=description(a), **common)
        answer = client.ask(command="answer", to_tag="b", sdp=description(b), **common)
        lines.append((a, audio_port(answer["sdp"]), b, audio_port(offer["sdp"])))
    write_calls(processes, lines)
    return process


def per_packet(processes, options, relay, name):
    """Microseconds of the relay for a packet, and how many cores others used meanwhile."""
    load = processes.start("rtp_load", [
        options.tool("rtp_load"), os.path.join(processes.folder, CALLS), str(options.seconds)],
        stdout=subprocess.PIPE, text=True)
    if load.stdout.readline().strip() != "START":
        raise GaveUp("rtp_load does not start:\n" + processes.last_words("rtp_load"))
    watch = Watch(family(relay.pid), [load.pid])
    load.stdout.readline()
    used, others = watch.stop()
    found = json.loads(load.stdout.readline())
    processes.end(load)
    if found["silent_parties"] or found["received"] < 0.99 * found["sent"]:
        raise GaveUp(f"{name} lost packets: {found}")
    return 1e6 * used / found["received"], others


def media(processes, options):
    starts = {
        "floor": lambda: start_listed(processes, options, "floor", options.tool("relay_floor")),
        "fernamt": lambda: start_listed(processes, options, "relay", options.tool("examples/relay")),
        "rtpengine": lambda: start_rtpengine(processes, options),
    }
    found, dirty = {name: [] for name in starts}, 0
    for _ in range(options.rounds):
        for name, start in starts.items():
            relay = start()
            figure, clean = undisturbed(
                lambda: per_packet(processes, options, relay, name), options, f"media, {name}")
            processes.end(relay)
            found[name].append(figure)
            dirty += not clean
            note(f"media, {name}: {figure:.2f} CPU us a packet" + ("" if clean else " (disturbed)"))
    what = f"relay of RTP, {options.media_calls} calls"
    return [
        Row(what, "CPU us a packet", found["fernamt"], found["rtpengine"], "rtpengine", dirty=dirty),
        Row(what, "CPU us a packet", found["fernamt"], found["floor"], "receive and send"),
    ], []
