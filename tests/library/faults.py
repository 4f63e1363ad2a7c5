"""Parts of ours that are made to fail, and the library swallowing as it does in production."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from otelllm import safely

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Broken", "as_in_production", "broken"]


@pytest.fixture(autouse=True)
def as_in_production() -> Iterator[None]:
    """Swallow, and forget what was counted."""
    before = safely.strict(False)
    yield
    safely.strict(before)
    safely.failures.clear()


class Broken(Exception):  # noqa: N818  it reads as a word
    """What our broken part raises; it must never reach the app."""


def broken(monkeypatch: pytest.MonkeyPatch, target: str) -> list[str]:
    """Make `module:name` raise; returns where each call of it is noted."""
    module_name, _, path = target.partition(":")
    owner: Any = import_module(module_name)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    called: list[str] = []

    def raises(*_: Any, **__: Any) -> Any:
        called.append(target)
        raise Broken(target)

    monkeypatch.setattr(owner, name, raises)
    return called
