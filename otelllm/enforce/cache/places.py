"""Where the policy says that answers are kept -> the store; one a place and process, whatever becomes of the policy."""

from __future__ import annotations

import os
from pathlib import Path

from ...errors import BadConfig
from ...state.redis_client import SCHEMES, redis_client
from .kept import Kept
from .memory import Memory
from .redis import RedisServer
from .sqlite import SqliteFile
from .store import Store

__all__ = ["check", "close_all", "in_use", "opened"]

_WAYS = 'write "memory", "sqlite:PATH" or "redis://HOST:6379/0"'

ROOM = 256 << 20

_kept: dict[str, Kept] = {}
_hooked = False


def check(where: str) -> None:
    """Raise BadConfig where this is no place, or what it needs is not installed."""
    if where.startswith(SCHEMES):
        redis_client(where, "cache.exact.where")  # it connects later
    elif where != "memory" and not (where.startswith("sqlite:") and where != "sqlite:"):
        raise BadConfig(f"{where!r} is no place for answers; {_WAYS}")


def opened(where: str, max_bytes: int | None = None) -> Kept:
    """What is kept at this place: open already, maybe, so that an edited policy empties no cache."""
    kept = _kept.get(where)
    if kept is None:
        kept = _kept[where] = Kept(_made(where, max_bytes or ROOM))
        _hook_forks()
    kept.store.max_bytes = max_bytes or kept.store.max_bytes
    return kept


def _made(where: str, max_bytes: int) -> Store:
    check(where)
    if where == "memory":
        return Memory(max_bytes)
    if where.startswith("sqlite:"):
        return SqliteFile(Path(where.removeprefix("sqlite:")).expanduser(), max_bytes)
    return RedisServer(redis_client(where, "cache.exact.where"), max_bytes)


def in_use() -> list[Kept]:
    """Every place that this process has opened."""
    return list(_kept.values())


def close_all() -> None:
    """Let go of them; what was in memory is gone."""
    while _kept:
        _kept.popitem()[1].close()


def _hook_forks() -> None:
    global _hooked  # noqa: PLW0603  hooks can't be taken back: once a process
    if not _hooked and hasattr(os, "register_at_fork"):
        _hooked = True
        os.register_at_fork(after_in_child=_renew)


def _renew() -> None:
    for kept in _kept.values():
        kept.renew()
