"""One body's way to what a writer takes: decoded, priced, its spans as columns."""

from __future__ import annotations

from .columns import Columns
from .decode import Decoded, Signal, Undecodable, decode_whole
from .packed import pack
from .prices import with_costs

__all__ = ["decode_packed"]


def decode_packed(
    signal: Signal, body: bytes, columns: Columns | None, *, is_json: bool, now_ns: int, project: str | None = None
) -> Decoded:
    """The batch, with the spans in such columns, where those are given; `Undecodable` where no store could keep it."""
    decoded = decode_whole(signal, body, is_json=is_json, now_ns=now_ns, project=project)
    with_costs(decoded.batch)
    if columns is not None:
        try:
            pack(decoded.batch, columns)
        except (ArithmeticError, TypeError, ValueError) as error:
            raise Undecodable(f"a value in the body fits no column ({error})") from error
    return decoded
