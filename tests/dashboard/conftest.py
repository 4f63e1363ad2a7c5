"""One collector full of seeds for every test of the explorer, and the explorer's pages run against it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import streamlit as st
from dashboard.explorer import PATIENCE_MS
from dashboard.seeds import Seeds, Sower, large_trace, sow
from playwright.sync_api import sync_playwright
from streamlit.testing.v1 import AppTest

import otelllm_dashboard
from collector import process

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collector.process import Collector
    from playwright.sync_api import Browser, Page

CHROMIUM = os.environ.get("CHROMIUM") or "/usr/bin/chromium"
APP = Path(str(otelllm_dashboard.__file__)).with_name("app.py")


@pytest.fixture(scope="session")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Collector, Seeds]]:
    """A running collector and what was sown into it."""
    running = process.start(tmp_path_factory.mktemp("data"))
    yield running, sow(running.url)
    assert running.stop() == 0


@pytest.fixture(scope="session")
def large(seeded: tuple[Collector, Seeds]) -> str:
    """The id of a trace of 1,200 spans, three days ago: outside of the ranges that other tests count in."""
    collector, _ = seeded
    sower = Sower(collector.url, service="crawler")
    trace_id = large_trace(sower, _days_ago(3), spans=1200)
    sower.close()
    return trace_id


@pytest.fixture(scope="session")
def url(seeded: tuple[Collector, Seeds]) -> str:
    """The seeded collector's address."""
    return seeded[0].url


@pytest.fixture(scope="session")
def seeds(seeded: tuple[Collector, Seeds]) -> Seeds:
    """What was sown."""
    return seeded[1]


@pytest.fixture
def empty_collector(tmp_path: Path) -> Iterator[Collector]:
    """A collector that nobody has sent anything to."""
    running = process.start(tmp_path / "data")
    yield running
    assert running.stop() == 0


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Callable[..., AppTest]:
    """Opens a page as a browser would: `page(url, "trace", trace_id=…)`."""
    st.cache_data.clear()

    def open_page(collector_url: str, name: str = "overview", **query: str) -> AppTest:
        monkeypatch.setenv("OTELLLM_URL", collector_url)
        at = AppTest.from_file(str(APP), default_timeout=30)
        at.run()
        for key, value in query.items():
            at.query_params[key] = value
        if name != "overview":
            at.switch_page(f"app_pages/{name}.py")
        at.run()
        assert not at.exception, [each.message for each in at.exception]
        return at

    return open_page


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium; for a file, no longer: Playwright keeps an event loop running in this thread."""
    if not Path(CHROMIUM).exists():
        assert not os.environ.get("CI"), f"no Chromium at {CHROMIUM!r}; install it or set CHROMIUM"
        pytest.skip(f"no Chromium at {CHROMIUM!r}; install it or set CHROMIUM")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def asked() -> list[str]:
    """Every address that the page asked for."""
    return []


@pytest.fixture
def window(browser: Browser, asked: list[str]) -> Iterator[Page]:
    """A fresh page in a fresh profile."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.on("request", lambda request: asked.append(request.url))
    yield page
    context.close()


def _days_ago(days: int) -> int:
    import time

    return time.time_ns() - days * 86_400_000_000_000
