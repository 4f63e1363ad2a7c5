"""How long a sender may take: connections that send nothing, or a byte now and then, must not pile up."""

from __future__ import annotations

import asyncio

import h11
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

__all__ = ["BodyInTime", "protocol"]


class BodyInTime:
    """Ends a request whose body is not whole in time, with 408; nobody has to trickle one in."""

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app, self._seconds = app, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request or the lifespan."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        deadline: float | None = None
        is_whole = False

        async def in_time() -> Message:
            nonlocal deadline, is_whole
            if is_whole:  # all that still comes is that the sender hangs up
                return await receive()
            # From the first time that it is asked for: who answers late need not have read it before.
            deadline = deadline or asyncio.get_running_loop().time() + self._seconds
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                text = f"the body did not come within {self._seconds:g} s; send it faster, or in smaller batches"
                raise HTTPException(408, text, {"connection": "close"}) from error
            is_whole = not message.get("more_body", False)
            return message

        await self._app(scope, in_time, send)


def protocol(seconds: float, connections: int) -> type[asyncio.Protocol]:
    """uvicorn's HTTP protocol, of which a request's head has to come in time, on so many connections at most.

    uvicorn itself ends connections only between requests: one that never sends a whole head would stay for good.
    """

    class Limited(H11Protocol):
        _late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
            super().connection_made(transport)
            if len(self.connections) > connections:
                transport.abort()
            else:
                self._late = self.loop.call_later(seconds, transport.close)

        def connection_lost(self, exc: Exception | None) -> None:
            self._cancel()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            before = self.cycle
            if self._late is None and (before is None or before.response_complete):
                self._late = self.loop.call_later(seconds, self.transport.close)
            super().data_received(data)
            if self.cycle is not before:
                self._cancel()
            elif before is not None and self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]:
                # The end of a body that was refused before it was whole: the connection is idle, as after an answer.
                self._cancel()
                self._unset_keepalive_if_required()
                self.timeout_keep_alive_task = self.loop.call_later(
                    self.timeout_keep_alive, self.timeout_keep_alive_handler
                )

        def _cancel(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

    return Limited
