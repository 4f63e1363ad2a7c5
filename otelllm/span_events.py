"""What is written on a span beside its attributes: an error, what each rule decided, how each attempt went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry.trace import StatusCode

from . import semconv
from .capture import Capture, Content

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from .attempt import Attempt
    from .call import Call, Decision, Value

__all__ = ["write_decisions", "write_error"]


def write_decisions(span: Span, call: Call) -> None:
    """An `otelllm.decision` for each rule that changed something, or would have; an `otelllm.attempt` for each attempt
    where there was more than a lone success.
    """
    for decision in call.decisions:
        span.add_event(semconv.EVENT_DECISION, _decision(decision))
    if len(call.attempts) > 1 or (call.attempts and call.attempts[0].failure is not None):
        for attempt in call.attempts:
            span.add_event(semconv.EVENT_ATTEMPT, _attempt(call, attempt))


def _decision(decision: Decision) -> dict[str, Value]:
    told: dict[str, Value] = {
        "stage": decision.stage, "rule": decision.rule, "mode": decision.mode, "outcome": decision.outcome,
        "scope": decision.scope, "reason": decision.reason,
    }  # fmt: skip
    if decision.reserved is not None:
        told["reserved"] = decision.reserved
    if decision.settled is not None:
        told["settled"] = decision.settled
    if decision.waited_s:
        told["waited"] = decision.waited_s
    return told


def _attempt(call: Call, attempt: Attempt) -> dict[str, Value]:
    target = attempt.target
    ended = attempt.ended or call.timing.ended
    told: dict[str, Value | None] = {
        "number": attempt.number,
        "provider": call.provider,
        "model": attempt.model,
        "endpoint": target.endpoint or None,
        "key": target.key.hash if target.key is not None else call.key,
        "status": attempt.failure.status if attempt.failure is not None else None,
        semconv.ERROR_TYPE: attempt.error_type,
        "request_id": attempt.request_id,
        "waited": attempt.waited_s,
        "duration": (ended - attempt.began) / 1e9 if ended is not None else None,
    }
    return {name: value for name, value in told.items() if value is not None}


def write_error(span: Span, error: BaseException | None, failed: str, message: str | None, capture: Capture) -> None:
    """The error's event and status. Its message and stack trace are content: providers' 401 texts repeat the key."""
    told: dict[str, str] = {}
    description = None
    if error is not None:
        kind = type(error)
        told[semconv.EXCEPTION_TYPE] = f"{kind.__module__}.{kind.__qualname__}"
    if capture.mode != "off":
        content = Content(capture)
        description = content.text(str(error) if error is not None else message or failed)
        if description:
            told[semconv.EXCEPTION_MESSAGE] = description
        if error is not None and error.__traceback__ is not None:
            import traceback  # noqa: PLC0415  only where something failed and content is kept

            stack = content.text("".join(traceback.format_exception(error)))
            if stack:
                told[semconv.EXCEPTION_STACKTRACE] = stack
    span.add_event(semconv.EVENT_EXCEPTION, {semconv.ERROR_TYPE: failed, **told})
    span.set_status(StatusCode.ERROR, description)
