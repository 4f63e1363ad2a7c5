"""What makes two requests the same, and what makes them two."""

from __future__ import annotations

import datetime as dt
import io
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import Any

import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from otelllm.enforce.cache.key import Uncacheable, request_key

HEAD = ["openai", "who", "chat"]
MESSAGES = [{"role": "user", "content": "hello"}]


class Day(BaseModel):
    """A day."""

    name: str
    number: int


class Night(BaseModel):
    """A day."""

    number: int
    name: str


@dataclass
class Plain:
    name: str


def key(**kwargs: Any) -> bytes:
    return request_key(kwargs, HEAD)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"model": "a", "seed": 1}, {"seed": 1, "model": "a"}),
        ({"messages": [{"role": "user", "content": "x"}]}, {"messages": [{"content": "x", "role": "user"}]}),
        ({"messages": MESSAGES}, {"messages": tuple(MESSAGES)}),
        ({"messages": MESSAGES}, {"messages": deque(MESSAGES)}),
        ({"messages": MESSAGES}, {"messages": [MappingProxyType(MESSAGES[0])]}),
        ({"seed": 1}, {"seed": 1, "timeout": 5.0}),
        ({"seed": 1}, {"seed": 1, "stop": openai.NOT_GIVEN, "n": openai.omit}),
        ({"seed": 1}, {"seed": 1, "extra_headers": {"traceparent": "00-1-1-00", "X-Stainless-Helper-Method": "x"}}),
        ({"seed": 1}, {"seed": 1, "extra_headers": None}),
        ({"extra_headers": {"OpenAI-Beta": "x"}}, {"extra_headers": {"openai-beta": "x"}}),
        ({"logit_bias": {50256: -100}}, {"logit_bias": {"50256": -100}}),
        ({"messages": [Day(name="a", number=1)]}, {"messages": [{"name": "a", "number": 1}]}),
        ({"response_format": Day}, {"response_format": Day}),
    ],
)  # fmt: skip
def test_the_same_request(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Whatever is sent as the same bytes, and whatever only says when to answer, is one request."""
    assert key(**one) == key(**other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"temperature": 0}, {"temperature": 1}),
        ({"seed": 1}, {"seed": True}),
        ({"stop": "1"}, {"stop": 1}),
        ({"stop": "a"}, {"stop": ["a"]}),
        ({"n": None}, {}),
        ({"messages": MESSAGES}, {"messages": MESSAGES * 2}),
        ({"messages": MESSAGES}, {"input": MESSAGES}),
        ({"messages": [], "input": MESSAGES}, {"messages": MESSAGES, "input": []}),
        ({"a_parameter_of_next_year": 1}, {}),
        ({"extra_body": {"top_k": 1}}, {"top_k": 1}),
        ({"extra_headers": {"openai-beta": "x"}}, {}),
        ({"response_format": Day}, {"response_format": Night}),
        ({"input": b"a"}, {"input": b"b"}),
        ({"input": b"a"}, {"input": "a"}),
        ({"input": dt.date(2026, 1, 1)}, {"input": "2026-01-01"}),
        # A model fills in a schema's properties in their order.
        (
            {"tools": [{"properties": {"a": {}, "b": {}}}]},
            {"tools": [{"properties": {"b": {}, "a": {}}}]},
        ),
    ],
)
def test_different_requests(one: dict[str, Any], other: dict[str, Any]) -> None:
    """A parameter counts, whether we know it or not."""
    assert key(**one) != key(**other)


def test_what_an_api_leaves_out_does_not_count() -> None:
    """By allow-out: the same argument counts wherever it was not named."""
    one, other = {"seed": 1, "user": "a"}, {"seed": 1, "user": "b"}
    left_out = frozenset({"user"})
    assert request_key(one, HEAD, left_out=left_out) == request_key(other, HEAD, left_out=left_out)
    assert request_key(one, HEAD) != request_key(other, HEAD)


@pytest.mark.parametrize("head", [["a", "b"], ["ab", ""], ["", "ab"], ["a", None, "b"], ['a","b'], []])
def test_whose_request_it_is_counts(head: list[str | None]) -> None:
    """Neighbouring parts never run into one another."""
    others = [["a", "bc"], ["abc"], ["a", "b", ""], [None, "a", "b"]]
    assert request_key({"seed": 1}, head) not in [request_key({"seed": 1}, other) for other in others]


@pytest.mark.parametrize(
    "value",
    [
        (one for one in MESSAGES), iter(MESSAGES), io.BytesIO(b"x"), Path(__file__), print, {1, 2}, object(), 2**70,
        float("nan"), {"deep": [float("inf")]}, "\ud800", 1j,
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_can_not_be_told_apart_makes_no_key(value: Any) -> None:
    """And it is left as it was: a generator is the SDK's to read."""
    with pytest.raises(Uncacheable):
        key(messages=value)
    if hasattr(value, "gi_frame"):
        assert list(value) == MESSAGES


def test_an_argument_that_is_nested_too_deep_makes_no_key() -> None:
    """Whatever the app's stack looks like."""
    value: list[Any] = []
    for _ in range(2000):
        value = [value]
    with pytest.raises(Uncacheable):
        key(messages=value)


def test_the_reason_names_no_value() -> None:
    """It goes onto a span: prompts don't."""
    with pytest.raises(Uncacheable) as caught:
        key(messages=[{"content": {"secret prompt"}}])
    assert "secret" not in str(caught.value)


_NAMES = ("model", "messages", "temperature", "tools", "seed", "stop", "extra_body", "new_one")
_LEAVES = (
    None,
    True,
    False,
    0,
    1,
    -1,
    0.0,
    0.5,
    1.0,
    2**53,
    "",
    "a",
    "b",
    "0",
    "null",
    "user",
    "\n",
    '"',
    "\u00e9",
    "e\u0301",
)
_PARTS = (None, "", "a", "b", "ab", "user", "u1")


def _value(random: Random, depth: int = 3) -> Any:
    kind = random.randrange(5) if depth else 0
    if kind < 3:
        return random.choice(_LEAVES)
    if kind == 3:
        return [_value(random, depth - 1) for _ in range(random.randrange(4))]
    return {random.choice("abc0"): _value(random, depth - 1) for _ in range(random.randrange(4))}


def _request(random: Random) -> dict[str, Any]:
    return {random.choice(_NAMES): _value(random) for _ in range(random.randrange(1, 5))}


def _changed(value: Any, random: Random) -> Any:
    """The same but for one place at most."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        name = random.choice(list(value))
        return {**value, name: _changed(value[name], random)}
    if isinstance(value, list) and value and random.random() < 0.9:
        place = random.randrange(len(value))
        return [*value[:place], _changed(value[place], random), *value[place + 1 :]]
    return _value(random, 1)


def _strictly(value: Any) -> Any:
    """Equal only where it is the same JSON: 1, 1.0 and True are three."""
    if isinstance(value, dict):
        return {name: _strictly(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_strictly(inner) for inner in value]
    return type(value).__name__, str(value)


@settings(max_examples=10_000, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(st.integers(0, 2**64))
@pytest.mark.slow
def test_10_000_pairs_of_requests_share_a_key_only_where_they_are_the_same(seed: int) -> None:
    """No hit across differing parameters, or across scopes; a hit for the same, in whatever order they stand."""
    random = Random(seed)
    one, mine = _request(random), [random.choice(_PARTS) for _ in range(3)]
    name = random.choice(list(one))
    near = {**one, name: _changed(one[name], random)}
    other = random.choice((dict(reversed(one.items())), near, _request(random)))
    yours = random.choice((list(mine), [random.choice(_PARTS) for _ in range(random.randrange(2, 4))]))
    is_same = _strictly(one) == _strictly(other) and mine == yours
    if is_same and [list(it) for it in _schemas(one)] != [list(it) for it in _schemas(other)]:
        return  # of these the order counts
    assert (request_key(one, mine) == request_key(other, yours)) is is_same


def _schemas(request: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            found.append(value)
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            walk(inner)

    for name in sorted(request):
        if name != "messages":
            walk(request[name])
    return found
