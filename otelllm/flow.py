"""One call's life, from the app's arguments to its end. The order of stages stands here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import perf_counter_ns as now
from typing import Any, NamedTuple

from .call import Call, End
from .connection import attach, hand_over
from .endings import is_cancellation
from .errors import Blocked
from .generators import stand_in
from .relay import Relay
from .renewal import renew
from .safely import safely
from .spec import Received
from .stages import Asked, Stages
from .steps import SEND, SENDER, Send, Steps
from .tries import Tries, read_headers

__all__ = ["run"]


def run(call: Call, asked: Asked, stages: Stages, end: End) -> Steps[Any]:
    """Yield each thing of `call` that may have to wait; return what the provider's method returned, untouched
    (a bare generator through its stand-in).

    Ends the call through `end`, exactly once; where the answer is still to come, its relay does.
    """
    call.policy_version = stages.version
    if stages.measure is not None:
        call.input_size = partial(stages.measure, call, asked)
    again = None
    try:
        for stage in stages.resolve:
            if (answer := (yield from stage(call))) is not None:
                call.verdict, call.served = "block", "rule"
                call.timing.sent = now()
                result = yield Send(answer)
                break
        else:
            if stages.has_attempts:
                tries = Tries(call, asked, stages)
                result = yield from tries.first()
                if stages.recover is not None:
                    again = Again(tries.again, (yield SENDER))
            else:
                call.timing.sent = now()
                result = yield SEND
    except BaseException as error:
        _fail(call, asked, end, error)
        raise
    with safely("receiving an answer"):
        received = asked.provider.receive(result)
        if received.kind == "generator":
            call.request.stream = True
            relay = Relay(call, asked.surface, asked.provider, end)
            relay.on_tap = _renewing(asked, received, again)
            return stand_in(received.body, relay)
        if _receive(call, asked, end, received, again):
            return result
    _end(call, end)
    return result


class Again(NamedTuple):
    """What a stream needs to begin anew: the next attempt after an error, and the driver's way to send it."""

    steps: Callable[[Exception], Steps[Any]]
    send: Any


def _receive(call: Call, asked: Asked, end: End, received: Received, again: Again | None) -> bool:
    """Read what came back; whether a relay ends the call later."""
    provider, surface = asked.provider, asked.surface
    _note(call, asked, received)
    if received.kind == "whole":
        call.timing.ended = now()
        surface.read_response(call.reading, received.body, call.captures)
        return False
    call.request.stream = call.request.stream or received.streamed
    relay = Relay(call, surface, provider, end)
    relay.on_tap = _renewing(asked, received, again)
    if received.attach is not None:
        with safely("watching an answer"):  # a relay that nothing holds ends its call when it is let go
            received.attach(relay)
    attach(relay, received.body if received.kind == "stream" and received.attach is None else None, received.response)
    return True


def _note(call: Call, asked: Asked, received: Received) -> None:
    """What is told of an answer before it is read."""
    response, headers = read_headers(call, asked, received.response)
    if call.tape is not None:
        with safely("recording an answer"):
            call.tape.received(received._replace(response=response, headers=headers))


def _renewing(asked: Asked, first: Received, again: Again | None) -> Callable[[Relay, Any], None] | None:
    """Lets a stream begin anew where it fails before its first chunk."""
    if again is None:
        return None
    provider, follow = asked.provider, first.follow

    def renewing(relay: Relay, tap: Any) -> None:
        bytes_of = ("aiter_bytes" if hasattr(tap, "__anext__") else "iter_bytes") if tap.reads_bytes else ""

        def source_of(result: Any) -> Any:
            later = provider.receive(result)
            _note(relay.call, asked, later)
            if later.response is not None:
                hand_over(relay, later.response)
            if bytes_of:
                return getattr(later.response, bytes_of)()
            if follow is not None:
                return follow(later)
            return later.body if later.kind == "generator" else getattr(later.body, provider.iterator)

        renew(tap, relay, again=again.steps, source_of=source_of, send=again.send)

    return renewing


def _fail(call: Call, asked: Asked, end: End, error: BaseException) -> None:
    call.timing.ended = now()
    call.error = error
    if isinstance(error, Blocked):
        call.verdict = "block"
    if call.request.stream:
        call.ending = "blocked" if call.verdict == "block" else "cancelled" if is_cancellation(error) else "broken"
    read_headers(call, asked, None)
    with safely("reading an error"):
        asked.provider.read_error(call.reading, error, asked.surface, call.captures)
    _end(call, end)


def _end(call: Call, end: End) -> None:
    call.timing.ended = call.timing.ended or now()
    with safely("ending a call"):
        end(call)
