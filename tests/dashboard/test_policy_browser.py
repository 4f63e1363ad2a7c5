"""The kill switch from a real browser to a real call: off within a second of the click, and on again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import openai
import pytest
from dashboard.explorer import PATIENCE_MS
from playwright.sync_api import expect
from program import answer_chats
from wire.server import Provider

import otelllm
from dashboard import explorer as launcher
from otelllm.folders import local_token

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from collector.process import Collector
    from playwright.sync_api import Page
    from telemetry import Telemetry

pytestmark = pytest.mark.slow


@pytest.fixture
def page(window: Page) -> Page:
    """A page of a browser, in place of Streamlit's own run of one."""
    return window


@pytest.fixture
def is_refused(empty_collector: Collector, otel: Telemetry) -> Iterator[Callable[[], bool]]:
    """Whether a call of an app that follows the collector's policy is refused at this moment."""
    provider = answer_chats(Provider())
    otel.instrument(policy={"service": {"url": empty_collector.url}})
    with openai.OpenAI(api_key="k", base_url=provider.url, max_retries=0) as client:

        def is_refused() -> bool:
            try:
                with otelllm.context(feature="support"):
                    client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
            except otelllm.KillSwitchOn:
                return True
            return False

        yield is_refused
    otelllm.uninstrument()
    provider.close()


def _seconds_until(holds: Callable[[], bool]) -> float:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < 10, "it never came into force"
        time.sleep(0.01)
    return time.monotonic() - began


def test_calls_are_switched_off_and_on_from_the_browser(
    page: Page, empty_collector: Collector, is_refused: Callable[[], bool]
) -> None:
    process = launcher.launch("--port", "0", "--url", empty_collector.url)
    try:
        page.goto(f"{launcher.ready(process)}/policy")
        page.get_by_text("Only for reading").click(timeout=PATIENCE_MS)
        page.get_by_label("Key, for this visit only").fill(str(local_token(empty_collector.data)))
        page.get_by_role("button", name="Use this key").click()
        page.get_by_label("Value or glob").fill("support")
        page.get_by_label("Your name, for the audit").fill("ada")
        page.get_by_role("button", name="Switch off…").click()
        expect(page.get_by_text("Switch off: feature:support")).to_be_visible(timeout=PATIENCE_MS)
        assert not is_refused(), "nothing happens before it is confirmed"
        page.get_by_role("button", name="Yes, switch off").click()
        _seconds_until(lambda: bool(empty_collector.get("/v1/kill")["switches"]))
        assert _seconds_until(is_refused) < 1.0
        expect(page.get_by_role("button", name="Let pass again")).to_be_visible(timeout=PATIENCE_MS)
        expect(page.get_by_text('+name = "switch feature:support"')).to_be_visible(timeout=PATIENCE_MS)
        page.get_by_role("button", name="Let pass again").click()
        page.get_by_role("button", name="Yes, let pass").click()
        _seconds_until(lambda: not empty_collector.get("/v1/kill")["switches"])
        assert _seconds_until(lambda: not is_refused()) < 1.0
        expect(page.get_by_text("None is on.")).to_be_visible(timeout=PATIENCE_MS)
    finally:
        assert launcher.end(process) == 0
    assert [one["by"] for one in empty_collector.get("/v1/policy/history")["policies"]] == ["ada", "ada"]
