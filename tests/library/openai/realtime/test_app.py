"""What the app sees of a realtime session: what it would see without us."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import openai
import pytest
from wire.socket import Close, Until

import otelllm
from otelllm import semconv

from .sessions import (
    ANSWER,
    ASKED,
    CREATED,
    OLD_WAY,
    USD,
    USED,
    Talker,
    answer,
    ask,
    begin,
    check,
    done,
    spans,
    until,
)

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.socket import SocketProvider

pytestmark = OLD_WAY


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_app_sees_what_it_would_see_without_us(otel: Telemetry, sockets: SocketProvider, kind: str) -> None:
    """The same types, events and requests, read by iterating, by `recv`, by `recv_bytes` and by `parse_event`."""
    seen: list[Any] = []

    def raw(connection: Any) -> Any:
        seen.append(type(connection))
        if kind == "sync":
            return seen.append(connection.parse_event(connection.recv_bytes()))

        async def araw() -> None:
            seen.append(connection.parse_event(await connection.recv_bytes()))

        return araw()

    halves: list[Any] = []
    for instrumented in (False, True):
        otelllm.uninstrument()
        if instrumented:
            otel.instrument(capture="full")
        talker = Talker(kind, sockets.url)
        sockets.script(ASKED, ANSWER)
        events = talker.talk(talker.connect(), raw, ask, answer, until("response.done"))
        talker.stop()
        assert sockets.last.left.wait(10)
        headers = {name: it for name, it in sockets.last.headers.items() if name not in {"host", "sec-websocket-key"}}
        shown = [(type(event), event.model_dump()) for event in events]
        halves.append((seen[:], shown, sockets.last.events, headers, sockets.last.path))
        seen.clear()
    assert halves[0] == halves[1]


@pytest.mark.slow
def test_handlers(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """`on` and `dispatch_events`: pushed events are seen as well."""
    manager = talker.connect()
    if not hasattr(manager, "on"):
        pytest.skip("this version has no handlers")
    sockets.script(CREATED, Until("response.create"), ANSWER, Close(1000))
    got: list[str] = []
    manager.on("response.done", lambda event: got.append(event.response.id))
    talker.talk(manager, answer, lambda it: it.dispatch_events())
    assert got == ["resp_1"]
    _, (chat,) = spans(otel)
    check(chat, USED)


@pytest.mark.slow
def test_events_sent_as_text(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """`send` with a dict and `send_raw` with JSON ask for answers, too."""
    sockets.script(CREATED, Until("response.create"), ANSWER, Until("response.create"), begin("resp_2"),
                   done("resp_2"))  # fmt: skip

    def by_text(connection: Any) -> Any:
        send = getattr(connection, "send_raw", None)
        return send('{"type": "response.create"}') if send else connection.send({"type": "response.create"})

    talker.talk(talker.connect(), lambda it: it.send({"type": "response.create"}), until("response.done"), by_text,
                until("response.done"))  # fmt: skip
    _, chats = spans(otel)
    assert len(chats) == 2
    check(chats[1], {semconv.RESPONSE_ID: "resp_2", semconv.USAGE_INPUT: 300})


def test_a_message_that_nobody_knows(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """New events, events without what they should have: the app's own; the rest is recorded."""
    odd: list[dict[str, Any]] = [
        {"type": "response.brand_new.delta", "response_id": "resp_1", "delta": {"x": 1}}, {"no": "type"},
        {"type": "response.created"}, {"type": "conversation.item.added", "item": None},
        {"type": "session.updated", "session": None}, {"type": "error"},
        {"type": "conversation.item.input_audio_transcription.completed"},
    ]  # fmt: skip
    sockets.script(CREATED, Until("response.create"), odd, ANSWER)
    talker.talk(talker.connect(), answer, until("response.done"))
    _, below = spans(otel)
    chat = next(span for span in below if (span.attributes or {}).get(semconv.RESPONSE_ID) == "resp_1")
    check(chat, {semconv.USAGE_INPUT: 300})


@pytest.mark.slow
def test_context(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """User and feature are those around the session, also for answers read elsewhere; nothing stays attached."""
    sockets.script(CREATED, Until("response.create"), ANSWER)
    with otelllm.context(user="u-17", feature="tours"):
        manager = talker.connect()
        connection = manager.enter() if talker.runner is None else talker.runner.run(manager.enter())
    if talker.runner is None:
        connection.response.create()
        thread = threading.Thread(target=lambda: until("response.done")(connection))
        thread.start()
        thread.join()
        connection.close()
    else:

        async def go() -> None:
            await connection.response.create()
            await until("response.done")(connection)
            await connection.close()

        talker.runner.run(go())
    session, (chat,) = spans(otel)
    for span in (session, chat):
        check(span, {semconv.USER_ID: "u-17", semconv.FEATURE: "tours"})


def test_azure(otel: Telemetry, sockets: SocketProvider) -> None:
    """Azure's client: its own URL, a deployment, and its provider's name."""
    sockets.script(CREATED, Until("response.create"), ANSWER)
    endpoint = sockets.url.removesuffix("/v1")
    client = openai.AzureOpenAI(
        api_key="azure-key", api_version="2025-04-01", azure_endpoint=endpoint,
        websocket_base_url=endpoint.replace("http", "ws") + "/openai",
    )  # fmt: skip
    realtime = client.realtime if hasattr(client, "realtime") else client.beta.realtime
    with realtime.connect(model="voice") as connection:
        connection.response.create()
        until("response.done")(connection)
    client.close()
    session, (chat,) = spans(otel)
    assert session.name == "realtime voice"
    check(session, {semconv.PROVIDER: "azure.ai.openai"})
    check(chat, {semconv.PROVIDER: "azure.ai.openai", semconv.REQUEST_MODEL: "voice", semconv.COST: USD})
