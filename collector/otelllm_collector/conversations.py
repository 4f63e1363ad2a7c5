"""Calls of one conversation, where nobody said which they are: a call that goes on from what an earlier call was asked
and answered belongs with that one.

What two users may share by chance makes no conversation: the system prompt is left out, and a first question begins a
conversation of its own, however many others began so. Where several wait at the same words (two users said "Hello" and
were answered the same), the user decides, else one that nobody has gone on with. An answer is known again by its text
and tool calls: how libraries write it down again (no finish reason, no reasoning, one message or two) differs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple, Protocol, TypeAlias

import orjson

from .rows import MessageRow

__all__ = ["CallRow", "Conversations", "FirstCall", "is_unnamed"]

CALLS = frozenset({"chat", "generate_content", "text_completion"})
BEFORE = frozenset({"system", "developer"})
"""Roles of what is said to every user."""
UNSAID = frozenset({"reasoning", "thinking"})
"""Parts of an answer that many apps do not send again."""

POINTS = 100_000
"""Places that conversations have come to, the newest: about 40 MB."""
KNOWN = 100_000
"""Messages that need not be read again."""
AT_ONE_POINT = 32
"""Conversations that wait at the same words."""
LOOKED_BACK = 64
"""Messages before a call's last that an earlier call may have ended with."""
EXPECTED_BACK = 8
"""Answers in a call's history whose own calls may still come."""


_Message: TypeAlias = int | tuple[int, ...]
"""A number for what was said; an answer's parts, each its number; nothing of what is passed over."""


class CallRow(Protocol):
    """What tells a call's conversation, and what is noted of it."""

    trace_id: bytes
    span_id: int
    start_ns: int
    operation: str | None
    service_name: str | None
    user_id: str | None
    session_id: str | None
    conversation_id: str | None
    counted: bool
    input_hashes: list[bytes] | None
    output_hashes: list[bytes] | None
    inferred_session: str | None
    prefix: int | None


class FirstCall(NamedTuple):
    """Of a conversation: it gets its session when another goes on from it."""

    trace_id: bytes
    span_id: int
    start_ns: int
    inferred_session: str | None


class _Owner(NamedTuple):
    service: str | None
    user: str | None


class _Conversation:
    __slots__ = ("first", "going_on", "owner", "row", "session")

    def __init__(self, owner: _Owner, first: tuple[bytes, int, int], session: str | None = None) -> None:
        self.owner, self.first, self.session = owner, first, session
        self.row: CallRow | None = None
        """The first call, as long as it is not stored."""
        self.going_on: dict[int, int] = {}
        """Point -> how often it was gone on from there."""


class _Said(NamedTuple):
    """A call's messages as points: each is told by all before it."""

    asked: list[int]
    """After each message of the input, an answer in several messages counting as one."""
    answers: list[int]
    """Of those, the ones that are an answer's end."""
    answered: list[int]
    """After the output: all of it together, and each choice."""


def is_unnamed(span: CallRow) -> bool:
    """Whether it is a call whose sender said neither session nor conversation."""
    return span.operation in CALLS and span.session_id is None and span.conversation_id is None


class Conversations:
    """Remembers where the newest conversations have come to."""

    def __init__(self) -> None:
        self._points: OrderedDict[int, list[_Conversation]] = OrderedDict()
        self._expected: OrderedDict[tuple[int, _Owner], _Conversation] = OrderedDict()
        self._known: dict[bytes, _Message] = {}

    def find(self, spans: Iterable[CallRow], messages: Mapping[bytes, MessageRow]) -> list[FirstCall]:
        """Note the session in each call that goes on from another, and its point in all; returns first calls that are
        stored already and have a session now.
        """
        begun: list[_Conversation] = []
        stored: list[FirstCall] = []
        for span in sorted(filter(is_unnamed, spans), key=lambda span: span.start_ns):
            said = self._read(span, messages) if span.counted else None
            if said is None:
                continue
            span.inferred_session = None  # of a transaction that failed
            owner = _Owner(span.service_name, span.user_id)
            conversation = self._going_on(said, owner) or self._awaited(said, owner)
            if conversation is None:
                conversation = _Conversation(owner, (span.trace_id, span.span_id, span.start_ns))
                conversation.row = span
                begun.append(conversation)
                self._expect(said, conversation)
            else:
                if conversation.session is None:
                    conversation.session = f"inferred-{conversation.first[1]:016x}"
                    if conversation.row is not None:
                        conversation.row.inferred_session = conversation.session
                    else:
                        stored.append(FirstCall(*conversation.first, conversation.session))
                span.inferred_session = conversation.session
            # Where answers are not captured, a history with an answer in it still tells conversations apart.
            for point in [*said.answered, *(said.asked[-1:] if said.answers else ())]:
                self._come_to(point, conversation)
            span.prefix = said.answered[0] if said.answered else None
        for conversation in begun:
            conversation.row = None
        return stored

    def remember(self, call: FirstCall, owner: tuple[str | None, str | None], prefix: int) -> None:
        """Where a stored call came to; the oldest first."""
        self._come_to(prefix, _Conversation(_Owner(*owner), call[:3], call.inferred_session))

    def _going_on(self, said: _Said, owner: _Owner) -> _Conversation | None:
        """The conversation that waits at the last answer, else the one that came to the latest of these points."""
        last = said.answers[-1:]
        for points, is_waiting in ((last, True), (said.asked[: -LOOKED_BACK - 1 : -1], False)):
            for point in points:
                candidates = [
                    one
                    for one in self._points.get(point, ())
                    if one.owner == owner and not (is_waiting and point in one.going_on)
                ]
                if candidates:
                    # Of equals the newest: it stands last.
                    found = min(reversed(candidates), key=lambda one: one.going_on.get(point, 0))
                    found.going_on[point] = found.going_on.get(point, 0) + 1
                    self._points.move_to_end(point)
                    return found
        return None

    def _awaited(self, said: _Said, owner: _Owner) -> _Conversation | None:
        """The conversation a later call of which came before this one."""
        for point in said.answered:
            if (found := self._expected.pop((point, owner), None)) is not None:
                return found
        return None

    def _expect(self, said: _Said, conversation: _Conversation) -> None:
        for point in said.answers[-EXPECTED_BACK:]:
            self._expected[point, conversation.owner] = conversation
        while len(self._expected) > POINTS // 4:
            self._expected.popitem(last=False)

    def _come_to(self, point: int, conversation: _Conversation) -> None:
        waiting = self._points.setdefault(point, [])
        # The same call again, after a transaction that failed, takes its own place.
        waiting[:] = [one for one in waiting if one.first != conversation.first][-AT_ONE_POINT + 1 :]
        waiting.append(conversation)
        self._points.move_to_end(point)
        while len(self._points) > POINTS:
            self._points.popitem(last=False)

    def _read(self, span: CallRow, messages: Mapping[bytes, MessageRow]) -> _Said | None:
        asked: list[int] = []
        answers: list[int] = []
        point = before = 0
        answer: tuple[int, ...] = ()
        known = self._known
        for key in span.input_hashes or ():
            if (said := known.get(key)) is None:
                said = self._understand(key, messages)
            if not said:
                continue
            if isinstance(said, int):
                answer = ()
                point = hash((point, said))
            else:
                if answer:  # it goes on
                    asked.pop()
                    answers.pop()
                else:
                    before = point
                answer += said
                point = hash((before, answer))
                answers.append(point)
            asked.append(point)
        return _Said(asked, answers, self._answered(span, messages, point)) if asked else None

    def _answered(self, span: CallRow, messages: Mapping[bytes, MessageRow], point: int) -> list[int]:
        choices = [self._known.get(key) or self._understand(key, messages) for key in span.output_hashes or ()]
        said = [parts for parts in choices if isinstance(parts, tuple) and parts]
        whole = tuple(part for parts in said for part in parts)
        return [hash((point, parts)) for parts in dict.fromkeys([whole, *said]) if parts]

    def _understand(self, key: bytes, messages: Mapping[bytes, MessageRow]) -> _Message:
        message = messages.get(key)
        said: _Message
        if message is None or message.role in BEFORE:
            said = ()
        elif message.role == "assistant":
            said = _parts(orjson.loads(message.body))
        else:
            said = int.from_bytes(key[:8]) or 1
        if message is not None:
            if len(self._known) >= KNOWN:
                self._known.clear()
            self._known[key] = said
        return said


def _parts(message: Any) -> tuple[int, ...]:
    """What an answer says, part by part, however it is written."""
    parts = message.get("parts") if isinstance(message, dict) else [message]
    if not isinstance(parts, Sequence) or isinstance(parts, str):
        parts = [parts]
    return tuple(_number(said) for part in parts if (said := _said(part)))


def _said(part: Any) -> Any:
    if not isinstance(part, dict):
        return part
    kind = part.get("type")
    if kind in UNSAID:
        return None
    if kind == "text":
        return part.get("content")
    if kind == "tool_call":
        return [part.get("id"), part.get("name"), _structure(part.get("arguments"))]
    return part


def _structure(value: Any) -> Any:
    try:
        return orjson.loads(value) if isinstance(value, str) else value
    except orjson.JSONDecodeError:
        return value


def _number(said: Any) -> int:
    text = said.strip().encode() if isinstance(said, str) else orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
    return int.from_bytes(sha256(text).digest()[:8])
