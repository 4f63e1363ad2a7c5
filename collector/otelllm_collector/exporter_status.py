"""What people are shown of an exporter."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from .journal import Lag

__all__ = ["Status"]


@dataclass(slots=True)
class Status:
    """What people are shown of an exporter."""

    name: str
    endpoint: str
    lag: Lag
    sent: Counter[str] = field(default_factory=Counter)
    """Records by signal."""
    refused: int = 0
    """Records of bodies that the backend will never take, or took and threw away."""
    last_error: str = ""
    failing_since_s: float | None = None
    """Seconds since the backend last took something, while it takes nothing."""
