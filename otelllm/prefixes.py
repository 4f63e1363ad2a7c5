"""Keyed hashes of a conversation's prefixes: equal ones make sessions, and show where a provider's prompt cache broke.

Only with a key of the team's own: a plain hash of a short prompt can be guessed. Where content is captured the
collector finds the same out by itself, from the messages.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import orjson

from .json_tree import plain, readable

__all__ = ["prefix_hashes"]

NEWEST = 8
MOST = 16


def prefix_hashes(key: bytes, system: Sequence[Any] | None, messages: Sequence[Any] | None) -> list[str]:
    """8-byte hashes (hex) of the first n messages, the longest prefix first: the newest 8, then at doubling distances.

    Each continues the one before it, so the conversation of the next turn has this turn's among its own. At most 16;
    the time is that of hashing all once (1 ms a megabyte).
    """
    chain = blake2b(key=key[:64], digest_size=8)
    if system:
        chain.update(_bytes(system))
    found: list[str] = []
    for message in messages or ():
        chain.update(_bytes(message))
        found.append(chain.hexdigest())
    found.reverse()
    at = NEWEST
    kept = found[:at]
    while at * 2 <= len(found) and len(kept) < MOST:
        at *= 2
        kept.append(found[at - 1])
    return kept


def _bytes(value: Any) -> bytes:
    try:
        return orjson.dumps(value, readable)
    except Exception:  # a loop, a lone surrogate: as capture does
        return orjson.dumps(plain(value))
