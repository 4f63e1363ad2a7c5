"""Feedback over HTTP: durable, kept once however often it is sent, and refused with a reason."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from collector.exports import ids, put, request, span
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from otelllm_collector.rows import Batch, ScoreRow

if TYPE_CHECKING:
    from pathlib import Path

    from collector.process import Collector, Start

    from otelllm_collector.stores.spec import Store


def target() -> dict[str, Any]:
    """A span that no other test judges."""
    trace_id, span_id = ids()
    return {"trace_id": trace_id.hex(), "span_id": span_id.hex()}


def stored(collector: Collector, of: dict[str, Any]) -> list[list[Any]]:
    where = " and ".join(f"{name} = '{value}'" for name, value in of.items() if name.endswith("_id"))
    return collector.sql(f"select name, value, label, explanation from scores where {where} order by time_ns")


def give(collector: Collector, **fields: Any) -> None:
    answer = collector.client.post("/v1/feedback", json=fields)
    assert (answer.status_code, answer.json()) == (200, {}), answer.text


def test_it_is_on_its_span(collector: Collector) -> None:
    one = span({"gen_ai.response.id": "resp-1"})
    collector.send(request(one))
    of = {"trace_id": one.trace_id.hex(), "span_id": one.span_id.hex()}
    give(collector, **of, score=True, name="thumbs", comment="as I wanted", user="u-1")
    give(collector, response_id="resp-1", label="good", explanation="clear")
    shown = collector.get(f"/api/traces/{of['trace_id']}/spans/{of['span_id']}")["scores"]
    assert [{key: value for key, value in one.items() if key != "time_ns"} for one in shown] == [
        {"name": "thumbs", "value": 1.0, "label": None, "explanation": "as I wanted"},
        {"name": "feedback", "value": None, "label": "good", "explanation": "clear"},
    ]
    assert abs(shown[0]["time_ns"] - time.time_ns()) < 60e9
    ((attributes,),) = collector.sql(f"select attributes from scores where trace_id = '{of['trace_id']}'")
    assert attributes == '{"user.id":"u-1"}'


def test_it_says_the_same_as_an_event_of_the_library(collector: Collector) -> None:
    """`otelllm.feedback()` sends an event by OTLP: both are one kind of row."""
    by_http, by_otlp = target(), target()
    export = ExportLogsServiceRequest()
    record = export.resource_logs.add().scope_logs.add().log_records.add(
        event_name="gen_ai.evaluation.result", time_unix_nano=time.time_ns(),
        trace_id=bytes.fromhex(by_otlp["trace_id"]), span_id=bytes.fromhex(by_otlp["span_id"]),
    )  # fmt: skip
    put(record, {
        "gen_ai.evaluation.name": "thumbs", "gen_ai.evaluation.score.value": 0.5,
        "gen_ai.evaluation.score.label": "meh", "gen_ai.evaluation.explanation": "too long",
    })  # fmt: skip
    assert collector.send(export, "/v1/logs").status_code == 200
    give(collector, **by_http, name="thumbs", score=0.5, label="meh", comment="too long")
    assert stored(collector, by_http) == stored(collector, by_otlp) == [["thumbs", 0.5, "meh", "too long"]]


def test_the_same_word_again_is_kept_once_and_another_word_is_not(collector: Collector) -> None:
    of = target()
    for score in (1, 1, 1.0, 0, 0, 1):
        give(collector, **of, score=score)
    assert [row[1] for row in stored(collector, of)] == [1.0, 0.0, 1.0]
    for user in ("u-1", "u-2", "u-1"):
        give(collector, **of, score=1, user=user)
    give(collector, **of, score=1, name="tone")
    assert [row[:2] for row in stored(collector, of)[3:]] == [["feedback", 1.0], ["feedback", 1.0], ["tone", 1.0]]


def test_an_id_says_what_is_the_same(collector: Collector) -> None:
    of, other = target(), target()
    give(collector, **of, score=1, id=f"first {of['trace_id']}")
    give(collector, **of, score=0, id=f"second {of['trace_id']}")
    give(collector, **of, score=1, id=f"first {of['trace_id']}")  # its answer got lost; it came late
    assert [row[1] for row in stored(collector, of)] == [1.0, 0.0]
    give(collector, **of, score=0, id=f"third {of['trace_id']}")
    assert [row[1] for row in stored(collector, of)] == [1.0, 0.0, 0.0]  # a vote of its own, for it says so
    give(collector, **other, score=0)
    assert [row[1] for row in stored(collector, other)] == [0.0]


def test_what_comes_at_the_same_moment_is_kept_once(collector: Collector) -> None:
    """All wait for one commit: what tells that they are one is asked there, not before."""
    of = target()
    threads = [threading.Thread(target=give, args=(collector,), kwargs={**of, "score": 1, "id": of["span_id"]})
               for _ in range(16)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stored(collector, of)) == 1


def test_it_is_durable_and_known_after_a_crash(start: Start, tmp_path: Path) -> None:
    of = target()
    running = start(tmp_path)
    give(running, **of, score=1)
    give(running, **of, score=1, id="click-1", name="by id")
    running.kill()
    again = start(tmp_path)
    give(again, **of, score=1)
    give(again, **of, score=1, id="click-1", name="by id")
    assert [row[0] for row in stored(again, of)] == ["feedback", "by id"]


def test_a_day_later_it_is_new(store: Store) -> None:
    """As with spans; the store's own clock is the row's time."""
    day = 86_400_000_000_000
    begin = time.time_ns()

    def row(after_ns: int, feedback_id: str) -> ScoreRow:
        return ScoreRow(b"1" * 16, 1, None, "n", 1.0, None, None, begin + after_ns, "{}", feedback_id)

    for feedback_id in ("", "a"):
        for after_ns in (0, day - 1, 2 * day):
            store.write([Batch(scores=[row(after_ns, feedback_id)])])
    assert store.sql("select count(*) from scores", 10, 10).rows == [(4,)]


OF = {"trace_id": "1" * 32, "span_id": "2" * 16}


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({**OF}, "no score"),
        ({**OF, "score": None, "comment": ""}, "no score"),
        ({"score": 1}, "what is judged"),
        ({"trace_id": "1" * 32, "score": 1}, "what is judged"),
        ({**OF, "score": "good"}, "score 'good' is no number"),
        ({**OF, "score": [1]}, "score [1] is no number"),
        ({**OF, "trace_id": "12", "score": 1}, "trace_id '12' is not 32"),
        ({**OF, "span_id": "x" * 16, "score": 1}, "span_id 'xxxxxxxxxxxxxxxx' is not 16"),
        ({**OF, "span_id": 7, "score": 1}, "span_id 7 is no text"),
        ({"trace_id": "0" * 32, "span_id": "0" * 16, "score": 1}, "zeros"),
        ({**OF, "response_id": "r", "score": 1}, "two targets"),
        ({**OF, "score": 1, "comment": "a", "explanation": "b"}, "the same"),
        ({**OF, "scor": 1}, "'scor'"),
        ({**OF, "score": 1, "label": 5}, "label 5 is no text"),
        ({**OF, "score": 1, "name": "n" * 201}, "name has 201 characters"),
        ([1], "no JSON object"),
    ],
    ids=str,
)
def test_what_is_wrong_is_told(collector: Collector, fields: Any, named: str) -> None:
    answer = collector.client.post("/v1/feedback", json=fields)
    assert answer.status_code == 400, answer.text
    assert named in answer.json()["error"]
    assert collector.sql(f"select count(*) from scores where trace_id = '{OF['trace_id']}'") == [[0]]


@pytest.mark.parametrize(
    ("content", "media_type", "named"),
    [
        (b"{", "application/json", "not JSON"),
        (b'{"score": NaN}', "application/json", "not JSON"),
        (b'{"score": 1e999}', "application/json", ""),
        (b"{}", "text/plain", "Content-Type 'text/plain'"),
        (b'{"comment": "' + b"x" * 70_000 + b'"}', "application/json", "longer than 65536"),
    ],
)
def test_a_body_that_is_none_is_told(collector: Collector, content: bytes, media_type: str, named: str) -> None:
    answer = collector.client.post("/v1/feedback", content=content, headers={"content-type": media_type})
    assert answer.status_code == 400, answer.text
    assert named in answer.json()["error"]
