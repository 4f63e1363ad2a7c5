"""What a command tells its user when it can't go on."""

from __future__ import annotations

__all__ = ["Failure"]


class Failure(Exception):  # noqa: N818  it is told, not traced
    """The text names the value that can't be used, and the way out."""
