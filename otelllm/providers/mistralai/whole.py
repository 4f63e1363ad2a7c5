"""What surfaces other than chats share: a model asked, a whole answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...call import Reading, Request
from ...fields import plain
from ...whole import Whole

__all__ = ["Asked", "read_head"]


class Asked(Whole):
    """A surface that is asked for no more than a model."""

    def read_request(self, kwargs: Mapping[str, Any]) -> Request:
        """The model; nothing else of it has a name in the conventions."""
        return Request(model=plain(kwargs.get("model")))


def read_head(reading: Reading, said: Mapping[str, Any]) -> None:
    """The answer's id and model."""
    reading.id = plain(said.get("id")) or reading.id
    reading.model = plain(said.get("model")) or reading.model
