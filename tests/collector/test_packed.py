"""Spans as columns: they hold what the rows held, alone and put together."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any
from uuid import UUID

import duckdb
import pytest
from collector.exports import put, request, span, trace_of_agent

from otelllm_collector.columns import Piece, arrays, joined
from otelllm_collector.decode import decode
from otelllm_collector.packed import pack, span_rows
from otelllm_collector.span_row import NAMES, SpanRow
from otelllm_collector.stores.duckdb import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from otelllm_collector.columns import Columns

CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Where is my order?"}]}]',
    "gen_ai.output.messages": '[{"role":"assistant","parts":[]}]',
    "gen_ai.system_instructions": '[{"type":"text","content":"Be brief."}]',
    "gen_ai.response.finish_reasons": ["stop"],
    "gen_ai.usage.input_tokens": 7,
    "llm.score": 0.5,
    "text": "ümläut 🦆",
}


@pytest.fixture
def columns(tmp_path: Path) -> Columns:
    store = open_store(tmp_path / "data")
    found = store.span_columns
    store.close()
    return found


def test_columns_hold_what_the_rows_held(columns: Columns) -> None:
    spans = [span(CHAT), span(), *trace_of_agent(10**18)]
    for number in range(3):
        spans[0].events.add(name=f"event {number}", time_unix_nano=7)
    put(spans[1], {"gen_ai.input.messages": "no JSON", "gen_ai.usage.input_tokens": 2**62})
    body = request(*spans).SerializeToString()
    expected = decode("traces", body, is_json=False, now_ns=5)
    batch = decode("traces", body, is_json=False, now_ns=5)
    pack(batch, columns)
    assert batch.size == expected.size == len(spans)
    assert batch.spans == []
    assert batch.columns is not None
    assert span_rows(batch.columns, list(batch.messages)) == expected.spans


def test_a_rows_values_are_what_its_names_say() -> None:
    """Each of them, in order: they are written out twice, for a compiled class has no list of its attributes."""
    texts = {"trace_id": b"t", "name": "n", "kind": "k"}
    numbers = dict.fromkeys(("span_id", "start_ns", "end_ns", "resource_id", "scope_id", "received_ns"), 1)
    plain = SpanRow(parent_span_id=None, **texts, **numbers)
    for place, name in enumerate(NAMES):
        known = getattr(plain, name)
        other = next(one for one in OTHERS if one != known and _takes(plain, name, one))
        changed = SpanRow(**{**dict(zip(NAMES, plain.values(), strict=True)), name: other})
        differ = [
            at for at, pair in enumerate(zip(plain.values(), changed.values(), strict=True)) if pair[0] != pair[1]
        ]
        assert differ == [place], name
        assert changed != plain


OTHERS: list[Any] = ["text", 7, 0.5, b"bytes", ["list"], True, False]


def _takes(row: SpanRow, name: str, value: Any) -> bool:
    """Whether a row takes it; compiled, it takes only what is declared."""
    known = getattr(row, name)
    try:
        setattr(row, name, value)
    except TypeError:
        return False
    setattr(row, name, known)
    return True


def test_a_value_that_no_column_holds_is_told_before_the_answer(columns: Columns) -> None:
    batch = decode("traces", request(span(CHAT)).SerializeToString(), is_json=False, now_ns=5)
    batch.spans[0].start_ns = 2**70
    with pytest.raises(OverflowError):
        pack(batch, columns)


@pytest.mark.parametrize("seed", range(20))
def test_pieces_put_together_hold_what_each_held(seed: int) -> None:
    """Of every type, with and without what is missing, of any number of rows."""
    chance = random.Random(seed)
    columns = {
        "text": "VARCHAR", "id": "UUID", "time": "BIGINT", "number": "UBIGINT", "flags": "UINTEGER", "parts": "INTEGER",
        "cost": "DOUBLE", "counted": "BOOLEAN", "names": "VARCHAR[]", "input_messages": "BIGINT[]",
        "tool_definitions": "BIGINT", "never": "VARCHAR",
    }  # fmt: skip
    pieces, expected = [], []
    for _ in range(chance.randint(1, 5)):
        rows = [_Row(chance, chance.random()) for _ in range(chance.randint(1, 40))]
        ids = [0, *chance.sample(range(1, 100), 9)]
        others = {"text": [chance.choice((None, "other")) for _ in rows]} if chance.random() < 0.3 else {}
        pieces.append(Piece(len(rows), arrays(columns, rows, {bytes([n]): n for n in range(10)}), ids, others))
        for place, row in enumerate(rows):
            inputs = row.input_hashes and [ids[one[0]] for one in row.input_hashes]
            tools = None if row.tools_hash is None else ids[row.tools_hash[0]]
            text = others["text"][place] if others else row.text
            expected.append([text, row.id, row.time, row.number, row.flags, row.parts, row.cost, row.counted, row.names,
                             inputs, tools, None])  # fmt: skip
    with duckdb.connect() as connection:
        connection.register("made", joined(columns, pieces))
        found = connection.execute("select * replace (id::varchar as id) from made").fetchall()
    as_id = [[one if place != 1 or one is None else str(UUID(bytes=one)) for place, one in enumerate(row)]
             for row in expected]  # fmt: skip
    assert [list(row) for row in found] == as_id


class _Row:
    def __init__(self, chance: random.Random, present: float) -> None:
        def maybe(value: Any) -> Any:
            return value if chance.random() < present else None

        self.text = maybe(chance.choice(("", "a", "ümläut 🦆", "x" * 300)))
        self.id = maybe(chance.randbytes(16))
        self.time, self.number = maybe(chance.getrandbits(62)), maybe(chance.getrandbits(64))
        self.flags, self.parts = maybe(chance.getrandbits(32)), maybe(chance.getrandbits(30))
        self.cost, self.counted = maybe(chance.random()), maybe(chance.random() < 0.5)
        self.names = maybe([chance.choice(("stop", "", "é")) for _ in range(chance.randint(0, 3))])
        self.input_hashes = maybe([bytes([chance.randrange(10)]) for _ in range(chance.randint(0, 4))])
        self.tools_hash = maybe(bytes([chance.randrange(10)]))
        self.never = None
