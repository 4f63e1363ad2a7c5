"""The attempts of one call: each target of its plan in turn, until one gives an answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from functools import partial
from time import perf_counter_ns as now
from typing import Any

from .attempt import AS_ASKED, Attempt, Target
from .attributes import error_type_of
from .call import Call
from .errors import Blocked
from .failures import failure_of, headers_of
from .hosts import endpoint_of
from .http_clients import headers_in
from .safely import safely
from .stages import Admit, Asked, Stages
from .steps import Send, Steps, Wait

__all__ = ["Tries", "read_headers"]


class Tries:
    """What is left to try of one call. A stream that fails before the app got anything of it comes back here."""

    __slots__ = ("_asked", "_call", "_plan", "_stages")

    def __init__(self, call: Call, asked: Asked, stages: Stages) -> None:
        self._call, self._asked, self._stages = call, asked, stages
        self._plan: deque[Target] = deque()

    def first(self) -> Steps[Any]:
        """The answer of the first target that gives one, or of a cache; raises the last target's own error."""
        call, stages = self._call, self._stages
        call.keeps_text = stages.recover is not None
        self._plan = deque((AS_ASKED,)) if stages.plan is None else stages.plan(call, self._asked)
        if stages.beside is not None:
            beside: Sequence[Target] = ()
            with safely("choosing what is asked beside a call"):
                beside = stages.beside(call)
            for target in beside:
                yield Send(target=target, is_beside=True)
        return (yield from self._on(0.0))

    def again(self, error: Exception) -> Steps[Any]:
        """The same, after the answer of the last one turned out to be `error`; raises that where nothing is left."""
        pause_s = self._failed(error)
        if pause_s is None:
            raise error
        return (yield from self._on(pause_s))

    def _on(self, pause_s: float) -> Steps[Any]:
        call, asked, stages = self._call, self._asked, self._stages
        while True:
            if pause_s:
                yield Wait(pause_s)
            target = self._plan.popleft()
            _lead(call, target)
            for look_up in stages.look_up:
                if (stored := (yield from look_up(call, asked, target))) is not None:
                    call.served = "cache"
                    call.timing.sent = now()
                    return (yield Send(stored=stored, target=target))
            attempt = Attempt(len(call.attempts) + 1, target, now(), call.request.model, waited_s=pause_s)
            if stages.admit is not None and (other := (yield from stages.admit(call, asked, attempt))) is not None:
                self._plan.appendleft(other)
                pause_s = 0.0
                continue
            call.attempts.append(attempt)
            if stages.admit is not None and len(call.attempts) == 1:
                call.on_end.append(partial(_settle, stages.admit))
            attempt.began = call.timing.sent = now()
            is_plain = target is AS_ASKED and not stages.owns_retries
            try:
                return (yield Send(target=None if is_plain else target, once=stages.owns_retries))
            except BaseException as error:
                again_s = self._failed(error)
                if again_s is None:
                    raise
                pause_s = again_s

    def _failed(self, error: BaseException) -> float | None:
        """The last attempt ended with `error`: seconds to wait before the next; None where there is none."""
        call, asked, stages = self._call, self._asked, self._stages
        attempt = call.attempts[-1]
        attempt.ended = now()
        with safely("reading a failed attempt"):
            _read_failure(call, asked, attempt, error)
        if stages.recover is None or attempt.failure is None:
            return None
        if not isinstance(error, Exception) or isinstance(error, Blocked):
            return None
        pause_s = None
        with safely("deciding on another attempt"):
            pause_s = stages.recover(call, asked, attempt, self._plan)
        if pause_s is not None and stages.admit is not None:
            with safely("settling a failed attempt"):
                _settle(stages.admit, call)
        return pause_s


def _lead(call: Call, target: Target) -> None:
    """Say on the call where it goes now."""
    call.request.model = target.model or call.request.model
    if target.key is not None:
        call.key = target.key.hash
    if target.base_url is not None:
        _, address, port = endpoint_of(target.base_url, call.provider)
        call.server = (address, port) if address else None


def _settle(admit: Admit, call: Call) -> None:
    """Of the call's last attempt, once."""
    attempt = call.attempts[-1]
    if attempt.reserved is not None:
        admit.settle(call, attempt)
        attempt.reserved = None


def _read_failure(call: Call, asked: Asked, attempt: Attempt, error: BaseException) -> None:
    """How it failed; what it leaves in the call's reading is of this attempt, and not of the next."""
    read_headers(call, asked, None)
    _tell(call, headers_of(error))
    attempt.failure = failure_of(asked.provider, error)
    asked.provider.read_error(call.reading, error, asked.surface, False)
    attempt.error_type, attempt.request_id = call.reading.error_type or error_type_of(error), call.reading.request_id
    call.reading.error_type = call.reading.request_id = None


def read_headers(call: Call, asked: Asked, response: Any) -> tuple[Any, Mapping[str, str]]:
    """What the headers of the answer say: of `response`, or of the one that was noted on the call. Gives both."""
    noted, call.response = call.response, None  # kept any longer, it would tie a stream into a cycle
    headers: Mapping[str, str] = {}
    if (response := response if response is not None else noted) is not None:
        with safely("reading headers"):
            headers = headers_in(response)
            asked.provider.read_headers(call.reading, headers)
            _tell(call, headers)
    return response, headers


def _tell(call: Call, headers: Mapping[str, str]) -> None:
    for told in call.on_headers:
        told(headers)
