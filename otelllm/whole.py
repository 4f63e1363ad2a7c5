"""What a surface without streams and without a text to give has in common with its like."""

from __future__ import annotations

from typing import Any

from .call import Reading, Request
from .spec import Delta

__all__ = ["Whole"]


class Whole:
    """The half of `spec.Surface` that such a surface doesn't use."""

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        """No chunk ever comes."""
        return 0

    def finish(self, reading: Reading, captures: bool) -> None:
        """Nothing was folded."""

    def answer(self, request: Request, text: str) -> bytes | None:
        """A text won't do in place of what the app waits for."""
        return None
