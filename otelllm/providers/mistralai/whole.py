"""What surfaces other than chats share: a model asked, a whole answer, no text to give in its place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...call import Reading, Request
from ...spec import Delta
from ...stainless import plain

__all__ = ["Whole", "read_head"]


class Whole:
    """The half of `spec.Surface` that is the same for these, or not needed by them."""

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        """The model; nothing else of it has a name in the conventions."""
        return Request(model=plain(kwargs.get("model")))

    def fold_chunk(self, reading: Reading, chunk: Any, captures: bool) -> Delta:
        """No chunk ever comes."""
        return 0

    def finish(self, reading: Reading, captures: bool) -> None:
        """Nothing was folded."""

    def answer(self, request: Request, text: str) -> bytes | None:
        """A text won't do in place of what the app waits for."""
        return None


def read_head(reading: Reading, said: Mapping[str, Any]) -> None:
    """The answer's id and model."""
    reading.id = plain(said.get("id")) or reading.id
    reading.model = plain(said.get("model")) or reading.model
