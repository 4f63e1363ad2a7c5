"""One call's life, from the app's arguments to its end. The order of stages stands here and nowhere else."""

from __future__ import annotations

from time import perf_counter_ns as now
from typing import Any

from .call import Call
from .connection import attach
from .errors import Blocked
from .generators import stand_in
from .relay import Relay, is_cancellation
from .safely import safely
from .spec import End, Provider, Received, Stages, Surface
from .steps import SEND, Send, Steps

__all__ = ["run"]


def run(call: Call, provider: Provider, surface: Surface, stages: Stages, end: End) -> Steps[Any]:
    """Yield each thing of `call` that may have to wait; return what the provider's method returned, untouched
    (a bare generator through its stand-in).

    Ends the call through `end`, exactly once; where the answer is still to come, its relay does.
    """
    call.policy_version = stages.version
    try:
        send = SEND
        for stage in stages.resolve:
            if (answer := (yield from stage(call))) is not None:
                send = Send(answer)
                call.verdict = "block"
                break
        call.timing.sent = now()
        result = yield send
    except BaseException as error:
        _fail(call, provider, surface, end, error)
        raise
    with safely("receiving an answer"):
        received = provider.receive(result)
        if received.kind == "generator":
            call.request.stream = True
            return stand_in(received.body, Relay(call, surface, provider, end))
        if _receive(call, provider, surface, end, received):
            return result
    _end(call, end)
    return result


def _receive(call: Call, provider: Provider, surface: Surface, end: End, received: Received) -> bool:
    """Read what came back; whether a relay ends the call later."""
    _read_headers(call, provider, received.response)
    if received.kind == "whole":
        call.timing.ended = now()
        surface.read_response(call.reading, received.body, call.captures)
        return False
    call.request.stream = call.request.stream or received.streamed
    relay = Relay(call, surface, provider, end)
    if received.attach is not None:
        with safely("watching an answer"):  # a relay that nothing holds ends its call when it is let go
            received.attach(relay)
    attach(relay, received.body if received.kind == "stream" and received.attach is None else None, received.response)
    return True


def _read_headers(call: Call, provider: Provider, response: Any) -> None:
    noted, call.response = call.response, None  # kept any longer, it would tie a stream into a cycle
    if (response := response if response is not None else noted) is not None:
        with safely("reading headers"):
            provider.read_headers(call.reading, response.headers)


def _fail(call: Call, provider: Provider, surface: Surface, end: End, error: BaseException) -> None:
    call.timing.ended = now()
    call.error = error
    if isinstance(error, Blocked):
        call.verdict = "block"
    if call.request.stream:
        call.ending = "blocked" if call.verdict == "block" else "cancelled" if is_cancellation(error) else "broken"
    _read_headers(call, provider, None)
    with safely("reading an error"):
        provider.read_error(call.reading, error, surface, call.captures)
    _end(call, end)


def _end(call: Call, end: End) -> None:
    call.timing.ended = call.timing.ended or now()
    with safely("ending a call"):
        end(call)
