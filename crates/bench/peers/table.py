"""Rows of figures, ours beside a peer's, and how they are printed. It measures nothing."""

import json
import statistics


class Figures:
    """Values of one thing, measured several times."""

    def __init__(self, values):
        self.values = values
        self.least = min(values)
        self.middle = statistics.median(values)

    def text(self):
        if len(self.values) == 1:
            return number(self.least)
        return f"{number(self.least)} / {number(self.middle)}"


def number(value):
    if value == 0:
        return "0"
    for bound, digits in ((0.1, 4), (1, 3), (100, 2)):
        if abs(value) < bound:
            return f"{value:.{digits}f}"
    return f"{value:.0f}"


class Row:
    """One thing that was measured: ours, a peer's, and what was promised."""

    def __init__(self, what, unit, ours, peer=None, peer_name="", target="", passes=None, dirty=0):
        self.what, self.unit, self.ours, self.peer = what, unit, Figures(ours), None
        self.peer_name, self.target, self.passes, self.dirty = peer_name, target, None, dirty
        if peer:
            self.peer = Figures(peer)
        if passes:
            self.passes = passes(self)

    def ratio(self):
        """Ours by the peer's: of the least, and of the middle."""
        if not self.peer or not self.peer.least or not self.peer.middle:
            return None
        return self.ours.least / self.peer.least, self.ours.middle / self.peer.middle

    def cells(self):
        ratio = self.ratio()
        return (
            f"{self.what}, {self.unit}",
            self.ours.text(),
            f"{self.peer.text()} ({self.peer_name})" if self.peer else "-",
            " / ".join(f"{part:.2f}" for part in ratio) if ratio else "-",
            self.target or "-",
            {None: "-", True: "pass", False: "MISS"}[self.passes] + ("*" if self.dirty else ""),
        )

    def plain(self):
        ratio = self.ratio()
        return {
            "what": self.what, "unit": self.unit,
            "ours": {"min": self.ours.least, "median": self.ours.middle, "all": self.ours.values},
            "peer": self.peer and {"name": self.peer_name, "min": self.peer.least,
                                   "median": self.peer.middle, "all": self.peer.values},
            "ratio": ratio and {"min": ratio[0], "median": ratio[1]},
            "target": self.target or None, "pass": self.passes, "disturbed_steps": self.dirty,
        }


HEAD = ("measured", "ours", "peer", "ratio", "target", "")


def show(machine, rows, notes):
    print(f"{machine['processor']}, {machine['cores']} cores, Linux {machine['kernel']}, {machine['date']}")
    print("Two figures: the least and the median of several interleaved runs. The verdict is on the median.\n")
    lines = [HEAD] + [row.cells() for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    lines.insert(1, tuple("-" * width for width in widths))
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    dirty = sum(row.dirty for row in rows)
    if dirty:
        notes = notes + [f"* {dirty} steps stayed disturbed by other programs (more than 0.2 cores); "
                         "such figures are too high on both sides. Repeat on a calm machine."]
    if notes:
        print()
    for text in notes:
        print(text)


def show_json(machine, rows, notes):
    print(json.dumps({"machine": machine, "rows": [row.plain() for row in rows], "notes": notes}, indent=2))
