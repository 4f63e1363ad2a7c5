"""What an exporter sends of what came in: which spans, which share of traces, and what of them is kept back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from collector.exports import put, request, span
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
)

from otelllm_collector.decode.values import plain_attributes
from otelllm_collector.exporters.choosing import Summary, choose
from otelllm_collector.exporters.settings import Destination, Keep, Redact, Sample

if TYPE_CHECKING:
    from collections.abc import Mapping


def _chosen(
    to: Destination, *bodies: ExportTraceServiceRequest, known: Mapping[str, Summary] | None = None
) -> list[Any]:
    found: list[Any] = []
    for body in bodies:
        made, count = choose(to, "traces", body.SerializeToString(), lambda ids: known or {})
        of_scopes = [one for of in ExportTraceServiceRequest.FromString(made).resource_spans for one in of.scope_spans]
        spans = [one for of_scope in of_scopes for one in of_scope.spans]
        assert count == len(spans)
        found += spans
    return found


def _keeping(**keep: Any) -> Destination:
    return Destination("a", "http://127.0.0.1", keep=Keep(**keep))


def test_only_the_spans_that_are_wanted() -> None:
    """By what they mean, in whichever vocabulary they are written."""
    chat = span({"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": "gpt-5"})
    older = span({"gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic", "gen_ai.response.model": "c"})
    other = span({"http.request.method": "GET"}, name="GET /")
    body = request(chat, older, other)
    assert [one.name for one in _chosen(_keeping(only_genai=True), body)] == ["chat gpt-5", "chat gpt-5"]
    assert len(_chosen(_keeping(provider=("anthropic", "x")), body)) == 1
    assert len(_chosen(_keeping(model=("gpt-5", "c")), body)) == 2
    assert _chosen(_keeping(operation=("embeddings",)), body) == []
    assert _chosen(_keeping(service=("pay",)), body) == []
    assert len(_chosen(_keeping(service=("shop",)), body)) == 3


def test_a_share_of_traces_is_the_same_everywhere_and_whole() -> None:
    bodies = [request(span(), span(), service="a") for _ in range(300)]
    for body in bodies:  # two spans of one trace each
        first, second = body.resource_spans[0].scope_spans[0].spans
        first.trace_id = second.trace_id = bytes(9) + int(time.time_ns() * 7919 % 2**56).to_bytes(7)
    to = Destination("a", "http://127.0.0.1", sample=Sample(rate=0.25))
    kept = _chosen(to, *bodies)
    assert kept == _chosen(to, *bodies)
    assert len(kept) % 2 == 0


def test_traces_that_stand_out_go_whatever_the_share() -> None:
    failed, slow, dear, bad, plain = (request(span()) for _ in range(5))
    ids = [one.resource_spans[0].scope_spans[0].spans[0].trace_id.hex() for one in (failed, slow, dear, bad, plain)]
    known = {
        ids[0]: Summary(1, 0.1, None, None), ids[1]: Summary(0, 9.0, None, None), ids[2]: Summary(0, 0.1, 0.5, None),
        ids[3]: Summary(0, 0.1, 0.0, 0.2), ids[4]: Summary(0, 0.1, 0.001, 0.9),
    }  # fmt: skip
    sample = Sample(rate=0.0, errors=True, slower_than_s=5, dearer_than_usd=0.1, score_below=0.5)
    to = Destination("a", "http://127.0.0.1", sample=sample)
    kept = _chosen(to, failed, slow, dear, bad, plain, known=known)
    assert [one.trace_id.hex() for one in kept] == ids[:4]


SAID = "my card is 4111 1111 1111 1111, mail ann@example.com"


def _redacting(**redact: Any) -> Destination:
    return Destination("a", "http://127.0.0.1", redact=Redact(**redact))


def test_content_stays_here_in_every_vocabulary() -> None:
    attributes = {
        "gen_ai.input.messages": SAID, "llm.input_messages.0.message.content": SAID, "input.value": SAID,
        "gen_ai.prompt.0.content": SAID, "ai.prompt.messages": SAID, "traceloop.entity.input": SAID,
        "gen_ai.tool.call.arguments": SAID, "langfuse.observation.output": SAID, "mlflow.spanInputs": SAID,
    }  # fmt: skip
    one = span({**attributes, "gen_ai.usage.input_tokens": 7, "app.note": "kept"})
    one.status.code, one.status.message = 2, SAID
    put(one.events.add(name="exception"), {"exception.message": SAID, "exception.type": "ValueError"})
    (kept,) = _chosen(_redacting(content=True), request(one))
    assert plain_attributes(kept.attributes) == {"gen_ai.usage.input_tokens": 7, "app.note": "kept"}
    assert "4111 1111" not in str(kept)
    assert plain_attributes(kept.events[0].attributes) == {"exception.type": "ValueError"}


def test_secrets_are_taken_out_of_texts_wherever_they_are() -> None:
    one = span({"app.note": SAID, "list": [SAID], "map": {"inner": SAID}, "count": 7})
    (kept,) = _chosen(_redacting(secrets=True), request(one))
    assert "4111 1111" not in str(kept)
    assert "ann@example.com" not in str(kept)
    assert plain_attributes(kept.attributes)["count"] == 7


def test_attributes_by_name_and_by_prefix() -> None:
    one = span({"user.id": "u", "user.email": "e", "app.note": "n", "app.other": "o"})
    (kept,) = _chosen(_redacting(attributes=("user.*", "app.note")), request(one))
    assert plain_attributes(kept.attributes) == {"app.other": "o"}
