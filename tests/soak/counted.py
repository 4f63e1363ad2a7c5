"""A backend that only notes which spans came, and what a process tree takes of memory."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path
from typing import NamedTuple

from collector.backends import Backend, Sent
from soak.load import MARK

__all__ = ["Counting", "Memory", "NotHere", "load_average", "memory"]

_SPAN = re.compile(b"\x0a\x10" + MARK + b"(.{12})\x12\x08(.{8})", re.DOTALL)
"""The first two fields of a span: its ids."""


class NotHere(Exception):  # noqa: N818  says what happened
    """A scenario needs what this machine has not; the text says what."""


class Counting(Backend):
    """Takes what is sent and keeps the ids alone: a million spans would be two gigabytes."""

    def __init__(self) -> None:
        super().__init__()
        self.came: dict[int, set[bytes]] = {}
        """Number of a batch -> its spans."""
        self.spans_twice = 0
        self._noting = threading.Lock()

    def take(self, sent: Sent) -> tuple[int, dict[str, str], bytes]:
        """Note the ids."""
        with self._noting:
            for trace, span in _SPAN.findall(sent.body):
                known = self.came.setdefault(int.from_bytes(trace[:8]), set())
                self.spans_twice += span in known
                known.add(span)
        return 200, {}, b""

    @property
    def count(self) -> int:
        """Different spans that came."""
        with self._noting:
            return sum(map(len, self.came.values()))


class Memory(NamedTuple):
    """Megabytes of a process and its children, shared pages counted once."""

    own: float
    """That nothing but the process holds."""
    mapped: float
    """Pages of files, which the system takes back when it needs them: the journal's among them."""

    def __str__(self) -> str:
        return f"{self.own:.0f} MB + {self.mapped:.0f} mapped"


def memory(pid: int) -> Memory:
    """As of now."""
    own = mapped = 0
    for one in [pid, *_below(pid)]:
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:  # ended meanwhile
            continue
        found = {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
        own += found.get("Pss_Anon", found["Pss"])
        mapped += found.get("Pss_File", 0) + found.get("Pss_Shmem", 0)
    return Memory(own / 1000, mapped / 1000)


def _below(pid: int) -> list[int]:
    """Its children, theirs, and so on."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                parents[int(entry)] = int(Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def load_average() -> str:
    """How busy the machine was: wall figures mean little without it."""
    return f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
