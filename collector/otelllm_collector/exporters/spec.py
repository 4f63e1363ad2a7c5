"""What sends to a backend: the contract of a sender, and what became of one request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["Delivered", "Later", "Outcome", "Refused", "Sender"]


@dataclass(frozen=True, slots=True)
class Delivered:
    """The backend has it; of what it took it may have thrown some away."""

    rejected: int = 0
    message: str = ""


@dataclass(frozen=True, slots=True)
class Later:
    """It may have it on another try."""

    reason: str
    after_s: float | None = None
    """How long the backend asked to wait."""


@dataclass(frozen=True, slots=True)
class Refused:
    """It will never take this: sending it again would hold up everything behind it."""

    reason: str


Outcome = Delivered | Later | Refused


class Sender(Protocol):
    """A way to one backend. Used by one thread."""

    def send(self, signal: str, body: bytes) -> Outcome:
        """Send one export request, protobuf and uncompressed, of traces, metrics or logs. MUST NOT raise, MUST end
        within its timeout, and MUST tell what may be tried again from what may not by OTLP's own rules.
        """

    def close(self) -> None:
        """Let connections go."""
