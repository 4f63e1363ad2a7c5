"""Calls without a session are of the conversation that they go on with, and nobody else's."""

from __future__ import annotations

import json
import random
import time
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from collector.ageing import keep, rows
from collector.exports import Unsaid, request, span
from collector.vocabularies.spans import says

from otelllm_collector.decode import decode
from otelllm_collector.encode import encode_spans
from otelllm_collector.questions import Page, SpanFilter
from otelllm_collector.rows import Batch
from otelllm_collector.stores.duckdb import open_store

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.proto.trace.v1.trace_pb2 import Span

    from otelllm_collector.stores.duckdb import DuckDBStore

BEGIN = time.time_ns() - 3600 * 10**9


def call(at: int, *said: Any, answer: Any, **more: Any) -> Span:
    """A call at a second: what was said before, the answer with a finish reason that no app sends back."""
    answers = [{**answer, "finish_reason": "stop"}] if isinstance(answer, dict) else answer
    attributes = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", **more}
    attributes["gen_ai.input.messages"] = json.dumps(list(said))
    attributes["gen_ai.output.messages"] = json.dumps(answers)
    return span(attributes, start_time_unix_nano=BEGIN + at * 10**9)


def conversation(texts: list[str], at: int = 0, **more: Any) -> list[Span]:
    """A call for each pair of texts, question and answer, with all before it."""
    said: list[Any] = []
    calls = []
    for number in range(0, len(texts), 2):
        said.append(says("user", texts[number]))
        answer = says("assistant", texts[number + 1])
        calls.append(call(at + number, *said, answer=answer, **more))
        said.append(answer)
    return calls


def sessions(store: DuckDBStore, calls: list[Span]) -> list[str | None]:
    found = [store.span(one.trace_id.hex(), one.span_id.hex()) for one in calls]
    return [one and str(one["session_id"]) if one and one["session_id"] else None for one in found]


@pytest.fixture
def store(tmp_path: Path) -> Any:
    store = open_store(tmp_path)
    yield store
    store.close()


def test_interleaved_conversations_are_told_apart_in_any_order_of_a_request(store: DuckDBStore) -> None:
    talks = [conversation([f"{who} {n}" for n in range(8)], at=number) for number, who in enumerate("abc")]
    every = [one for talk in talks for one in talk]
    random.Random(1).shuffle(every)
    keep(store, *every[:6])
    keep(store, *every[6:])
    named = [set(sessions(store, talk)) for talk in talks]
    assert [len(names) for names in named] == [1, 1, 1]
    assert len(set.union(*named)) == 3
    assert None not in set.union(*named)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("users", [({"user.id": "u1"}, {"user.id": "u2"}), ({}, {})], ids=["named", "nameless"])
@pytest.mark.parametrize("then", [("I am A", "I am B"), ("Well?", "Well?")], ids=["different", "the same"])
def test_users_who_begin_alike_stay_two(store: DuckDBStore, users: Any, then: Any, together: bool) -> None:
    """The same prompt, the same "Hello", the same answer."""
    system = says("system", "You help.")
    hello, hi = says("user", "Hello"), says("assistant", "Hi!")
    calls = [call(number, system, hello, answer=hi, **user) for number, user in enumerate(users)]
    for number, user in enumerate(users):
        said = [system, hello, hi, says("user", then[number])]
        calls.append(call(10 + number, *said, answer=says("assistant", "Well"), **user))
    for batch in [calls] if together else [[one] for one in calls]:
        keep(store, *batch)
    found = sessions(store, calls)
    assert len(set(found)) == 2
    assert None not in found
    assert found[2] != found[3]
    if users[0]:
        assert found[:2] == found[2:]


def test_one_question_alone_is_no_session(store: DuckDBStore) -> None:
    calls = [
        call(n, says("system", "Sort."), says("user", "the same"), answer=says("assistant", "A")) for n in range(3)
    ]
    keep(store, *calls)
    assert sessions(store, calls) == [None] * 3
    assert rows(store, "select count(*) from spans where session_inferred") == [0]


def test_forks_and_answers_asked_for_again_are_of_the_same_session(store: DuckDBStore) -> None:
    trunk = conversation(["q1", "a1", "q2", "a2"])
    before = [says("user", "q1"), says("assistant", "a1")]
    fork = call(10, *before, says("user", "another"), answer=says("assistant", "b2"))
    again = call(11, *before, says("user", "another"), answer=says("assistant", "b3"))
    further = call(12, *before, says("user", "another"), says("assistant", "b3"), says("user", "q3"), answer=[])
    unanswered = call(13, *before, says("user", "another"), says("assistant", "b3"), says("user", "q3"), answer=[])
    for one in (*trunk, fork, again, further, unanswered):
        keep(store, one)
    assert len(set(sessions(store, [*trunk, fork, again, further, unanswered]))) == 1
    assert None not in sessions(store, [trunk[0], unanswered])


def test_an_answer_is_known_however_it_is_written_again(store: DuckDBStore) -> None:
    tool = {"type": "tool_call", "id": "c1", "name": "look", "arguments": {"a": 1, "b": 2}}
    thought = {"type": "reasoning", "content": "hm"}
    first = call(0, says("user", "q"), answer={
        "role": "assistant", "parts": [thought, {"type": "text", "content": "Let me look. "}, tool]})  # fmt: skip
    result = {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "x"}]}
    retold = {**tool, "arguments": '{"b": 2, "a": 1}'}
    second = call(
        1, says("system", "It is now 10:01."), says("user", "q"), says("assistant", "Let me look."),
        {"role": "assistant", "parts": [retold]}, result, answer=says("assistant", "done"),
    )  # fmt: skip
    keep(store, first)
    keep(store, second)
    assert len({*sessions(store, [first, second])} - {None}) == 1
    assert None not in sessions(store, [first, second])


def test_what_comes_late_still_joins(store: DuckDBStore) -> None:
    talk = conversation(["q1", "a1", "q2", "a2", "q3", "a3"])
    for one in reversed(talk):
        keep(store, one)
    assert len(set(sessions(store, talk))) == 1
    assert None not in sessions(store, talk)


def test_a_restart_and_a_resent_batch_change_nothing(tmp_path: Path) -> None:
    talk = conversation(["q1", "a1", "q2", "a2", "q3", "a3"])
    other = conversation(["q1", "a1"], at=1, **{"user.id": "u2"})
    named: list[Any] = []
    for number, one in enumerate(talk):
        store = open_store(tmp_path)
        for _ in range(2):
            keep(store, one)
        if number == 0:
            keep(store, *other)
        named = sessions(store, talk[: number + 1])
        store.close()
    assert len(set(named)) == 1
    assert None not in named
    store = open_store(tmp_path)
    fuller = talk[1]
    fuller.attributes.add(key="more").value.int_value = 1
    keep(store, fuller)
    assert sessions(store, talk) == named
    assert rows(store, "select count(*) from spans") == [4]
    store.close()


def test_what_a_transaction_found_that_failed_is_found_again(store: DuckDBStore) -> None:
    talk = conversation(["q1", "a1", "q2", "a2", "q3", "a3"])
    keep(store, talk[0])
    batch = decode("traces", request(*talk[1:]).SerializeToString(), is_json=False, now_ns=BEGIN)
    unsaid: Any = [Unsaid()]  # what breaks it
    with pytest.raises(duckdb.ConstraintException):
        store.write([batch, Batch(logs=unsaid)])
    assert sessions(store, talk[:1]) == [None]
    store.write([batch])
    assert len(set(sessions(store, talk))) == 1
    assert None not in sessions(store, talk)


def test_who_names_a_session_is_left_alone(store: DuckDBStore) -> None:
    named = conversation(["q1", "a1", "q2", "a2"], **{"session.id": "mine"})
    thread = conversation(["p1", "a1", "p2", "a2"], **{"gen_ai.conversation.id": "thread"})
    keep(store, *named, *thread)
    assert sessions(store, named + thread) == ["mine", "mine", None, None]
    assert rows(store, "select count(*) from spans where session_inferred") == [0]


def test_a_session_that_was_found_is_shown_as_any_and_never_given_back(store: DuckDBStore) -> None:
    talk = conversation(["q1", "a1", "q2", "a2"])
    for one in talk:
        keep(store, one)
    [name] = set(sessions(store, talk))
    assert name is not None
    chosen = SpanFilter(session=(name,))
    assert len(store.spans(chosen, Page(10))) == len(store.traces(chosen, Page(10))) == 2
    assert [trace["sessions"] for trace in store.traces(chosen, Page(10))] == [[name], [name]]
    assert store.aggregates("session", "none", SpanFilter(), 5)[0]["key"] == name
    assert store.facets("session", SpanFilter(), 5) == [{"value": name, "count": 2}]
    assert store.spans(chosen, Page(1))[0]["session_inferred"] is True
    assert rows(store, "select session_id, session_inferred from spans") == [(name, True)] * 2
    for batch in store.batches(SpanFilter()):
        assert name.encode() not in encode_spans(batch).SerializeToString()
