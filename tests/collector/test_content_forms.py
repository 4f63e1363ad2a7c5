"""How content was written is told without writing it again, where that is sure."""

from __future__ import annotations

import json
import random
from typing import Any

import orjson
import pytest

from otelllm_collector.content_forms import _is_spaced, form_of, written

SIGNS = [
    "a",
    "order",
    " ",
    ", ",
    ": ",
    '"',
    "\\",
    '\\"',
    "\n",
    "\t",
    "\x7f",
    "\x01",
    "é",
    "🦆",
    "/",
    "\ud7ff",
    "{",
    "],",
    '":',
]


def content(chance: random.Random, depth: int = 0) -> Any:
    kind = chance.randrange(8 if depth < 3 else 5)
    if kind < 2:
        return "".join(chance.choices(SIGNS, k=chance.randrange(6)))
    if kind < 5:
        return chance.choice([0, -7, 2**63, 1.0, 0.1, 1e16, 1e-7, -0.0, True, False, None])
    if kind < 6:
        return [content(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {"".join(chance.choices(SIGNS, k=3)): content(chance, depth + 1) for _ in range(chance.randrange(4))}


def test_what_is_taken_for_spaced_is_what_python_writes() -> None:
    chance, taken = random.Random(5), 0
    for _ in range(20_000):
        made = content(chance)
        compact = orjson.dumps(made).decode()
        for value in (json.dumps(made), json.dumps(made, ensure_ascii=False), compact.replace(",", ", "), compact):
            if _is_spaced(value, compact):
                assert value == json.dumps(made, ensure_ascii=value.isascii())
                taken += 1
    assert taken > 10_000


@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_messages_as_python_writes_them_need_no_second_writing(ensure_ascii: bool) -> None:
    said = 'He said: "late, please: \\ help"\n- 1\t2' + ("" if ensure_ascii else " für 🦆")
    messages = [{"role": "user", "parts": [{"type": "text", "content": said, "n": 7, "is": [True, None, {}]}]}]
    value = json.dumps(messages, ensure_ascii=ensure_ascii)
    bodies = [orjson.dumps(one).decode() for one in messages]
    assert _is_spaced(value, f"[{bodies[0]}]")
    form = form_of(value, messages, bodies, is_single=False)
    assert form == ("ascii spaced" if ensure_ascii else "letters spaced")
    assert written(form, bodies) == value
