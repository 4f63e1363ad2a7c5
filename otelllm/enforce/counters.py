"""[state]: where the counters of limits and budgets live, and what happens while they can't be reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..errors import BadConfig
from ..state.opening import check_url
from . import values
from .values import Wrong

__all__ = ["Counters", "read"]


@dataclass(frozen=True, slots=True)
class Counters:
    """The section's keys."""

    url: str = "sqlite:"
    fail: Literal["open", "closed"] = "open"


def read(value: object) -> Counters:
    """[state]."""
    table = values.table(value, ("state",), ("url", "fail"))
    url = values.text(table.get("url", "sqlite:"), ("state", "url"))
    try:
        check_url(url)
    except BadConfig as error:
        raise Wrong(("state", "url"), f"state.url = {error}") from error
    return Counters(url, values.one_of(table.get("fail", "open"), ("state", "fail"), ("open", "closed")))
