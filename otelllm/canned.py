"""HTTP responses of httpx and httpx2 that are made of recorded bytes: to an SDK they are like those off the network."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from .recorded import Recorded

__all__ = ["canned"]


def canned(library: Any, recorded: Recorded, request: Any) -> Any:
    """The response to `request`; a stream's body comes in its own pieces, and is read once."""
    if recorded.kind == "whole":
        return library.Response(200, headers=recorded.headers, content=recorded.body, request=request)
    pieces = _pieces(library)(iter(recorded.pieces()))
    return library.Response(200, headers=recorded.headers, stream=pieces, request=request)


@cache
def _pieces(library: Any) -> Any:
    class Pieces(library.SyncByteStream, library.AsyncByteStream):  # type: ignore[misc]  # of whichever library it is
        """One pass over them, however many readers share it: as off a connection."""

        def __init__(self, pieces: Iterator[bytes]) -> None:
            self._pieces = pieces

        def __iter__(self) -> Iterator[bytes]:
            return self._pieces

        async def __aiter__(self) -> Any:
            for piece in self._pieces:
                yield piece

        def close(self) -> None:
            self._pieces = iter(())

        async def aclose(self) -> None:
            self._pieces = iter(())

    return Pieces
