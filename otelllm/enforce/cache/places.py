"""Where the policy says that answers are kept -> the store; one a place and process, whatever becomes of the policy."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from ...errors import BadConfig
from .memory import Memory
from .redis import WAIT_S, RedisServer
from .sqlite import SqliteFile
from .store import Store

__all__ = ["check", "close_all", "in_use", "opened", "redis_client"]

_WAYS = 'write "memory", "sqlite:PATH" or "redis://HOST:6379/0"'

_stores: dict[str, Store] = {}
_hooked = False


def check(where: str) -> None:
    """Raise BadConfig where this is no place, or what it needs is not installed."""
    if where.startswith(("redis://", "rediss://", "valkey://", "valkeys://")):
        _library()
    elif where != "memory" and not (where.startswith("sqlite:") and where != "sqlite:"):
        raise BadConfig(f"{where!r} is no place for answers; {_WAYS}")


def opened(where: str, max_bytes: int) -> Store:
    """The store at this place: the one that is open already, so that an edited policy empties no cache."""
    store = _stores.get(where)
    if store is None:
        store = _stores[where] = _made(where, max_bytes)
        _hook_forks()
    store.max_bytes = max_bytes
    return store


def _made(where: str, max_bytes: int) -> Store:
    check(where)
    if where == "memory":
        return Memory(max_bytes)
    if where.startswith("sqlite:"):
        return SqliteFile(Path(where.removeprefix("sqlite:")).expanduser(), max_bytes)
    return RedisServer(redis_client(where), max_bytes)


def in_use() -> list[Store]:
    """Every store that this process has opened."""
    return list(_stores.values())


def close_all() -> None:
    """Let go of them; what was in memory is gone."""
    while _stores:
        _stores.popitem()[1].close()


def redis_client(url: str) -> Any:
    """A client that gives up soon and never tries again: its caller goes on without."""
    library = _library()
    for name in ("valkeys", "valkey"):
        if library.__name__ == "redis" and url.startswith(f"{name}://"):
            url = url.replace(name, name.replace("valkey", "redis"), 1)
    retry = import_module(f"{library.__name__}.retry").Retry(
        import_module(f"{library.__name__}.backoff").NoBackoff(), 0
    )
    return library.from_url(url, socket_timeout=WAIT_S, socket_connect_timeout=WAIT_S, retry=retry)


def _library() -> Any:
    for name in ("redis", "valkey"):
        try:
            return import_module(name)
        except ImportError:
            continue
    raise BadConfig('a cache in Redis needs its client: pip install "otelllm[redis]"')


def _hook_forks() -> None:
    global _hooked  # noqa: PLW0603  hooks can't be taken back: once a process
    if not _hooked and hasattr(os, "register_at_fork"):
        _hooked = True
        os.register_at_fork(after_in_child=_renew)


def _renew() -> None:
    for store in _stores.values():
        store.renew()
