"""The policy that the collector hands out: who pushed which, durable, the last one in force.

One file of lines, each a policy with who and when; a line that is whole is in force. So the policy and its audit can't
differ, however the process ends.
"""

from __future__ import annotations

import asyncio
import difflib
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import NamedTuple

import orjson

from otelllm import policy
from otelllm.errors import BadConfig

__all__ = ["FILE_NAME", "LONGEST", "Change", "Changed", "Policies", "Pushed", "Sender"]

FILE_NAME = "policies.jsonl"
LONGEST = 256 * 1024
"""Bytes of a policy."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """One policy and its audit."""

    number: int
    """From 1."""
    version: str
    """As `otelllm.policy` has it: the same rules have the same version, however they are written."""
    pushed_ns: int
    by: str
    """Who its sender said that they are."""
    key: str | None
    """The name of the key that it came with."""
    address: str | None
    """From where."""
    text: str
    """TOML."""

    def audit(self) -> dict[str, object]:
        """All but the text."""
        return {name: value for name, value in asdict(self).items() if name != "text"}


class Change(NamedTuple):
    """One push, and what it changed in the one before, line by line (a unified diff)."""

    pushed: Pushed
    diff: str


class Sender(NamedTuple):
    """Who changes the policy, for the audit: see `Pushed`."""

    by: str
    key: str | None
    address: str | None


class Changed(Exception):  # noqa: N818  what happened, and no fault of anybody
    """Somebody else pushed meanwhile."""


class Policies:
    """The policies of one data folder; `wait` is for the event loop, the others for any thread."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._lock = threading.Lock()
        self._pushed = self._read()
        self._waiting: set[asyncio.Event] = set()
        self._is_open = True

    @property
    def current(self) -> Pushed | None:
        """The policy in force."""
        return self._pushed[-1] if self._pushed else None

    def change(self, number: int) -> Change | None:
        """What the push of this number changed; None where there was none."""
        pushed = self.pushed
        if not 1 <= number <= len(pushed):
            return None
        new = pushed[number - 1]
        before = pushed[number - 2].text if number > 1 else ""
        names = (f"policy {number - 1}" if number > 1 else "no policy", f"policy {number}")
        lines = difflib.unified_diff(before.splitlines(), new.text.splitlines(), *names, lineterm="")
        return Change(new, "\n".join(lines))

    @property
    def pushed(self) -> list[Pushed]:
        """All of them, oldest first."""
        return list(self._pushed)

    def push(self, make: Callable[[str], str], sender: Sender, *, instead_of: str | None = None) -> Pushed:
        """Put in force what `make` makes of the policy's text ("" where there is none); it is on the disk when this
        returns. The same text again changes nothing.

        Raises `otelllm.errors.BadConfig` that names line and value, `Changed` where the one in force is not of version
        `instead_of`, and OSError where the disk fails.
        """
        with self._lock:
            before = self.current
            if instead_of is not None and instead_of != (before.version if before else ""):
                raise Changed
            text = make(before.text if before else "")
            version = policy.parse(text, "policy").version
            if before is not None and before.text == text:
                return before
            if len(text.encode()) > LONGEST:
                raise BadConfig(f"the policy would be longer than {LONGEST} bytes; turn off switches that nobody needs")
            new = Pushed(len(self._pushed) + 1, version, time.time_ns(), *sender, text)
            self._append(orjson.dumps(new) + b"\n")
            self._pushed.append(new)
        return new

    async def wait(self, version: str, seconds: float) -> Pushed | None:
        """The policy in force, as soon as it is not of this version ("": as soon as there is one), or after a while."""
        changed = asyncio.Event()
        self._waiting.add(changed)
        try:
            async with asyncio.timeout(seconds):
                while self._is_open and (self.current.version if self.current else "") == version:
                    await changed.wait()
                    changed.clear()
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(changed)
        return self.current

    def wake(self) -> None:
        """Let all who wait look again; MUST be called on the event loop after a push."""
        for waiting in self._waiting:
            waiting.set()

    def close(self) -> None:
        """Nobody waits any more; on the event loop."""
        self._is_open = False
        self.wake()

    def _read(self) -> list[Pushed]:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return []
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):  # the process ended while it wrote: that push was never answered
            os.truncate(self._path, len(whole))
        return [Pushed(**orjson.loads(line)) for line in whole.splitlines()]

    def _append(self, line: bytes) -> None:
        with self._path.open("ab", buffering=0) as file:
            size = file.tell()
            try:
                if file.write(line) < len(line):
                    raise OSError(28, "No space left on device")
                os.fsync(file.fileno())
            except OSError:
                file.truncate(size)  # half a line must not stand before the next
                raise
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
