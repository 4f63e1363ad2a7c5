"""Three layers that try again, one in the other: the SDK, LangChain, the app's loop; one policy counts requests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest
from wire.files import body
from wire.server import whole

import otelllm

from .apps import loop

if TYPE_CHECKING:
    from telemetry import Telemetry
    from wire.server import Provider

MOST = 4
POLICY = {"retries": {"max_attempts": MOST, "base": "1ms", "max_wait": "5s", "storm_ratio": 1.0}}
LOOPS = 3
ERRORS: Any = {"openai": openai.APIStatusError, "anthropic": anthropic.APIStatusError}


def _retrying(model: Any) -> Any:
    """LangChain's own loop around a model."""
    return model.with_retry(stop_after_attempt=3, wait_exponential_jitter=False)


@pytest.fixture
def openai_model(provider: Provider, openai_model: Any) -> Any:
    """With an SDK that tries six times."""
    openai_model.client._client.max_retries = 5
    openai_model.async_client._client.max_retries = 5
    return openai_model


@pytest.fixture
def anthropic_model(anthropic_model: Any) -> Any:
    """The same."""
    anthropic_model._client.max_retries = 5
    anthropic_model._async_client.max_retries = 5
    return anthropic_model


def _loop(model: Any, way: str) -> None:
    """The app's own loop, which gives up with what the provider said last."""
    retrying = _retrying(model)

    async def arun() -> None:
        for left in reversed(range(LOOPS)):
            try:
                await retrying.ainvoke("hi")
            except Exception:
                if not left:
                    raise

    def run() -> None:
        for left in reversed(range(LOOPS)):
            try:
                retrying.invoke("hi")
            except Exception:
                if not left:
                    raise

    if way == "sync":
        run()
    else:
        loop(arun())


@pytest.mark.parametrize("is_traced", [True, False], ids=["in a workflow", "without a trace"])
@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("which", ["openai", "anthropic"])
def test_three_nested_layers_make_no_more_requests_than_the_policy_says(
    otel: Telemetry, provider: Provider, request: pytest.FixtureRequest, which: str, way: str, is_traced: bool
) -> None:
    """54 without it. What the app gets is the SDK's own exception. Without a trace of the app's own each of its runs of
    LangChain is one; they follow one another in one thread or task.
    """
    model = request.getfixturevalue(f"{which}_model")
    otel.instrument(policy=POLICY)
    provider.always = whole('{"error": {"type": "api_error", "message": "no"}}', status=503)
    run = otelllm.workflow(_loop) if is_traced else _loop
    with pytest.raises(Exception) as caught:  # noqa: PT011  the SDK's own
        run(model, way)
    assert isinstance(caught.value, ERRORS[which]), "LangChain's own class, made of the SDK's"
    assert len(provider.requests) == MOST


@pytest.mark.parametrize("way", ["sync", "async"])
def test_once_it_was_answered_the_same_question_is_a_new_one(
    otel: Telemetry, provider: Provider, openai_model: Any, way: str
) -> None:
    otel.instrument(policy=POLICY)
    retrying = _retrying(openai_model)
    no = whole('{"error": {"type": "api_error", "message": "no"}}', status=503)
    provider.reply(*[no, no, whole(body("openai/chat.json"))] * 2)

    async def twice() -> list[Any]:
        return [await retrying.ainvoke("hi") for _ in range(2)]

    answers = [retrying.invoke("hi") for _ in range(2)] if way == "sync" else loop(twice())
    assert all(answer.content for answer in answers)
    assert len(provider.requests) == 6
