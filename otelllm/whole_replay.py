"""How whole answers that are pydantic models are kept and given again, where no SDK's own way is needed for it."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

import orjson

from .model_records import dumped, is_model, loaded, reader_of
from .recorded import Recorded, Revived
from .spec import Received, Surface

__all__ = ["WholeReplay", "digest"]


def digest(*told: object) -> str | None:
    """Of what makes a client another one; None where something of it has no text."""
    try:
        return sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()
    except TypeError:
        return None


class WholeReplay:
    """A part of a `Provider`: all but `identity`. Streams are not kept."""

    records_streams = False
    answers_of: str
    """The SDK's module, below which the classes of its answers are."""

    def record(self, instance: Any, surface: Surface, received: Received) -> Recorded | None:
        """Its JSON, where its class makes an equal object of that."""
        body = received.body
        if received.kind != "whole" or not is_model(body):
            return None
        content = dumped(body)
        reader = reader_of(body, content, self.answers_of)
        return Recorded("whole", content, reader) if reader else None

    def revive(self, instance: Any, surface: Surface, kwargs: Mapping[str, Any], recorded: Recorded) -> Revived | None:
        """A new object of the class that it was."""
        made = loaded(recorded.type, recorded.body, self.answers_of)
        return None if made is None else Revived(made)
