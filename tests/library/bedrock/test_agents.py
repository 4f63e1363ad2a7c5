"""bedrock-agent-runtime: agents, knowledge bases, reranking."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import EventStreamError
from opentelemetry.trace import SpanKind
from wire import frames
from wire.server import Gate, whole

import otelllm
from otelllm import semconv

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
QUESTION = "How is the weather in Skagen?"
ASKED = {"agentId": "AGENT12345", "agentAliasId": "ALIAS12345", "sessionId": "s-1", "inputText": QUESTION}


def _client(app: App) -> Any:
    return app.again(service="bedrock-agent-runtime")


def _chunk(text: str) -> bytes:
    return frames.event("chunk", {"bytes": base64.b64encode(text.encode()).decode()})


def _used(into: int, out: int) -> bytes:
    metadata = {"usage": {"inputTokens": into, "outputTokens": out}}
    step = {"modelInvocationOutput": {"traceId": "t", "metadata": metadata}}
    return frames.event("trace", {"agentId": "AGENT12345", "agentVersion": "3", "sessionId": "s-1",
                                  "trace": {"orchestrationTrace": step}})  # fmt: skip


def test_an_agent(otel: Telemetry, app: App, provider: Provider) -> None:
    """Its answer, session and version; its models' tokens as a total, for none of them has a span."""
    otel.instrument(capture="full")
    provider.reply(frames.stream([_used(608, 111), _chunk("Windy "), _used(700, 20), _chunk("in Skagen.")]))
    events = app.read(app.call(_client(app).invoke_agent, **ASKED, enableTrace=True)["completion"])
    assert len(events) == 4
    span, found = otel.span, otel.attributes
    assert (span.name, span.kind) == ("invoke_agent AGENT12345", SpanKind.CLIENT)
    expected = {
        semconv.PROVIDER: "aws.bedrock", semconv.AGENT_ID: "AGENT12345", semconv.AGENT_VERSION: "3",
        semconv.CONVERSATION_ID: "s-1", semconv.TOTAL_INPUT: 1308, semconv.TOTAL_OUTPUT: 131,
        semconv.STREAM_END: "complete", semconv.PROVIDER_REQUEST_ID: "req_stream", semconv.USAGE_INPUT: None,
        semconv.USAGE_OUTPUT: None, semconv.COST_STATUS: None, semconv.REQUEST_MODEL: None, semconv.ERROR_TYPE: None,
    }  # fmt: skip
    assert {name: found.get(name) for name in expected} == expected
    assert otel.messages(semconv.OUTPUT_MESSAGES) == [
        {"role": "assistant", "parts": [{"type": "text", "content": "Windy in Skagen."}]}
    ]
    assert otel.messages(semconv.INPUT_MESSAGES) == [{"role": "user", "parts": [{"type": "text", "content": QUESTION}]}]


def test_an_agent_that_asks_the_app(otel: Telemetry, app: App, provider: Provider) -> None:
    """The functions that it wants called, and what they gave."""
    otel.instrument(capture="full")
    wanted = {"functionInvocationInput": {"actionGroup": "weather", "function": "get_weather", "agentId": "A",
              "parameters": [{"name": "city", "type": "string", "value": "Skagen"}]}}  # fmt: skip
    called = {"apiInvocationInput": {"actionGroup": "time", "httpMethod": "GET", "apiPath": "/time", "parameters": []}}
    control = {"invocationId": "i-1", "invocationInputs": [wanted, called]}
    provider.reply(frames.stream([frames.event("returnControl", control)]))
    result = {
        "functionResult": {"actionGroup": "weather", "function": "f", "responseBody": {"TEXT": {"body": "windy"}}}
    }
    state = {"invocationId": "i-0", "returnControlInvocationResults": [result]}
    asked = {name: value for name, value in ASKED.items() if name != "inputText"}
    app.read(app.call(_client(app).invoke_agent, **asked, sessionState=state)["completion"])
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"] == [
        {"type": "tool_call", "id": "i-1", "name": "get_weather", "arguments": {"city": "Skagen"}},
        {"type": "tool_call", "id": "i-1", "name": "GET /time", "arguments": {}},
    ]
    assert otel.attributes[semconv.RESPONSE_FINISH_REASONS] == ("tool_call",)
    assert otel.messages(semconv.INPUT_MESSAGES) == [
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "i-0", "response": "windy"}]}
    ]


def test_an_agent_that_fails_or_is_left(otel: Telemetry, app: App, provider: Provider) -> None:
    provider.reply(frames.stream([_chunk("Win"), frames.exception("dependencyFailedException", "about Skagen")]),
                   frames.stream([_chunk("Win"), Gate()]))  # fmt: skip
    client = _client(app)
    with pytest.raises(EventStreamError):
        app.read(app.call(client.invoke_agent, **ASKED)["completion"])
    stream = app.call(client.invoke_agent, **ASKED)["completion"]
    app.take(stream, 1)
    app.close(stream)
    first, second = (span.attributes or {} for span in otel.spans)
    assert (first[semconv.ERROR_TYPE], first[semconv.STREAM_END]) == ("dependencyFailedException", "broken")
    assert second[semconv.STREAM_END] == "closed"
    assert semconv.USAGE_ESTIMATED not in second
    assert "Skagen" not in otel.everything()


def test_a_static_answer_of_an_agent(otel: Telemetry, app: App, provider: Provider) -> None:
    otel.instrument(policy={"kill": [{"when": {"provider": "*"}, "answer": "Back soon."}]}, capture="full")
    (event,) = app.read(app.call(_client(app).invoke_agent, **ASKED)["completion"])
    assert event == {"chunk": {"bytes": b"Back soon."}}
    with pytest.raises(otelllm.KillSwitchOn):
        app.call(_client(app).retrieve, knowledgeBaseId="KB12345678", retrievalQuery={"text": QUESTION})
    assert provider.requests == []


def test_a_knowledge_base(otel: Telemetry, app: App, provider: Provider) -> None:
    """What was looked for and found, with scores; counts are no content."""
    found = [
        {"content": {"text": "Windy.", "type": "TEXT"}, "score": 0.9,
         "location": {"s3Location": {"uri": "s3://b/a.txt"}, "type": "S3"}},
        {"content": {"type": "ROW", "row": [{"columnName": "wind", "columnValue": "9", "type": "LONG"}]}, "score": 0.1},
    ]  # fmt: skip
    searched = {"vectorSearchConfiguration": {"numberOfResults": 2}}
    asked = {"knowledgeBaseId": "KB12345678", "retrievalQuery": {"text": QUESTION}}
    for capture in ("off", "full"):
        otel.clear()
        otel.instrument(capture=capture)
        provider.reply(whole({"retrievalResults": found}, x_amzn_requestid="req_1"))
        app.call(_client(app).retrieve, **asked, retrievalConfiguration=searched)
        assert otel.span.name == "retrieval KB12345678"
        assert otel.attributes[semconv.DATA_SOURCE_ID] == "KB12345678"
        assert otel.attributes[semconv.AWS_BEDROCK_KNOWLEDGE_BASE_ID] == "KB12345678"
        assert (otel.attributes[semconv.RETRIEVAL_TOP_K], otel.attributes[semconv.RETRIEVAL_COUNT]) == (2, 2)
        assert semconv.COST_STATUS not in otel.attributes
        assert ("Windy" in otel.everything()) is (capture == "full")
    assert otel.attributes[semconv.RETRIEVAL_QUERY] == QUESTION
    assert otel.messages(semconv.RETRIEVAL_DOCUMENTS) == [
        {"id": "s3://b/a.txt", "score": 0.9, "content": "Windy."}, {"score": 0.1, "content": '{"wind":"9"}'},
    ]  # fmt: skip


def test_reranking(otel: Telemetry, app: App, provider: Provider) -> None:
    otel.instrument(capture="full")
    model = "arn:aws:bedrock:us-west-2::foundation-model/amazon.rerank-v1:0"
    sources = [
        {"type": "INLINE", "inlineDocumentSource": {"type": "TEXT", "textDocument": {"text": one}}} for one in "abc"
    ]
    configured = {"modelConfiguration": {"modelArn": model}, "numberOfResults": 2}
    provider.reply(whole({"results": [{"index": 2, "relevanceScore": 0.5}, {"index": 0, "relevanceScore": 0.25}]}))
    app.call(
        _client(app).rerank, queries=[{"type": "TEXT", "textQuery": {"text": QUESTION}}], sources=sources,
        rerankingConfiguration={"type": "BEDROCK_RERANKING_MODEL", "bedrockRerankingConfiguration": configured},
    )  # fmt: skip
    assert otel.span.name == f"rerank {model}"
    found = otel.attributes
    assert (found[semconv.RERANK_IN], found[semconv.RERANK_OUT], found[semconv.RETRIEVAL_TOP_K]) == (3, 2, 2)
    assert (found[semconv.REQUEST_MODEL], found[semconv.RETRIEVAL_QUERY]) == (model, QUESTION)
    assert otel.messages(semconv.RETRIEVAL_DOCUMENTS) == [
        {"id": "2", "score": 0.5, "content": "c"}, {"id": "0", "score": 0.25, "content": "a"},
    ]  # fmt: skip


def test_an_answer_from_a_knowledge_base(otel: Telemetry, app: App, provider: Provider) -> None:
    """The model's text and its sources; the tokens are not told, so there is no cost."""
    otel.instrument(capture="full")
    reference = {"content": {"text": "Windy."}, "location": {"type": "WEB", "webLocation": {"url": "https://dmi.dk"}}}
    provider.reply(whole({"sessionId": "s-1", "output": {"text": "It is windy."},
                          "citations": [{"retrievedReferences": [reference]}]}))  # fmt: skip
    known = {"knowledgeBaseId": "KB12345678", "modelArn": "us.amazon.nova-lite-v1:0"}
    configured = {"type": "KNOWLEDGE_BASE", "knowledgeBaseConfiguration": known}
    app.call(_client(app).retrieve_and_generate, input={"text": QUESTION}, retrieveAndGenerateConfiguration=configured)
    found = otel.attributes
    assert otel.span.name == "chat us.amazon.nova-lite-v1:0"
    assert (found[semconv.DATA_SOURCE_ID], found[semconv.CONVERSATION_ID]) == ("KB12345678", "s-1")
    assert found[semconv.COST_STATUS] == "no_usage"
    (message,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert message["parts"] == [
        {"type": "text", "content": "It is windy.", "citations": [{"source": "https://dmi.dk"}]}
    ]
