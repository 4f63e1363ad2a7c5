"""[state] url -> the store of counters that it names."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ..errors import BadConfig
from .memory import Memory
from .redis_client import SCHEMES as REDIS
from .spec import State

__all__ = ["check_url", "open_state"]

SCHEMES = ("sqlite:", "memory:", *REDIS)


def check_url(url: str) -> None:
    """Refuse a URL that names no store."""
    if not url.startswith(SCHEMES):
        raise BadConfig(f'{url!r} is no store; write "sqlite:", "sqlite:PATH", "memory:" or "redis://HOST:6379/0"')


def open_state(url: str, service: str, folder: Path | None = None) -> State:
    """The store of a URL; "sqlite:" is the file of `service` in `folder`, the user's own. Nothing is opened yet."""
    check_url(url)
    if url.startswith("memory:"):
        return Memory()
    if url.startswith("sqlite:"):
        from .sqlite import Sqlite  # noqa: PLC0415  only where it is used
        from .sqlite_file import place_for  # noqa: PLC0415

        path = url.removeprefix("sqlite:").removeprefix("//")
        return Sqlite(Path(path) if path else place_for(service, folder or Path(tempfile.gettempdir()) / "otelllm"))
    from .redis import Redis  # noqa: PLC0415

    return Redis(url, service)
