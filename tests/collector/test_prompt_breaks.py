"""Where a session's prompts stop beginning alike, so that a provider's prompt cache is of no use."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from collector.ageing import keep
from collector.test_conversations import call
from collector.vocabularies.spans import says

from otelllm_collector.stores.duckdb import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

SYSTEM = {"gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be kind."}])}


def of_session(session: str, at: int, *texts: str, tokens: int, cached: int = 0, **more: Any) -> Span:
    said = [says("assistant" if number % 2 else "user", text) for number, text in enumerate(texts)]
    used = {"gen_ai.usage.input_tokens": tokens, "gen_ai.usage.cache_read.input_tokens": cached}
    answer = says("assistant", f"{at}")
    return call(at, *said, answer=answer, **{"session.id": session}, **used, **{**SYSTEM, **more})


def test_the_first_message_that_differs_and_what_was_not_cached(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    other = {"gen_ai.system_instructions": json.dumps([{"type": "text", "content": "It is 10:02."}])}
    tools = {"gen_ai.tool.definitions": json.dumps([{"type": "function", "name": "look"}])}
    keep(
        store,
        of_session("kept", 0, "a", tokens=100),
        of_session("kept", 1, "a", "b", "c", tokens=300, cached=100),
        of_session("kept", 2, "a", tokens=100, cached=100),  # shorter: all of it is in the cache
        of_session("edited", 0, "a", "b", "c", tokens=1000),
        of_session("edited", 1, "a", "B", "c", "d", "e", tokens=1500, cached=200),
        of_session("edited", 2, "a", "B", "c", "d", "e", "f", "g", tokens=1700, cached=1500),
        of_session("timed", 0, "a", tokens=500),
        of_session("timed", 1, "a", "b", "c", tokens=600, **other),
        of_session("tools", 0, "a", tokens=500),
        of_session("tools", 1, "a", "b", "c", tokens=600, cached=10, **tools),
        of_session("model", 0, "a", tokens=500),
        of_session("model", 1, "b", tokens=600, **{"gen_ai.agent.name": "another"}),
    )
    query = "select session_id, broke_at, message, uncached_tokens, was.body ->> '$.parts[0].content' as was, " \
        "is_.body ->> '$.parts[0].content' as is_now from prompt_breaks as p " \
        "left join messages as was on was.message_id = p.was_message_id " \
        "left join messages as is_ on is_.message_id = p.is_message_id order by session_id"  # fmt: skip
    assert store.sql(query, 10, 5).rows == [
        ("edited", "message", 2, 800, "b", "B"),
        ("timed", "system", None, 500, None, None),
        ("tools", "tools", None, 490, None, None),
    ]
    store.close()
