"""What other vocabularies say of evaluations on spans is kept as scores."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from collector.exports import put, request, span

from otelllm_collector.decode import decode

if TYPE_CHECKING:
    from otelllm_collector.rows import Batch, ScoreRow
    from otelllm_collector.stores.spec import Store

NOW = 1_795_000_000_000_000_000


def batch_of(attributes: dict[str, Any], *, name: str = "step", scope: str = "") -> Batch:
    message = request(span(attributes, name=name))
    message.resource_spans[0].scope_spans[0].scope.name = scope
    return decode("traces", message.SerializeToString(), is_json=False, now_ns=NOW)


def told(score: ScoreRow) -> tuple[Any, ...]:
    return score.name, score.value, score.label, score.explanation


def test_openinference_on_a_call_on_its_trace_and_on_its_session() -> None:
    batch = batch_of({
        "openinference.span.kind": "LLM", "llm.model_name": "gpt-5", "session.id": "s-1",
        "evaluations.0.evaluation.name": "correctness", "evaluations.0.evaluation.score": 0.9,
        "evaluations.0.evaluation.explanation": "as the source says",
        "evaluations.0.evaluation.annotator_kind": "LLM",
        "evaluations.1.evaluation.name": "correctness", "evaluations.1.evaluation.label": "right",
        "annotations.10.annotation.name": "tone", "annotations.10.annotation.label": "kind",
        "annotations.10.annotation.score": 1,
        "trace.evaluations.0.evaluation.name": "solved", "trace.evaluations.0.evaluation.score": 1,
        "session.annotations.0.annotation.name": "csat", "session.annotations.0.annotation.score": 4,
        "evaluations.2.evaluation.name": "says nothing",
    })  # fmt: skip
    [row] = batch.spans
    assert row.operation == "chat"
    assert [told(one) for one in batch.scores] == [
        ("correctness", 0.9, None, "as the source says"),
        ("correctness", None, "right", None),
        ("tone", 1.0, "kind", None),
        ("solved", 1.0, None, None),
        ("csat", 4.0, None, None),
    ]
    first, second, tone, solved, csat = batch.scores
    assert [(one.trace_id, one.span_id) for one in (first, second, tone)] == [(row.trace_id, row.span_id)] * 3
    assert (solved.trace_id, solved.span_id, csat.trace_id, csat.span_id) == (row.trace_id, None, None, None)
    assert (first.time_ns, second.time_ns) == (row.end_ns, row.end_ns + 1), "two judges, and both are kept"
    assert orjson.loads(first.attributes) == {"openinference.annotator_kind": "LLM"}
    assert orjson.loads(csat.attributes) == {"otelllm.evaluation.target": "session", "session.id": "s-1"}
    assert "gen_ai.evaluation.result" not in (row.made or "")


def test_a_span_of_another_library_that_was_judged_stays_what_it_is() -> None:
    native = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
    batch = batch_of({**native, "annotations.0.annotation.name": "useful", "annotations.0.annotation.score": 0})
    assert (batch.spans[0].operation, batch.spans[0].tool_name) == ("execute_tool", "search")
    assert [told(one) for one in batch.scores] == [("useful", 0.0, None, None)]
    plain = batch_of({"annotations.0.annotation.name": "useful", "annotations.0.annotation.score": 0})
    assert (plain.spans[0].operation, len(plain.scores)) == (None, 1)


@pytest.mark.parametrize(
    ("attributes", "name", "expected"),
    [
        ({"score": 1.0, "label": "good", "explanation": "why"}, "Evaluation: exact", ("exact", 1.0, "good", "why")),
        ({"metadata": '{"evaluator_name": "faith", "score": 0.5, "label": "so"}'}, "x", ("faith", 0.5, "so", None)),
        ({"metadata.evaluator_name": "faith", "metadata.score": 0.5}, "x", ("faith", 0.5, None, None)),
        ({"output.value": '{"score": true, "reason": "ok"}'}, "toxic", ("toxic", 1.0, None, "ok")),
        ({"output.value": '[{"name": "faithful", "score": 0, "label": "no"}]'}, "x", ("faithful", 0.0, "no", None)),
        ({"output.value": "0.95"}, "relevance", ("relevance", 0.95, None, None)),
        ({"output.value": "relevant"}, "relevance", ("relevance", None, "relevant", None)),
    ],
)
def test_an_evaluators_own_span_has_its_result(
    attributes: dict[str, Any], name: str, expected: tuple[Any, ...]
) -> None:
    batch = batch_of({"openinference.span.kind": "EVALUATOR", **attributes}, name=name)
    assert batch.spans[0].operation == "evaluate"
    assert [told(one) for one in batch.scores] == [expected]


def test_what_an_evaluator_wrote_at_length_is_no_score() -> None:
    assert batch_of({"openinference.span.kind": "EVALUATOR", "output.value": "It is good, for " * 10}).scores == []
    assert batch_of({"openinference.span.kind": "LLM", "llm.model_name": "m", "score": 1}).scores == []


def test_langfuses_evaluator() -> None:
    result = {"name": "helpful", "value": 0.7, "comment": "mostly"}
    attributes = {"langfuse.observation.type": "evaluator", "langfuse.observation.output": json.dumps(result)}
    batch = batch_of(attributes, scope="langfuse-sdk")
    assert batch.spans[0].operation == "evaluate"
    assert [told(one) for one in batch.scores] == [("helpful", 0.7, None, "mostly")]


def test_mlflows_evaluator() -> None:
    result = {"assessment_name": "safety", "feedback": {"value": "yes"}, "rationale": "nothing bad"}
    attributes = {"mlflow.spanType": '"EVALUATOR"', "mlflow.spanOutputs": json.dumps(result)}
    batch = batch_of(attributes, scope="mlflow.tracing.provider")
    assert batch.spans[0].operation == "evaluate"
    assert [told(one) for one in batch.scores] == [("safety", None, "yes", "nothing bad")]


@pytest.mark.parametrize("odd", [None, 7, "x", [1], {"a": 1}, "[[]]", "NaN", True, b"\x00", '{"score": {"a": 1}}'])
@pytest.mark.parametrize(
    "key", ["evaluations", "annotations.0.annotation.score", "evaluations.x.evaluation.name", "output.value",
            "metadata", "trace.evaluations.0.evaluation.name", "evaluations.0.evaluation.name"],
)  # fmt: skip
def test_odd_values_do_no_harm(key: str, odd: object) -> None:
    message = request(span({"openinference.span.kind": "EVALUATOR"}))
    put(message.resource_spans[0].scope_spans[0].spans[0], {key: odd})
    batch = decode("traces", message.SerializeToString(), is_json=False, now_ns=NOW)
    assert len(batch.spans) == 1
    assert all(one.name for one in batch.scores)


def test_scores_are_found_at_the_span_and_kept_once(store: Store) -> None:
    attributes = {
        "openinference.span.kind": "CHAIN", "evaluations.0.evaluation.name": "good",
        "evaluations.0.evaluation.score": 0.25, "evaluations.1.evaluation.name": "good",
        "evaluations.1.evaluation.score": 0.75,
    }  # fmt: skip
    one = span(attributes)
    body = request(one).SerializeToString()
    for _ in range(2):
        store.write([decode("traces", body, is_json=False, now_ns=NOW)])
    found: Any = store.span(one.trace_id.hex(), one.span_id.hex())
    assert [(score["name"], score["value"]) for score in found["scores"]] == [("good", 0.25), ("good", 0.75)]
