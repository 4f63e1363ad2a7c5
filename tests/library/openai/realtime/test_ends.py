"""How a realtime session ends: closed, broken, cancelled, abandoned, refused, or with a broken part of ours."""

from __future__ import annotations

import asyncio
import gc
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import StatusCode
from wire.socket import Close, Until

import otelllm
from otelllm import safely, semconv

from .sessions import (
    ANSWER,
    ASKED,
    CREATED,
    OLD_WAY,
    USED,
    Talker,
    answer,
    ask,
    check,
    messages,
    spans,
    until,
)

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.socket import SocketProvider

pytestmark = OLD_WAY


def test_left_in_the_middle_of_an_answer(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """Both spans end once, with what had come."""
    otel.instrument(capture="full")
    sockets.script(CREATED, Until("response.create"), ANSWER[:4])
    talker.talk(talker.connect(), answer, until("response.output_audio_transcript.delta", 2))
    assert sockets.last.left.wait(10)
    session, (chat,) = spans(otel)
    check(session, {semconv.STREAM_END: "closed", semconv.ERROR_TYPE: None})
    check(chat, {
        semconv.STREAM_END: "closed", semconv.USAGE_OUTPUT: None, semconv.USAGE_ESTIMATED: None,
        semconv.RESPONSE_ID: "resp_1",
    })  # fmt: skip
    assert messages(chat, semconv.OUTPUT_MESSAGES)[0]["parts"] == [{"type": "text", "content": "In 1858."}]


def test_closed_by_hand(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """`connect().enter()` and `close()`, twice."""
    sockets.script(CREATED)
    manager = talker.connect()
    if talker.runner is None:
        connection = manager.enter()
        assert connection.recv().type == "session.created"
        connection.close()
        connection.close()
    else:

        async def go() -> None:
            connection = await manager.enter()
            assert (await connection.recv()).type == "session.created"
            await connection.close()
            await connection.close()

        talker.runner.run(go())
    session, below = spans(otel)
    check(session, {semconv.STREAM_END: "closed", semconv.RESPONSE_ID: "sess_1"})
    assert below == []


@pytest.mark.parametrize(
    ("step", "end", "error"),
    [(Close(1000), "complete", None), (Close(1011, "keepalive"), "broken", "1011"), (Close(None), "broken", None)],
    ids=["done", "failed", "gone"],
)
def test_the_server_ends_it(
    otel: Telemetry, talker: Talker, sockets: SocketProvider, step: Close, end: str, error: str | None
) -> None:
    """With a close of its own, with an error's code, or as a network does; the app gets the library's exception."""
    sockets.script(CREATED, Until("response.create"), ANSWER[:2], step)
    if end == "complete":
        assert talker.talk(talker.connect(), answer, until("response.done"))[-1].type == "response.output_audio.delta"
    else:
        with pytest.raises(Exception, match=r"1011|no close frame|closed") as caught:
            talker.talk(talker.connect(), answer, until("response.done"))
        assert type(caught.value).__name__ == "ConnectionClosedError"
    session, (chat,) = spans(otel)
    expected = error or ("websockets.exceptions.ConnectionClosedError" if end == "broken" else None)
    check(session, {semconv.STREAM_END: end, semconv.ERROR_TYPE: expected})
    check(chat, {semconv.STREAM_END: end})


def test_cancelled(otel: Telemetry, sockets: SocketProvider) -> None:
    """The app's task is cancelled while it waits for the next event."""
    sockets.script(CREATED, Until("response.create"), ANSWER[:2])
    talker = Talker("async", sockets.url)
    assert talker.runner is not None

    async def listen(seen: asyncio.Event) -> None:
        async with talker.connect() as connection:
            await connection.response.create()
            async for event in connection:
                if event.type == "response.output_audio.delta":
                    seen.set()

    async def go() -> None:
        seen = asyncio.Event()
        task = asyncio.create_task(listen(seen))
        await seen.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    talker.runner.run(go())
    session, (chat,) = spans(otel)
    for span in (session, chat):
        check(span, {semconv.STREAM_END: "cancelled", semconv.ERROR_TYPE: "cancelled"})
    talker.stop()


def test_a_read_that_timed_out_is_no_end(otel: Telemetry, sockets: SocketProvider) -> None:
    """`asyncio.wait_for(connection.recv(), …)`: the SDK promises that nothing is lost, and the session goes on."""
    sockets.script(CREATED, Until("response.create"), ANSWER)
    talker = Talker("async", sockets.url)
    assert talker.runner is not None

    async def go() -> None:
        async with talker.connect() as connection:
            await connection.recv()
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(connection.recv(), 0.02)
            await connection.response.create()
            while (await connection.recv()).type != "response.done":
                pass

    talker.runner.run(go())
    session, (chat,) = spans(otel)
    check(session, {semconv.STREAM_END: "closed", semconv.ERROR_TYPE: None})
    check(chat, USED)
    talker.stop()


@pytest.mark.slow
def test_an_error_of_the_apps_own(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """Raised inside the block: the app's, and no failure of the session."""
    sockets.script(CREATED)

    def fail(connection: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        talker.talk(talker.connect(), until("session.created"), fail)
    session, _ = spans(otel)
    check(session, {semconv.STREAM_END: "closed", semconv.ERROR_TYPE: None})


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_nobody_holds_it_any_more(otel: Telemetry, sockets: SocketProvider) -> None:
    """Dropped without a close: ended by the garbage collector."""
    sockets.script(CREATED)
    talker = Talker("sync", sockets.url)
    manager = talker.connect()
    connection = manager.enter()
    connection.recv()
    del connection, manager
    gc.collect()
    session, _ = spans(otel)
    check(session, {semconv.STREAM_END: "abandoned"})
    talker.stop()


@pytest.mark.slow
def test_switched_off_meanwhile(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """`uninstrument()` ends what is open; the app's connection goes on."""
    sockets.script(CREATED, Until("response.create"), ANSWER)
    talker.talk(
        talker.connect(), until("session.created"), lambda _: otelllm.uninstrument(), answer, until("response.done")
    )
    session, below = spans(otel)
    check(session, {semconv.STREAM_END: "abandoned"})
    assert below == []


@pytest.mark.slow
def test_a_refused_handshake(otel: Telemetry, talker: Talker, sockets: SocketProvider) -> None:
    """401: the websocket library's error for the app, its status on the span, no key anywhere."""
    sockets.refusal = (401, b'{"error": {"message": "Incorrect API key provided: k-realtime"}}')
    with pytest.raises(Exception, match="401"):
        talker.talk(talker.connect(), until("session.created"))
    session, _ = spans(otel)
    check(session, {semconv.ERROR_TYPE: "401", semconv.PROVIDER_REQUEST_ID: "req_wire"})
    assert session.status.status_code is StatusCode.ERROR
    assert "k-realtime" not in otel.everything()


def test_refused_by_the_kill_switch(
    otel: Telemetry, talker: Talker, sockets: SocketProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No session is begun."""
    monkeypatch.setenv("OTELLLM_KILL", "model:gpt-realtime*")
    otel.instrument()
    with pytest.raises(otelllm.KillSwitchOn):
        talker.talk(talker.connect(), until("session.created"))
    assert sockets.connections == []
    session, _ = spans(otel)
    check(session, {semconv.VERDICT: "block"})


@pytest.mark.parametrize("comes_back", [True, False])
def test_the_sdk_connects_anew(otel: Telemetry, talker: Talker, sockets: SocketProvider, comes_back: bool) -> None:
    """`on_reconnecting`: one session over two connections; broken where there is no second one."""
    attempts: list[int] = []

    def reconnecting(event: Any) -> Any:
        attempts.append(event.attempt)
        return None if comes_back else {"abort": True}

    sockets.script(CREATED, Close(1012))
    sockets.script(CREATED, ANSWER)
    options = {"on_reconnecting": reconnecting, "initial_delay": 0.01}
    if not hasattr(talker.client, "realtime"):
        pytest.skip("this version does not connect anew")
    if comes_back:
        talker.talk(talker.connect(**options), until("response.done"))
    else:
        with pytest.raises(Exception, match="1012"):
            talker.talk(talker.connect(**options), until("response.done"))
    assert attempts == [1]
    session, below = spans(otel)
    check(session, {
        semconv.STREAM_END: "closed" if comes_back else "broken",
        semconv.ERROR_TYPE: None if comes_back else "1012",
    })  # fmt: skip
    assert len(below) == comes_back


BROKEN = [
    "realtime:watch", "realtime:_Session.hear", "realtime:_Session.say", "realtime:_Session._begin",
    "realtime:_Session.left", "realtime:_Session.leave", "realtime_events:_Answers.fold_chunk",
    "realtime:item_message", "realtime:read_config", "realtime:select",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("target", BROKEN)
def test_a_broken_part_of_ours_never_reaches_the_app(
    otel: Telemetry, talker: Talker, sockets: SocketProvider, monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    """The app's session is what it would have been, and no span stays open."""
    otel.instrument(capture="full")
    module, _, path = target.partition(":")
    owner: Any = import_module(f"otelllm.providers.openai.{module}")
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    called: list[str] = []

    def broken(*_: Any, **__: Any) -> Any:
        called.append(target)
        raise RuntimeError(target)

    before = safely.strict(False)
    try:
        if target == "realtime:watch":
            monkeypatch.setattr("otelllm.providers.openai.watch", broken)
        elif target == "realtime:select":  # in the table of methods by now
            monkeypatch.setattr("otelllm.providers.openai.realtime._hidden", broken)
        else:
            monkeypatch.setattr(owner, name, broken)
        sockets.script(ASKED, ANSWER)
        events = talker.talk(talker.connect(), ask, answer, until("response.done"))
        assert events[-1].response.id == "resp_1"
        gc.collect()
        assert called, "the test proves nothing"
        assert len([span for span in otel.spans if span.name.startswith("realtime")]) == (target != "realtime:select")
    finally:
        safely.strict(before)
        safely.failures.clear()
