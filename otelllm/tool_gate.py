"""The gate before a tool is run: a kill switch can name tools, and those are run by the app and not by a provider."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["pass_gate", "use"]

Gate = Callable[[str], None]
"""Raises `KillSwitchOn` where the tool of this name is switched off."""

_gate: Gate | None = None


def use(gate: Gate | None) -> None:
    """Put `gate` before every tool; None: all pass."""
    global _gate  # noqa: PLW0603  one a process, as the policy is
    _gate = gate


def pass_gate(tool: str) -> None:
    """Returns where the tool may be run; raises `KillSwitchOn` where not."""
    if _gate is not None:
        _gate(tool)
