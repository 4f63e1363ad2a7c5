"""Agents that send their whole conversation again each turn, many at a time: the store grows with what is new."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING, Any

import pytest
from collector.exports import ids, request, span

from otelllm_collector.decode import decode
from otelllm_collector.stores.duckdb import open_store

if TYPE_CHECKING:
    from pathlib import Path

AGENTS = 100
WORDS = [f"{one}{two}" for one in ("or", "ship", "re", "un", "pay", "car", "ti", "fo") for two in range(900)]
"""A vocabulary as wide as prose: what compresses well would hide what is stored twice."""


def _message(chance: random.Random, role: str, words: int) -> dict[str, Any]:
    text = " ".join(chance.choice(WORDS) for _ in range(words))
    return {"role": role, "parts": [{"type": "text", "content": text}]}


@pytest.mark.slow
@pytest.mark.parametrize("turns", [30, 50])
def test_the_store_grows_with_what_is_new(tmp_path: Path, turns: int) -> None:
    """100 agents in turn: content at most 1.2 times the distinct text, and 700 bytes a call on disk (`bench/agents.py`
    has the bytes of longer texts).
    """
    chance = random.Random(turns)
    store = open_store(tmp_path)
    histories: list[list[dict[str, Any]]] = [[] for _ in range(AGENTS)]
    trace_ids = [ids()[0] for _ in range(AGENTS)]
    begin = time.time_ns() - 3600 * 10**9
    raw = distinct = 0
    for turn in range(turns):
        spans = []
        for agent, history in enumerate(histories):
            new = [_message(chance, "user", 20), _message(chance, "assistant", 30)]
            history.append(new[0])
            spans.append(
                span(
                    {
                        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai",
                        "gen_ai.request.model": "gpt-5", "gen_ai.usage.input_tokens": 100 * turn,
                        "gen_ai.input.messages": json.dumps(history, separators=(",", ":")),
                        "gen_ai.output.messages": json.dumps(new[1:], separators=(",", ":")),
                    },
                    trace_id=trace_ids[agent], start_time_unix_nano=begin + (turn * AGENTS + agent) * 10**6,
                )
            )  # fmt: skip
            history.append(new[1])
            distinct += sum(len(json.dumps(one)) for one in new)
        body = request(*spans).SerializeToString()
        raw += len(body)
        store.write([decode("traces", body, is_json=False, now_ns=time.time_ns())])
    kept = store.sql("select sum(length(body)) from messages", 1, 30).rows[0][0]
    assert isinstance(kept, int | float)
    assert kept <= 1.2 * distinct
    store.close()
    assert raw > 10 * distinct, "they do send it again"
    assert (tmp_path / "otelllm.duckdb").stat().st_size <= 700 * AGENTS * turns
