"""The ways of asking for a message, what each is called with and answers: the rows of the tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wire import files
from wire.server import sse, whole

if TYPE_CHECKING:
    from collections.abc import Callable

    from wire.server import Provider

    from .app import App

__all__ = ["BETA", "MODEL", "PLAIN", "STREAMING", "TEXT", "WHOLE", "Surface", "answer", "open_stream"]

MODEL = "claude-sonnet-4-6"
TEXT = "The lighthouse at Skagen was lit in 1858."
SYSTEM = "You are a guide to lighthouses."
QUESTION = "When was the one at Skagen lit?"
ARGUMENTS: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 100,
    "system": SYSTEM,
    "messages": [{"role": "user", "content": QUESTION}],
}
EVENTS = files.events("anthropic/message_stream.sse")
HEAD = 6
"""Events sent before a break: the start, a ping, the block and three pieces of text."""


@dataclass(frozen=True, slots=True, eq=False)
class Surface:
    """One way to ask."""

    name: str
    resource: Callable[[Any], Any] = field(repr=False)
    is_manager: bool = False
    taken: int = 5
    """How many events the app sees of `HEAD`: a ping is the SDK's, and a manager adds one to each piece of text."""

    def method(self, client: Any) -> Callable[..., Any]:
        """The method that is called."""
        resource = self.resource(client)
        return resource.stream if self.is_manager else resource.create


PLAIN = Surface("create", lambda client: client.messages)
BETA = Surface("beta create", lambda client: client.beta.messages)
MANAGER = Surface("stream()", lambda client: client.messages, is_manager=True, taken=8)
BETA_MANAGER = Surface("beta stream()", lambda client: client.beta.messages, is_manager=True, taken=8)

WHOLE = (PLAIN, BETA)
STREAMING = (PLAIN, BETA, MANAGER, BETA_MANAGER)


def open_stream(app: App, surface: Surface, **more: Any) -> Any:
    """A stream that nobody has read yet; a manager is entered, and forgotten."""
    method = surface.method(app.client)
    if surface.is_manager:
        return app.enter(method(**{**ARGUMENTS, **more}))
    return app.call(method, **{**ARGUMENTS, "stream": True, **more})


def answer(app: App, provider: Provider, file: str, surface: Surface = PLAIN, **more: Any) -> Any:
    """One call answered by a wire file: the message, or all events of the stream."""
    name = f"anthropic/{file}"
    if name.endswith(".sse"):
        provider.reply(sse(files.events(name)))
        return app.read(open_stream(app, surface, **more))
    provider.reply(whole(files.body(name)))
    return app.call(surface.method(app.client), **{**ARGUMENTS, **more})
