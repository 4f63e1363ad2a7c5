"""One call's life, from the app's arguments to its end. The order of stages stands here and nowhere else."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import partial
from time import perf_counter_ns as now
from typing import Any

from .attempt import AS_ASKED, Attempt, Target
from .call import Call, End
from .connection import attach
from .endings import is_cancellation
from .errors import Blocked
from .failures import failure_of, headers_of
from .generators import stand_in
from .relay import Relay
from .safely import safely
from .spec import Received
from .stages import Admit, Asked, Stages
from .steps import SEND, Send, Steps, Wait

__all__ = ["run"]


def run(call: Call, asked: Asked, stages: Stages, end: End) -> Steps[Any]:
    """Yield each thing of `call` that may have to wait; return what the provider's method returned, untouched
    (a bare generator through its stand-in).

    Ends the call through `end`, exactly once; where the answer is still to come, its relay does.
    """
    call.policy_version = stages.version
    if stages.measure is not None:
        call.input_size = partial(stages.measure, call, asked)
    try:
        for stage in stages.resolve:
            if (answer := (yield from stage(call))) is not None:
                call.verdict, call.served = "block", "rule"
                call.timing.sent = now()
                result = yield Send(answer)
                break
        else:
            if stages.has_attempts:
                result = yield from _attempts(call, asked, stages)
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
            return stand_in(received.body, Relay(call, asked.surface, asked.provider, end))
        if _receive(call, asked, end, received):
            return result
    _end(call, end)
    return result


def _attempts(call: Call, asked: Asked, stages: Stages) -> Steps[Any]:
    """The answer of the first target that gives one, or of a cache; the last target's own error where none does."""
    plan = deque((AS_ASKED,)) if stages.plan is None else stages.plan(call, asked)
    if stages.beside is not None:
        for target in stages.beside(call):
            yield Send(target=target, is_beside=True)
    wait_s = 0.0
    while True:
        target = plan.popleft()
        call.request.model = target.model or call.request.model
        for look_up in stages.look_up:
            if (stored := (yield from look_up(call, asked, target))) is not None:
                call.served = "cache"
                call.timing.sent = now()
                return (yield Send(stored=stored, target=target))
        attempt = Attempt(len(call.attempts) + 1, target, now(), waited_s=wait_s)
        if stages.admit is not None and (other := (yield from stages.admit(call, asked, attempt))) is not None:
            plan.appendleft(other)
            continue
        call.attempts.append(attempt)
        if stages.admit is not None and len(call.attempts) == 1:
            call.on_end.append(partial(_settle, stages.admit))
        attempt.began = call.timing.sent = now()
        try:
            return (yield Send(target=target if stages.recover is not None else _steered(target)))
        except BaseException as error:
            attempt.ended = now()
            with safely("reading a failed attempt"):
                _read_failure(call, asked, attempt, error)
            pause_s = None
            if stages.recover is not None and isinstance(error, Exception) and not isinstance(error, Blocked):
                pause_s = stages.recover(call, asked, attempt, plan)
            if pause_s is None:
                raise
            if stages.admit is not None:
                with safely("settling a failed attempt"):
                    _settle(stages.admit, call)
        wait_s = pause_s
        if wait_s:
            yield Wait(wait_s)


def _settle(admit: Admit, call: Call) -> None:
    """Of the call's last attempt, once."""
    attempt = call.attempts[-1]
    if attempt.reserved is not None:
        admit.settle(call, attempt)
        attempt.reserved = None


def _steered(target: Target) -> Target | None:
    return None if target is AS_ASKED else target


def _read_failure(call: Call, asked: Asked, attempt: Attempt, error: BaseException) -> None:
    """How it failed; what it leaves in the call's reading is of this attempt, and not of the next."""
    _read_headers(call, asked, None)
    _tell(call, headers_of(error))
    attempt.failure = failure_of(asked.provider, error)
    asked.provider.read_error(call.reading, error, asked.surface, False)
    attempt.error_type, attempt.request_id = call.reading.error_type, call.reading.request_id
    call.reading.error_type = call.reading.request_id = None


def _receive(call: Call, asked: Asked, end: End, received: Received) -> bool:
    """Read what came back; whether a relay ends the call later."""
    provider, surface = asked.provider, asked.surface
    _read_headers(call, asked, received.response)
    if call.tape is not None:
        with safely("recording an answer"):
            call.tape.received(received)
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


def _read_headers(call: Call, asked: Asked, response: Any) -> None:
    noted, call.response = call.response, None  # kept any longer, it would tie a stream into a cycle
    if (response := response if response is not None else noted) is not None:
        with safely("reading headers"):
            asked.provider.read_headers(call.reading, response.headers)
            _tell(call, response.headers)


def _tell(call: Call, headers: Mapping[str, str]) -> None:
    for told in call.on_headers:
        told(headers)


def _fail(call: Call, asked: Asked, end: End, error: BaseException) -> None:
    call.timing.ended = now()
    call.error = error
    if isinstance(error, Blocked):
        call.verdict = "block"
    if call.request.stream:
        call.ending = "blocked" if call.verdict == "block" else "cancelled" if is_cancellation(error) else "broken"
    _read_headers(call, asked, None)
    with safely("reading an error"):
        asked.provider.read_error(call.reading, error, asked.surface, call.captures)
    _end(call, end)


def _end(call: Call, end: End) -> None:
    call.timing.ended = call.timing.ended or now()
    with safely("ending a call"):
        end(call)
