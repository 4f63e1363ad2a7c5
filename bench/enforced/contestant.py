"""One who calls a provider on loopback: `python -m enforced.contestant NAME URL` answers each line, a task, by one.

A task is {"way": …, "calls": …}; the answer holds each call's µs of CPU in the calling thread, and those of all threads
together, a call.
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from itertools import count
from typing import Any

from .answers import MODEL, asked

Ways = dict[str, Callable[[], Any]]
_number = count(os.getpid() * 1_000_000)


def _bare(url: str) -> Callable[..., Any]:
    import openai

    completions = openai.OpenAI(api_key="sk-1", base_url=url, max_retries=2).chat.completions

    def create(**kwargs: Any) -> Any:
        return completions.create(**kwargs)  # looked up each time: it may be watched by then

    return create


def otelllm_ways(url: str) -> Ways:
    """The openai client: bare, watched, and with a policy of limits, a budget, retries and the exact cache."""
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the checkout's, not an installed one
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider

    import otelllm

    from .parts import WHOLE

    create = _bare(url)
    running: dict[str, Any] = {}

    def under(policy: dict[str, Any] | None, number: Callable[[], int]) -> Callable[[], Any]:
        def call() -> Any:
            if running.get("policy") is not policy:
                otelllm.uninstrument()
                if policy is not None:
                    meters = MeterProvider(metric_readers=[InMemoryMetricReader()])
                    otelllm.instrument(tracer_provider=TracerProvider(), meter_provider=meters, policy=policy)
                running["policy"] = policy
            with otelllm.context(user="u-1", feature="bench"):
                return create(**asked(number()))

        return call

    none: dict[str, Any] = {}
    return {
        "bare": under(None, lambda: next(_number)),
        "watched": under(none, lambda: next(_number)),
        "a miss": under(WHOLE, lambda: next(_number)),
        "a hit": under(WHOLE, lambda: -1),
    }


def litellm_ways(url: str) -> Ways:
    """The openai client bare, LiteLLM's own call, and its Router with limits, retries and a cache in memory."""
    import litellm

    create = _bare(url)
    to = {"model": f"openai/{MODEL}", "api_base": url, "api_key": "sk-1"}
    router = litellm.Router(
        model_list=[{"model_name": MODEL, "litellm_params": {**to, "rpm": 10**8, "tpm": 10**11}}],
        num_retries=3,
        cache_responses=True,
        optional_pre_call_checks=["enforce_model_rate_limits"],
    )
    litellm.cache = None

    def plain() -> Any:
        cache, litellm.cache = litellm.cache, None
        try:
            return litellm.completion(**{**asked(next(_number)), **to})
        finally:
            litellm.cache = cache

    litellm.cache = litellm.Cache(type="local")
    return {
        "bare": lambda: create(**asked(next(_number))),
        "watched": plain,
        "a miss": lambda: router.completion(**asked(next(_number))),
        "a hit": lambda: router.completion(**asked(-1)),
    }


WAYS = {"otelllm": otelllm_ways, "litellm": litellm_ways}


def _round(way: Callable[[], Any], calls: int) -> dict[str, Any]:
    way()
    spent: list[float] = []
    began = time.process_time_ns()
    for _ in range(calls):
        thread = time.thread_time_ns()
        way()
        spent.append((time.thread_time_ns() - thread) / 1e3)
    time.sleep(0.02)  # what other threads have still to do of it counts too
    return {"thread": spent, "all": (time.process_time_ns() - began) / 1e3 / calls}


def main() -> None:
    """Serve until the input ends."""
    warnings.simplefilter("ignore")  # contestants' deprecations are theirs
    ways = WAYS[sys.argv[1]](sys.argv[2])
    print("ready", flush=True)
    for line in sys.stdin:
        task = json.loads(line)
        print(json.dumps(_round(ways[task["way"]], task["calls"])), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
