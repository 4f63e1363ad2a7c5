"""One of several processes, of 64 callers each, that use up one allowance: `racing_app.py SDK URL STATE SEED`.

It says as JSON how its calls went. A call that will be cancelled says so in its prompt, for the provider to know.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import threading
from collections import Counter
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

import otelllm

MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-haiku-4-5"}
THREADS, TASKS = 48, 16
POLICY: dict[str, Any] = {
    "limits": [
        {"name": "slots", "scope": "all", "concurrent": 6, "max_wait": "60s", "fail": "closed"},
        {"name": "tokens", "scope": "all", "tokens_per_day": 60_000, "estimate": "strict", "when_full": "reject",
         "fail": "closed"},
    ],
}  # fmt: skip

seen: Counter[str] = Counter()
lock = threading.Lock()
over = threading.Event()
"""The allowance is used up."""


def saw(outcome: str) -> None:
    with lock:
        seen[outcome] += 1


def asked(sdk: str, prompt: str, *, stream: bool) -> dict[str, Any]:
    more: dict[str, Any] = {"stream_options": {"include_usage": True}} if sdk == "openai" and stream else {}
    messages = [{"role": "user", "content": prompt}]
    return {"model": MODELS[sdk], "messages": messages, "max_tokens": 100, "stream": stream, **more}


def failed(error: Exception) -> None:
    """A refusal for want of tokens ends the race; the counters being busy, or a provider that fails, does not."""
    if isinstance(error, otelllm.RateLimited):
        saw("refused")
        if error.rule == "tokens" and error.cap:
            over.set()
    elif type(error).__name__ == "InternalServerError":
        saw("failed")
    else:
        raise error


def run(sdk: str, create: Any, chance: random.Random) -> None:
    while not over.is_set():
        streamed = chance.random() < 0.3
        try:
            answer = create(**asked(sdk, "hello", stream=streamed))
            if streamed:
                for _ in answer:
                    pass
            saw("answered")
        except Exception as error:
            failed(error)


async def arun(sdk: str, create: Any, chance: random.Random) -> None:
    async def one() -> None:
        is_left = chance.random() < 0.3
        calling = asyncio.ensure_future(create(**asked(sdk, "cancelled" if is_left else "hello", stream=False)))
        if is_left:
            await asyncio.wait([calling], timeout=chance.random() / 20)
            if calling.cancel():
                saw("cancelled")
        try:
            await calling
            saw("answered")
        except asyncio.CancelledError:
            pass
        except Exception as error:
            failed(error)

    async def many() -> None:
        while not over.is_set():
            await one()

    async with asyncio.TaskGroup() as group:
        for _ in range(TASKS):
            group.create_task(many())


def main() -> None:
    sdk, url, state, seed = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
    policy = {**POLICY, "state": {"url": state}}
    otelllm.instrument(policy=policy, tracer_provider=TracerProvider(), meter_provider=MeterProvider())
    if sdk == "openai":
        import openai

        options: dict[str, Any] = {"api_key": "k", "base_url": url, "max_retries": 0, "timeout": 120}
        create: Any = openai.OpenAI(**options).chat.completions.create
        acreate: Any = openai.AsyncOpenAI(**options).chat.completions.create
    else:
        import anthropic

        options = {"api_key": "k", "base_url": url.removesuffix("/v1"), "max_retries": 0, "timeout": 120}
        create = anthropic.Anthropic(**options).messages.create
        acreate = anthropic.AsyncAnthropic(**options).messages.create
    threads = [
        threading.Thread(target=run, args=(sdk, create, random.Random(seed + number))) for number in range(THREADS)
    ]
    threads.append(threading.Thread(target=lambda: asyncio.run(arun(sdk, acreate, random.Random(seed)))))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    otelllm.shutdown()
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main()
