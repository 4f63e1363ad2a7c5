"""A failure in our own code never reaches the app: each hook broken in turn, in every way of asking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anthropic
import pytest
from wire import files
from wire.server import sse, whole

from otelllm import calls, safely
from otelllm.providers.anthropic import PROVIDER, messages

from .surfaces import ARGUMENTS, EVENTS, MANAGER, PLAIN, TEXT, open_stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def as_in_production() -> Iterator[None]:
    """Swallow, and forget what was counted."""
    before = safely.strict(False)
    yield
    safely.strict(before)
    safely.failures.clear()


SURFACE, OURS = type(messages.MESSAGES), type(PROVIDER)
HOOKS = [
    *((SURFACE, name) for name in ("read_request", "read_input", "read_response", "fold_chunk", "finish")),
    *((OURS, name) for name in ("endpoint", "receive", "read_headers", "read_error")),
    (calls, "copy"),
]


@pytest.mark.parametrize(("owner", "name"), HOOKS, ids=lambda value: value if isinstance(value, str) else "")
def test_the_app_sees_what_it_would_see_without_us(
    otel: Telemetry, app: App, provider: Provider, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    """Answers, streams, managers and errors are the SDK's own, whatever of ours is broken."""
    otel.instrument(capture="full")

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ours")

    monkeypatch.setattr(owner, name, broken)
    provider.reply(whole(files.body("anthropic/message.json")), sse(EVENTS), sse(EVENTS))
    assert app.call(PLAIN.method(app.client), **ARGUMENTS).content[0].text == TEXT
    assert len(app.read(open_stream(app, PLAIN))) == len(EVENTS) - 1
    manager = MANAGER.method(app.client)(**ARGUMENTS)
    assert app.within(manager, lambda stream: stream.get_final_message()).content[0].text == TEXT
    provider.reply(whole(files.body("anthropic/error_429.json"), status=429))
    with pytest.raises(anthropic.RateLimitError):
        app.call(PLAIN.method(app.client), **ARGUMENTS)
