"""The Realtime API: a span for the session over its websocket, and below it one for each answer and transcription.

Seen where every message passes, whichever way the app reads and writes: `recv_bytes` and `send` of its connection.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Mapping
from functools import wraps
from inspect import iscoroutinefunction
from time import perf_counter_ns as now
from time import time_ns
from typing import Any, NamedTuple

import orjson
from opentelemetry.context import attach, detach, get_current
from opentelemetry.trace import set_span_in_context

from ... import emit
from ...call import Call, Ending, Message, Part, Request
from ...endings import is_cancellation
from ...fields import field, plain
from ...openai_format.messages import content_parts, tool_definitions
from ...parts import as_list
from ...relay import Relay
from ...safely import safely
from ...spec import Selected, Surface
from .realtime_events import ANSWERS, HEARD, SESSIONS, SOUND, item_message, read_config

__all__ = ["client_of", "select", "watch"]

MOST_WAITING = 256
"""Of what was asked, said or is being transcribed, and never followed up by the server."""

_HEARING = "conversation.item.input_audio_transcription."


def client_of(manager: Any) -> Any:
    """The client of a connection manager, which hides it by a double underscore."""
    return _hidden(manager, "client")


def _hidden(manager: Any, name: str) -> Any:
    owners = (kind.__name__.lstrip("_") for kind in type(manager).__mro__)
    return next((found for owner in owners if (found := getattr(manager, f"_{owner}__{name}", None)) is not None), None)


def select(manager: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Selected:
    """The session that entering `manager` begins."""
    return Selected(SESSIONS, {"model": _hidden(manager, "model")})


def watch(connection: Any, relay: Relay) -> None:
    """See what passes over `connection`, from now to its close; its session's call ends through `relay`."""
    session = _Session(relay)
    with safely("reading headers"):
        relay.provider.read_headers(relay.call.reading, connection._connection.response.headers)
    session.reconnects = getattr(connection, "_on_reconnecting", None) is not None
    _around(connection, "recv_bytes", after=session.hear, failed=session.lose)
    _around(connection, "send", before=session.say, failed=session.unsay)
    _around(connection, "send_raw", before=session.say_raw, failed=session.unsay)
    _around(connection, "_reconnect", after=session.reconnect)
    _around(connection, "close", before=session.leave, finally_=session.left)


def _nothing(*_: Any, **__: Any) -> None:
    pass


def _around(
    connection: Any,
    name: str,
    *,
    before: Callable[..., None] = _nothing,
    after: Callable[[Any], None] = _nothing,
    failed: Callable[[BaseException], None] = _nothing,
    finally_: Callable[[], None] = _nothing,
) -> None:
    """Put ours around a method of this one connection, where this version has it."""
    method = getattr(connection, name, None)
    if method is None:
        return

    def seen(what: Callable[..., None], *args: Any) -> None:
        with safely("watching a realtime connection"):
            what(*args)

    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        seen(before, *args)
        try:
            result = method(*args, **kwargs)
        except BaseException as error:
            seen(failed, error)
            raise
        finally:
            seen(finally_)
        seen(after, result)
        return result

    @wraps(method)
    async def acall(*args: Any, **kwargs: Any) -> Any:
        seen(before, *args)
        try:
            result = await method(*args, **kwargs)
        except BaseException as error:
            seen(failed, error)
            raise
        finally:
            seen(finally_)
        seen(after, result)
        return result

    setattr(connection, name, acall if iscoroutinefunction(method) else call)


class _Asked(NamedTuple):
    """A `response.create` of the app's: when, and what it says beside the session's settings."""

    at: int
    event_id: str | None
    system: list[Part] | None
    tools: list[Part] | None
    messages: list[Message] | None


class _Session:
    """What is known of one connection: who is answering, what was said since, and how it ends."""

    def __init__(self, relay: Relay) -> None:
        self.lost: BaseException | None = None
        """The connection is gone, and the SDK may connect anew."""
        self.reconnects = False
        self._relay = relay
        self._leaving: BaseException | None = None
        self._context = set_span_in_context(relay.call.span, get_current())
        emitter = emit.active()
        self._captures = emitter is not None and emitter.reads_content
        self._config: Any = None
        self._asked: deque[_Asked] = deque(maxlen=MOST_WAITING)
        self._committed: int | None = None
        """When the user's turn ended, where the server answers by itself."""
        self._said: list[Any] = []
        """The conversation's items since the last answer began."""
        self._speech: dict[str, Any] = {}
        """Spoken items by their id, until their transcript comes."""
        self._since: dict[str, int] = {}
        self._answers: dict[str, Relay] = {}
        self._heard: dict[str, Relay] = {}

    # What the app does.

    def say(self, event: Any) -> None:
        """The app sends an event: only the wish for an answer says more than the server will."""
        if field(event, "type") != "response.create":
            return
        response = field(event, "response")
        system = tools = messages = None
        if self._captures and response is not None:
            instructions, given = field(response, "instructions"), as_list(field(response, "tools"))
            system = content_parts(instructions) if instructions else None
            tools = tool_definitions(given) if given else None
            messages = [item_message(item) for item in as_list(field(response, "input"))] or None
        self._asked.append(_Asked(now(), plain(field(event, "event_id")), system, tools, messages))

    def say_raw(self, data: bytes | str) -> None:
        """The same, as text."""
        if "response.create" in (data if isinstance(data, str) else data.decode("utf-8", "replace")):
            self.say(orjson.loads(data))

    def unsay(self, error: BaseException) -> None:
        """It was not sent after all."""
        if self._asked:
            self._asked.pop()

    def leave(self, *_: Any) -> None:
        """The app, or the SDK's manager, closes the connection: why, shows what is being raised now."""
        self._leaving = sys.exc_info()[1]

    def left(self) -> None:
        """It is closed."""
        error = self._leaving
        if error is not None and is_cancellation(error):
            self._end("cancelled", error)
        elif self.lost is not None:
            self._end("broken", self.lost)
        else:
            self._end("closed")

    # What the connection does.

    def lose(self, error: BaseException) -> None:
        """A read failed. A cancelled one, or one that timed out, may be tried again: the connection stands."""
        kind = type(error).__name__
        if not kind.startswith("ConnectionClosed"):
            return
        if self.reconnects:
            self.lost = error
        elif kind == "ConnectionClosedOK":
            self._end("complete")
        else:
            self._end("broken", error)

    def reconnect(self, is_connected: bool) -> None:
        """The SDK tried to connect anew."""
        error, self.lost = self.lost, None
        if not is_connected and error is not None:
            self.reconnects = False
            self.lose(error)

    def _end(self, ending: Ending, error: BaseException | None = None) -> None:
        for relay in [*self._answers.values(), *self._heard.values()]:
            relay.end(ending, error)
        self._answers.clear()
        self._heard.clear()
        self._relay.end(ending, error)

    # What the server says.

    def hear(self, data: bytes | str) -> None:
        """A message came."""
        if not self._relay.is_open:
            return
        at, timing = now(), self._relay.call.timing
        timing.chunks += 1
        timing.first_chunk = timing.first_chunk or at
        event = orjson.loads(data)
        kind = event.get("type")
        if not isinstance(kind, str):
            return
        if kind.startswith("response."):
            self._answer(kind, event)
        elif kind.startswith(_HEARING):
            self._transcribe(kind, event)
        elif kind in {"conversation.item.created", "conversation.item.added", "conversation.item.done"}:
            self._keep(event.get("item"))
        elif kind == "input_audio_buffer.committed":
            self._committed = at
            _bounded(self._since)[str(event.get("item_id"))] = at
        elif kind in {"session.created", "session.updated"}:
            self._config = event.get("session")
            reading = self._relay.call.reading
            reading.id = plain(field(self._config, "id")) or reading.id
            reading.model = plain(field(self._config, "model")) or reading.model
        elif kind == "error":
            self._refuse(event.get("error"))

    def _answer(self, kind: str, event: dict[str, Any]) -> None:
        response = event.get("response")
        key = str(event.get("response_id") or field(response, "id"))
        relay = self._answers.get(key)
        if kind == "response.created" or (relay is None and kind == "response.done"):
            relay = relay or self._begin(response)
            if relay is None:
                return
            self._answers[key] = relay
        if relay is None:
            return
        if kind in SOUND:
            event["delta"] = None  # tens of kilobytes, and nothing of it is kept
        relay.keep(event)
        if kind == "response.done":
            del self._answers[key]
            status = field(response, "status")
            relay.end("closed" if status == "cancelled" else "broken" if status == "failed" else "complete")

    def _begin(self, response: Any) -> Relay | None:
        asked = self._asked.popleft() if self._asked else None
        since, self._committed = self._committed, None
        said, self._said = self._said, []
        request = read_config(self._config, response)

        def tell() -> None:
            """At the end: by then the transcripts of what was said are here."""
            instructions, tools = field(self._config, "instructions"), as_list(field(self._config, "tools"))
            request.system = (asked and asked.system) or (content_parts(instructions) if instructions else None)
            request.tools = (asked and asked.tools) or (tool_definitions(tools) if tools else None)
            request.messages = (asked and asked.messages) or [item_message(item) for item in said]

        return self._open(ANSWERS, request, asked.at if asked else since, tell)

    def _open(self, surface: Surface, request: Request, started: int | None, tell: Callable[[], None]) -> Relay | None:
        """Begin a call below the session; `tell` fills its request's content, when it ends."""
        emitter = emit.active()
        if emitter is None:
            return None
        session, at = self._relay.call, now()
        request.model = request.model or session.request.model or session.reading.model
        call = Call(session.provider, surface.operation, request, session.scope, session.server)
        call.key = session.key
        call.timing.sent = started or at
        token = attach(self._context)
        try:
            record = emit.Record(emitter, call, started_ns=time_ns() - (at - call.timing.sent))
        finally:
            detach(token)

        def end(ended: Call) -> None:
            with safely("reading what was said"):
                if ended.captures:
                    tell()
            record.keep_input()
            record.end(ended)

        if surface is ANSWERS:
            call.reading.model = session.reading.model
        return Relay(call, surface, self._relay.provider, end)

    def _transcribe(self, kind: str, event: dict[str, Any]) -> None:
        key = str(event.get("item_id"))
        relay = self._heard.get(key)
        if relay is None:
            audio = field(field(self._config, "audio"), "input")
            asked = field(audio, "transcription") or field(self._config, "input_audio_transcription")
            request = Request(model=plain(field(asked, "model")), stream=True)
            speech = self._speech.get(key)

            def tell() -> None:
                request.messages = [item_message({**speech, "content": [{"type": "input_audio"}]})] if speech else None

            relay = self._open(HEARD, request, self._since.get(key), tell)
            if relay is None:
                return
            _bounded(self._heard)[key] = relay
        relay.keep(event)
        if kind != _HEARING + "delta" and kind != _HEARING + "segment":
            relay.end("broken" if kind == _HEARING + "failed" else "complete")
            del self._heard[key]
            self._since.pop(key, None)
            speech = self._speech.pop(key, None)
            if speech is not None:
                for piece in as_list(speech.get("content")):
                    piece.setdefault("transcript", None)
                    piece["transcript"] = piece["transcript"] or event.get("transcript")

    def _keep(self, item: Any) -> None:
        """Keep what was said to the model, not what it says itself."""
        if not self._captures or not isinstance(item, dict):
            return
        if item.get("role") == "assistant" or item.get("type") not in {"message", "function_call_output"}:
            return
        known = next((one for one in self._said if one.get("id") == item.get("id")), None)
        if known is not None:
            known.update(item)
            return
        if len(self._said) >= MOST_WAITING:
            del self._said[0]
        self._said.append(item)
        if any(field(piece, "type") == "input_audio" for piece in as_list(item.get("content"))):
            _bounded(self._speech)[str(item.get("id"))] = item

    def _refuse(self, error: Any) -> None:
        """An error event: of an answer that was asked for, or of something else that the app sent."""
        event_id = plain(field(error, "event_id"))
        refused = next((one for one in self._asked if one.event_id and one.event_id == event_id), None)
        if refused is None and event_id is None and self._asked and _is_about_answers(error):
            refused = self._asked[0]
        if refused is None:
            return
        self._asked.remove(refused)
        relay = self._open(ANSWERS, read_config(self._config, None), refused.at, _nothing)
        if relay is not None:
            relay.keep({"type": "response.done", "response": {"status": "failed", "status_details": {"error": error}}})
            relay.end("broken")


def _is_about_answers(error: Any) -> bool:
    code, parameter = field(error, "code"), field(error, "param")
    return code == "conversation_already_has_active_response" or str(parameter).startswith("response")


def _bounded(kept: dict[str, Any]) -> dict[str, Any]:
    """`kept`, with room for one more: the oldest is not coming any more."""
    while len(kept) >= MOST_WAITING:
        lost = kept.pop(next(iter(kept)))
        if isinstance(lost, Relay):
            lost.end("abandoned")
    return kept
