"""A short day in the shop: several users, sessions and features, and a few things that go wrong."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import openai

import otelllm

from .agent import answer
from .features import find_all, suggest, summary, triage
from .knowledge import index
from .model import MODEL, running

if TYPE_CHECKING:
    from collections.abc import Iterator

QUESTIONS = [
    ("ada", "s-1", "Where is my order A-1002, and how long does delivery take?"),
    ("ada", "s-1", "Can I return it within 30 days?"),
    ("ben", "s-2", "Which charger do I need for the lamp?"),
    ("ben", "s-2", "Where is order A-1009?"),
    ("cleo", "s-3", "Is water damage covered by the warranty?"),
]
outcomes: Counter[str] = Counter()


@contextmanager
def visit(user: str, session: str, feature: str, fails: type[Exception] | tuple[()] = ()) -> Iterator[None]:
    """One use of a feature. What is meant to fail is counted and the day goes on; anything else ends it."""
    try:
        with otelllm.context(user=user, session=session, feature=feature, tags={"shop": "lamps"}):
            yield
        outcomes["went well"] += 1
    except fails as error:
        outcomes["failed as meant"] += 1
        print(f"  {user}'s {feature} failed: {type(error).__name__}", flush=True)


def day() -> None:
    """What the users do."""
    with visit("cron", "nightly", "index"):
        otelllm.task(name="index")(index)()
    for user, session, question in QUESTIONS:
        # An order that is not in the records makes the tool raise.
        with visit(user, session, "support", fails=LookupError), otelllm.context(prompt=("support", "v2")):
            print(f"  {user}: {question}\n    {answer(question)}", flush=True)
    notes = index().notes
    with visit("ada", "s-4", "summary"):
        summary(notes[0])
    with visit("cleo", "s-5", "summary"):
        summary(notes[1], stop_after=6)
    with visit("ben", "s-6", "search"):
        asyncio.run(find_all(["battery", "water", "invoice"]))
    with visit("ada", "s-7", "suggest", fails=TimeoutError):
        asyncio.run(suggest("Dear shop, my lamp", seconds=0.8))
    with visit("dora", "s-8", "triage"):
        triage("My lamp does not charge any more.")
    with visit("dora", "s-9", "triage", fails=openai.BadRequestError):
        triage("The parcel is not here. " * 600)  # longer than the model can read: 400


def main(endpoint: str | None = None) -> None:
    """Run the day against OPENAI_BASE_URL, or a model of this machine where that is not set; spans go to `endpoint`."""
    otelllm.instrument(
        service_name="lamp-shop",
        endpoint=endpoint,  # None: OTEL_EXPORTER_OTLP_ENDPOINT, else the collector at http://localhost:4318
        capture="full",  # prompts and answers too: these users are made up
        prices={MODEL: {"input": 0.02, "output": 0.04}},  # USD a million tokens: a made-up price for a local model
    )
    with ExitStack() as open_until_the_end:
        if "OPENAI_BASE_URL" not in os.environ:
            os.environ.update(OPENAI_BASE_URL=open_until_the_end.enter_context(running()), OPENAI_API_KEY="none needed")
        day()
    otelllm.shutdown()
    print("; ".join(f"{count} {what}" for what, count in outcomes.items()), flush=True)


if __name__ == "__main__":
    main()
