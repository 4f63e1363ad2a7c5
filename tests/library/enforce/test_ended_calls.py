"""What is left of a call that has ended: nothing that only the collector of cycles would free."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import otelllm
from otelllm.call import Call

from .test_faults import RULES

if TYPE_CHECKING:
    from telemetry import Telemetry

    from .apps import Asking


def _calls() -> int:
    return sum(isinstance(one, Call) for one in gc.get_objects())


def test_an_ended_call_is_freed_at_once(otel: Telemetry, asking: Asking) -> None:
    """Under a whole policy: the rules note things on a call, some of which know the call. Collections are off here."""
    otel.instrument(policy=RULES)
    with otelllm.context(user="anna", feature="intent"):
        asking.ask("first")
        asking.app.settle()
        gc.collect()
        before = _calls()
        for number in range(5):
            asking.ask(f"question {number}")
        asking.app.settle()
    assert _calls() == before
