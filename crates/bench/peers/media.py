"""Media: processor time per relayed packet, of RTP and of SRTP, ours beside rtpengine in user space and
beside a relay that only receives and sends; and how long packets are under way. It makes the calls at
rtpengine by its control protocol."""

import base64
import json
import os
import re
import socket
import subprocess

from machine import GaveUp, Watch, family, free_pairs, note, undisturbed, wait_for
from table import Row

CALLS = "calls.txt"
# How many calls are talking while delay is measured.
DELAY_CALLS = (100, 300, 600)


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


class Kind:
    """What a call is like: the suite (RFC 4568) of each party that speaks SRTP, None of one that does
    not."""

    def __init__(self, name, a_suite=None, b_suite=None):
        self.name, self.a_suite, self.b_suite = name, a_suite, b_suite


# Key and salt of the suites, in bytes.
KEY_BYTES = {"AES_CM_128_HMAC_SHA1_80": 30, "AES_CM_128_HMAC_SHA1_32": 30,
             "AEAD_AES_256_GCM": 44, "AEAD_AES_128_GCM": 28}
PLAIN = Kind("RTP")
ONE_SIDED = [Kind("SRTP (AES-CM 128) and RTP", "AES_CM_128_HMAC_SHA1_80"),
             Kind("SRTP (AES-GCM 256) and RTP", "AEAD_AES_256_GCM")]
# Of a suite that both parties speak rtpengine gives the key of one to the other, and has nothing to do.
TWO_SIDED = [Kind("SRTP (AES-CM 128) on both sides", "AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32"),
             Kind("SRTP (AES-GCM) on both sides", "AEAD_AES_256_GCM", "AEAD_AES_128_GCM")]


def new_key(suite):
    return os.urandom(KEY_BYTES[suite])


def keys(suite, sends, receives):
    """A party's keys, as the list of calls has them."""
    return f"{suite}:{sends.hex()}:{receives.hex()}"


def description(port, suite, key, tag=1):
    """What a party says: SRTP with its key, or RTP where there is no suite."""
    profile = "RTP/SAVP" if suite else "RTP/AVP"
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0",
             f"m=audio {port} {profile} 0", "a=rtpmap:0 PCMU/8000", "a=sendrecv"]
    if suite:
        lines.append(f"a=crypto:{tag} {suite} inline:{base64.b64encode(key).decode()}")
    return "".join(line + "\r\n" for line in lines)


def audio_port(text):
    return int(re.search(r"m=audio (\d+)", text).group(1))


def crypto(text, suite):
    """Tag and key of the line with the suite."""
    found = re.search(rf"a=crypto:(\d+) {suite} inline:([A-Za-z0-9+/=]+)", text)
    if not found:
        raise GaveUp(f"rtpengine does not speak {suite}:\n{text}")
    # It leaves out the padding.
    return int(found.group(1)), base64.b64decode(found.group(2) + "==")


def local_ports(options, calls):
    """The ports of the two parties of each call."""
    ports = free_pairs(options.first_port + 100, 2 * calls)
    return list(zip(ports[::2], ports[1::2])), ports[-1] + 2


def write_calls(processes, lines):
    path = os.path.join(processes.folder, CALLS)
    with open(path, "w") as file:
        file.writelines(" ".join(map(str, line)) + "\n" for line in lines)
    return path


def start_listed(processes, options, calls, kind, name, program):
    """A relay that reads the list of calls: ours and the floor. The floor does not look at keys, so
    that its parties must speak plain RTP."""
    parties, first = local_ports(options, calls)
    relay = free_pairs(first, 2 * calls)
    lines = []
    for call, (a, b) in enumerate(parties):
        sides = [keys(suite, new_key(suite), new_key(suite)) if suite else "-"
                 for suite in (kind.a_suite, kind.b_suite)]
        lines.append((a, relay[2 * call], b, relay[2 * call + 1], *sides))
    process = processes.start(name, [program, write_calls(processes, lines)],
                              stdout=subprocess.PIPE, text=True)
    if not process.stdout.readline().startswith("relaying"):
        raise GaveUp(f"the relay {name} does not start:\n" + processes.last_words(name))
    return process


def rtpengine_call(client, kind, name, a, b):
    """Makes a call at rtpengine; its line in the list."""
    a_key, b_key = (new_key(suite) if suite else None for suite in (kind.a_suite, kind.b_suite))
    common = {"call_id": name, "from_tag": "a", "ICE": "remove", "DTLS": "off",
              "flags": ["trust-address"]}
    offer = client.ask(command="offer", sdp=description(a, kind.a_suite, a_key),
                       transport_protocol="RTP/SAVP" if kind.b_suite else "RTP/AVP",
                       **common)["sdp"]
    a_keys, b_keys, tag = "-", "-", 1
    if kind.b_suite:
        tag, offered = crypto(offer, kind.b_suite)
        b_keys = keys(kind.b_suite, b_key, offered)
    answer = client.ask(command="answer", to_tag="b",
                        sdp=description(b, kind.b_suite, b_key, tag), **common)["sdp"]
    if kind.a_suite:
        a_keys = keys(kind.a_suite, a_key, crypto(answer, kind.a_suite)[1])
    return a, audio_port(answer), b, audio_port(offer), a_keys, b_keys


def start_rtpengine(processes, options, calls, kind):
    parties, first = local_ports(options, calls)
    control = free_pairs(options.first_port, 1)[0]
    process = processes.start("rtpengine", [
        "rtpengine", "-f", "--table=-1", "--interface=127.0.0.1", f"--listen-ng=127.0.0.1:{control}",
        f"--port-min={first}", f"--port-max={first + 8 * calls + 500}", "--log-level=4",
        "--log-stderr", "--num-threads=2", "--timeout=120",
        "--pidfile=" + os.path.join(processes.folder, "rtpengine.pid")])
    client = Control(control)
    wait_for(client.is_there, 15, "rtpengine does not answer after 15 s")
    write_calls(processes, [rtpengine_call(client, kind, f"call-{call}", a, b)
                            for call, (a, b) in enumerate(parties)])
    return process


def talk(processes, options, relay, name):
    """Lets the calls of the list talk: microseconds of the relay for a packet, latencies in
    microseconds, and how many cores others used meanwhile."""
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
    return (1e6 * used / found["received"], found["latency_us"]), others


def relays(processes, options, calls, kind):
    """How each relay is started: the floor, ours, and the peer."""
    ours = options.tool("relay")
    floor = options.tool("relay_floor")
    return {
        "floor": lambda: start_listed(processes, options, calls, PLAIN, "floor", floor),
        "fernamt": lambda: start_listed(processes, options, calls, kind, "relay", ours),
        "rtpengine": lambda: start_rtpengine(processes, options, calls, kind),
    }


def measure(processes, options, starts, what):
    """Every relay in turns, several times: its figures and latencies, and how many were disturbed."""
    found, dirty = {name: [] for name in starts}, 0
    for _ in range(options.rounds):
        for name, start in starts.items():
            relay = start()
            figure, clean = undisturbed(
                lambda: talk(processes, options, relay, name), options, f"{what}, {name}")
            processes.end(relay)
            found[name].append(figure)
            dirty += not clean
            note(f"{what}, {name}: {figure[0]:.2f} CPU us a packet, p99 {figure[1]['p99']} us"
                 + ("" if clean else " (disturbed)"))
    return found, dirty


def processor_rows(processes, options, kind, most_of_peer, most_of_floor):
    what = f"relay of {kind.name}, {options.media_calls} calls"
    starts = relays(processes, options, options.media_calls, kind)
    found, dirty = measure(processes, options, starts, what)
    used = {name: [figure for figure, _ in figures] for name, figures in found.items()}
    return [
        Row(what, "CPU us a packet", used["fernamt"], used["rtpengine"], "rtpengine",
            *at_most(most_of_peer), dirty=dirty),
        Row(what, "CPU us a packet", used["fernamt"], used["floor"], "receive and send",
            *at_most(most_of_floor)),
    ]


def at_most(ratio):
    """A target: what is promised of the ratio of the medians."""
    if not ratio:
        return "", None
    return f"<= {ratio}", lambda row: row.ratio()[1] <= ratio


def media(processes, options):
    return processor_rows(processes, options, PLAIN, 0.45, 1.2), []


def srtp(processes, options):
    """Packets that are protected on one side, and on both."""
    rows = []
    for kind in ONE_SIDED:
        rows += processor_rows(processes, options, kind, 0.4, None)
    for kind in TWO_SIDED:
        rows += processor_rows(processes, options, kind, None, None)
    return rows, []


PERCENTILES = ("p50", "p90", "p99", "p99.9")
# The most that the 99.9th percentile may be at the largest number of calls, in microseconds.
MOST_DELAY_US = 5_000


def delay(processes, options):
    """How long packets are under way, ours beside the floor, for more and more calls."""
    rows = []
    for calls in DELAY_CALLS:
        starts = relays(processes, options, calls, PLAIN)
        del starts["rtpengine"]
        what = f"delay, {calls} calls"
        found, dirty = measure(processes, options, starts, what)
        is_promised = calls == DELAY_CALLS[-1]
        for percentile in PERCENTILES:
            ours, floor = ([latencies[percentile] for _, latencies in found[name]]
                           for name in ("fernamt", "floor"))
            rows.append(Row(f"{what}, {percentile}", "us", ours, floor, "receive and send",
                            *at_most(1.3 if is_promised else None),
                            dirty=dirty if percentile == PERCENTILES[0] else 0))
            if is_promised and percentile == "p99.9":
                rows.append(Row(f"{what}, {percentile}", "us", ours, None, "", f"< {MOST_DELAY_US}",
                                lambda row: row.ours.middle < MOST_DELAY_US))
    return rows, []
