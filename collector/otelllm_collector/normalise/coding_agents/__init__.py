"""Coding agents that tell in log events what others tell in spans: one span is made of each that reports a call.

A file an agent, with a table of its events. The made spans of a session are one trace, and an event that is delivered
again makes the same span again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from otelllm import semconv

from ..values import number, text
from . import claude_code, codex, gemini_cli
from .spec import Agent, Event, SyntheticSpan

__all__ = ["SyntheticSpan", "made_span"]

log = logging.getLogger(__name__)

_AGENTS: tuple[Agent, ...] = (claude_code.AGENT, codex.AGENT, gemini_cli.AGENT)
_EVENTS: dict[str, tuple[Agent, Event]] = {
    agent.prefix + name: (agent, event) for agent in _AGENTS for name, event in agent.events.items()
}
_MAX_MS = 7 * 24 * 3600 * 1000
"""A call of more than a week is a wrong number."""


def made_span(
    event_name: str, attributes: Mapping[str, Any], body: Any, time_ns: int, trace_id: bytes | None, span_id: int | None
) -> SyntheticSpan | None:
    """The call that a record tells of; None for every other record, and where the agent sends the call's own span:
    then its records carry the ids of one.
    """
    found = _EVENTS.get(event_name) or _by_body(event_name, body)
    if found is None:
        return None
    agent, event = found
    if agent.has_spans and trace_id is not None and span_id is not None:
        return None
    made = _read(agent, event, attributes)
    if made is None:
        return None
    session = made.get(semconv.CONVERSATION_ID)
    identity = _identity(event, attributes, time_ns)
    took_ms = number(attributes.get("duration_ms")) or 0.0
    duration_ns = int(took_ms * 1e6) if 0 < took_ms < _MAX_MS else 0
    failed = event.failed(attributes)
    of = made.get(semconv.TOOL_NAME) or made.get(semconv.REQUEST_MODEL) or ""
    return SyntheticSpan(
        vocabulary=agent.name,
        name=f"{made[semconv.OPERATION]} {of}".strip(),
        start_ns=max(time_ns - duration_ns, 1),
        end_ns=time_ns,
        trace_id=_hash(16, agent.name, session or identity),
        span_id=int.from_bytes(_hash(8, agent.name, session or "", event_name, identity)) or 1,
        attributes=made,
        is_error=failed,
        error=text(attributes.get("error.message")) or text(attributes.get("error")) if failed else None,
    )


def _read(agent: Agent, event: Event, attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        made = event.read(attributes)
        said = None if made is None else {**agent.common(attributes), **made}
    except Exception:  # whatever a sender makes up, its record is kept
        log.warning("an event of %s can't be read and makes no span", agent.name, exc_info=True)
        return None
    return None if said is None else {name: value for name, value in said.items() if value is not None}


def _by_body(event_name: str, body: Any) -> tuple[Agent, Event] | None:
    """Claude Code leaves its prefix out of the event's name, and has it in the body."""
    found = _EVENTS.get(body) if isinstance(body, str) else None
    return found if found is not None and event_name in {"", body.removeprefix(found[0].prefix)} else None


def _identity(event: Event, attributes: Mapping[str, Any], time_ns: int) -> str:
    """What tells an event from all others of its session, however often it is sent: an id of the call where it has
    one, else the time at which the agent says that it was.
    """
    if event.ids and attributes.get(event.ids[0]) not in (None, ""):
        return "\0".join(str(attributes.get(key)) for key in event.ids)
    at = text(attributes.get("event.timestamp")) or str(time_ns)
    return "\0".join([at, *(f"{key}={attributes[key]}" for key in sorted(attributes) if key != "event.timestamp")])


def _hash(size: int, *of: str) -> bytes:
    return blake2b("\0".join(of).encode("utf-8", "replace"), digest_size=size).digest()
