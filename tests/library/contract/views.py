"""The ways that go through the raw views of SDKs made by Stainless."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wire.server import Gate, whole

if TYPE_CHECKING:
    from wire.server import Provider

    from .row import Row
    from .ways import Seen

__all__ = [
    "raw",
    "raw_refused",
    "raw_stream",
    "raw_stream_never_parsed",
    "view_left_unread",
    "view_of_a_stream",
    "view_of_a_streams_bytes",
    "view_of_the_bytes",
    "view_parsed",
]


def _views(app: Any, row: Row, kind: str) -> tuple[Any, dict[str, Any]]:
    """A method of the row's surface in `with_raw_response` or `with_streaming_response`, and its arguments."""
    method, arguments = row.ask(app.client, streamed=False, timeout_s=None)
    return getattr(getattr(method.__self__, kind), method.__name__), arguments


def _parsed(app: Any, view: Any) -> Any:
    parsed = view.parse()  # a coroutine in some of the async views
    return app.call(lambda: parsed) if hasattr(parsed, "__await__") else parsed


def raw(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    provider.reply(whole(row.answer))
    method, arguments = _views(app, row, "with_raw_response")
    view = app.call(method, **arguments)
    seen.got(type(view), view.headers["x-request-id"], view.http_response.content, _parsed(app, view))
    assert _parsed(app, view) is _parsed(app, view)


def raw_refused(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    status, body = row.refusal
    provider.reply(whole(body, status=status))
    method, arguments = _views(app, row, "with_raw_response")
    app.call(method, **arguments)


def raw_stream(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    provider.reply(row.reply(row.events))
    method, arguments = _views(app, row, "with_raw_response")
    view = app.call(method, **arguments, stream=True)
    stream = _parsed(app, view)
    seen.got(type(view), stream, *app.read(stream))
    assert _parsed(app, view) is stream


def raw_stream_never_parsed(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    provider.reply(row.reply([*row.events[: row.head], Gate()]))
    method, arguments = _views(app, row, "with_raw_response")
    view = app.call(method, **arguments, stream=True)
    seen.got(type(view), view.headers["content-type"])
    app.close(view)
    provider.last.wait_left()


def view_parsed(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    provider.reply(whole(row.answer))
    method, arguments = _views(app, row, "with_streaming_response")
    seen.got(app.within(method(**arguments), lambda view: view.parse()))


def view_left_unread(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    provider.reply(whole(row.answer))
    method, arguments = _views(app, row, "with_streaming_response")
    seen.got(app.within(method(**arguments), type))


def view_of_a_stream(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    provider.reply(row.reply(row.events))
    method, arguments = _views(app, row, "with_streaming_response")

    async def aread(view: Any) -> list[Any]:
        return [chunk async for chunk in await view.parse()]

    read_it = aread if app.kind == "async" else lambda view: list(view.parse())
    seen.got(*app.within(method(**arguments, stream=True), read_it))


def _pieces(app: Any, view: Any) -> Any:
    async def aread() -> bytes:
        return b"".join([piece async for piece in view.iter_bytes()])

    return aread() if app.kind == "async" else b"".join(view.iter_bytes())


def view_of_the_bytes(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    provider.reply(whole(row.answer))
    method, arguments = _views(app, row, "with_streaming_response")
    seen.got(app.within(method(**arguments), lambda view: _pieces(app, view)))


def view_of_a_streams_bytes(app: Any, provider: Provider, row: Row, seen: Seen) -> None:
    provider.reply(row.reply(row.events))
    method, arguments = _views(app, row, "with_streaming_response")
    seen.got(app.within(method(**arguments, stream=True), lambda view: _pieces(app, view)))
