from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from driving import collections_when_asked_for  # noqa: F401  a fixture of every test here

from .ways import WAYS

if TYPE_CHECKING:
    from wire.server import Provider

    from .row import Row


def _rows() -> Iterator[tuple[str, Row | None, str]]:
    """Every row whose SDK is installed; what is missing is one row that is skipped, so that it shows."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent / "rows")]):
        try:
            rows: list[Row] = import_module(f"library.contract.rows.{module.name}").ROWS
        except ImportError as missing:
            if not isinstance(missing, ModuleNotFoundError) and missing.name != "google":  # a shared namespace
                raise
            yield module.name, None, f"{missing.name} is not installed"
            continue
        yield from ((row.name, row, "") for row in rows)


ROWS = list(_rows())


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each row in each of the ways that it has; of those that the test's own `where` asks for, if
    it has one, and only streamed where its `streams` say so.
    """
    names = [name for name in ("row", "kind", "way", "streamed") if name in metafunc.fixturenames]
    if "row" not in names:
        return
    cases: list[Any] = []
    where: Callable[[Row], Any] = getattr(metafunc.function, "where", bool)
    for name, row, missing in ROWS:
        if row is None:
            empty = [None] * len(names)
            cases.append(pytest.param(*empty, id=name, marks=pytest.mark.skip(reason=missing)))
            continue
        if not where(row):
            continue
        for way in WAYS if "way" in names else (None,):
            streams = [way.end is not None] if way else getattr(metafunc.function, "streams", [False, True])
            kinds = way.kinds if way else ("sync", "async")
            for kind, streamed in product(kinds, streams):
                if not (way.has(row, kind) if way else row.events if streamed else row.answer):
                    continue
                told = way.act.__name__ if way else "streamed" if streamed else "whole"
                case = {"row": row, "kind": kind, "way": way, "streamed": streamed}
                # Odd answers are many, and read by the same code in both kinds.
                is_slow = row.is_slow or (kind == "async" and metafunc.module.__name__.endswith("test_odd"))
                marks = [pytest.mark.filterwarnings(f"ignore::{one}") for one in row.warnings]
                marks += [pytest.mark.slow] if is_slow else []
                cases.append(pytest.param(*(case[one] for one in names), id=f"{name}-{told}-{kind}", marks=marks))
    metafunc.parametrize(names, cases)


@pytest.fixture
def make_app(provider: Provider, row: Row, kind: str) -> Iterator[Callable[..., Any]]:
    """Makes apps of the row's SDK, of the sync or the async kind."""
    apps: list[Any] = []

    def make(**options: Any) -> Any:
        apps.append(row.apps[kind == "async"](provider.url, **options))
        return apps[-1]

    yield make
    for app in apps:
        app.stop()
