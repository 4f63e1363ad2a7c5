"""The explorer in a real browser: what a person clicks and sees."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from dashboard.explorer import PATIENCE_MS
from dashboard.seeds import ANSWER, HOSTILE
from playwright.sync_api import expect

from dashboard import explorer as launcher

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dashboard.seeds import Seeds
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def running(url: str) -> Iterator[str]:
    """A running explorer of the seeded collector."""
    process = launcher.launch("--port", "0", "--url", url)
    yield launcher.ready(process)
    assert launcher.end(process) == 0


@pytest.fixture
def page(window: Page) -> Page:
    """A page of a browser, in place of Streamlit's own run of one."""
    return window


def _click_row(page: Page, number: int) -> None:
    """Click a row of the first table, which is drawn on a canvas."""
    canvas = page.locator("canvas").first
    canvas.wait_for()
    deadline = time.monotonic() + PATIENCE_MS / 1000
    before = page.url
    while page.url == before and time.monotonic() < deadline:
        box = canvas.bounding_box()
        if box is None:  # redrawn this moment, or the page has changed
            continue
        x, y = box["x"] + 200, box["y"] + 36 * number + 18
        page.mouse.move(x, y)
        page.mouse.move(x + 2, y, steps=3)
        page.mouse.down()
        page.wait_for_timeout(60)  # the canvas tells a click from a drag by its time
        page.mouse.up()
        page.wait_for_timeout(500)


def _sees_answer(page: Page) -> None:
    expect(page.get_by_text(ANSWER)).to_be_visible(timeout=PATIENCE_MS)


def test_from_the_list_to_the_trace_to_a_span_and_back(
    page: Page, running: str, seeds: Seeds, asked: list[str]
) -> None:
    page.goto(f"{running}/traces?feature=support")
    expect(page.get_by_role("heading", name="Traces")).to_be_visible(timeout=PATIENCE_MS)
    _click_row(page, 1)
    page.wait_for_url(re.compile(f"trace_id={seeds.agent}"))
    expect(page.get_by_role("heading", name="invoke_workflow support")).to_be_visible(timeout=PATIENCE_MS)
    _sees_answer(page)
    expect(page.locator(".js-plotly-plot")).to_be_visible(timeout=PATIENCE_MS)
    names = page.locator(".scatterlayer .text text")
    expect(names).to_have_count(11, timeout=PATIENCE_MS)
    for fact in ("5 results", "5 → 3", "888→87 tok · TTFT 312 ms · $0.00040"):
        assert fact in " ".join(names.all_text_contents())
    box = names.nth(7).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 6)
    page.mouse.click(box["x"] + 60, box["y"] + 6)
    page.wait_for_url(re.compile(f"span_id={seeds.ids['tool']}"))
    expect(page.get_by_role("tabpanel", name="Content").get_by_text("returnable")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("link", name="All traces").click()
    page.wait_for_url(re.compile(r"/traces\?feature=support"))
    assert {urlsplit(each).hostname for each in asked if not each.startswith(("data:", "blob:"))} == {"127.0.0.1"}


def test_a_deep_link_opens_as_the_first_thing_that_a_server_is_asked(page: Page, url: str, seeds: Seeds) -> None:
    """A server that has drawn no page yet answers the link with the whole app, not with a bare page."""
    process = launcher.launch("--port", "0", "--url", url)
    try:
        page.goto(f"{launcher.ready(process)}/trace?trace_id={seeds.agent}&span_id={seeds.ids['answer']}")
        _sees_answer(page)
        expect(page.get_by_role("link", name="Sessions")).to_be_visible(timeout=PATIENCE_MS)
        expect(page.locator(".barlayer path").first).to_be_visible(timeout=PATIENCE_MS)
    finally:
        assert launcher.end(process) == 0


def test_what_a_policy_did_stands_on_the_span(page: Page, running: str, seeds: Seeds) -> None:
    page.goto(f"{running}/trace?trace_id={seeds.failed}&span_id={seeds.ids['failed']}")
    page.get_by_role("tab", name="Policy").click(timeout=PATIENCE_MS)
    panel = page.get_by_role("tabpanel", name="Policy")
    expect(panel.get_by_text("What the policy did")).to_be_visible(timeout=PATIENCE_MS)
    expect(panel.get_by_text("Attempts", exact=True)).to_be_visible(timeout=PATIENCE_MS)
    expect(panel.locator("canvas").first).to_be_visible(timeout=PATIENCE_MS)  # the cells are drawn: see test_pages.py


def test_a_strangers_text_is_shown_and_nothing_in_it_is_fetched_or_run(
    page: Page, running: str, seeds: Seeds, asked: list[str]
) -> None:
    alerts: list[str] = []
    page.on("dialog", lambda dialog: (alerts.append(dialog.message), dialog.dismiss()))
    page.goto(f"{running}/trace?trace_id={seeds.hostile}")
    expect(page.get_by_text(HOSTILE).first).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("a[href*=':9']")).to_have_count(0)
    for tab in ("Attributes", "Raw"):
        page.get_by_role("tab", name=tab).click()
    expect(page.get_by_role("button", name="Download JSON")).to_be_visible(timeout=PATIENCE_MS)
    page.goto(f"{running}/?by=User")
    expect(page.locator(".js-plotly-plot")).to_have_count(6, timeout=PATIENCE_MS)
    assert alerts == []
    assert not [each for each in asked if ":9/" in each or "pixel" in urlsplit(each).path]


@pytest.mark.parametrize(("scheme", "width"), [("light", 1600), pytest.param("dark", 400, marks=pytest.mark.thorough)])
def test_every_page_is_drawn_without_an_error(
    browser: Browser, running: str, seeds: Seeds, scheme: str, width: int
) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]  # a parametrised literal
    page = context.new_page()
    thrown: list[str] = []
    page.on("pageerror", lambda error: thrown.append(str(error)))
    for path, heading in (
        ("", "Overview"),
        ("traces", "Traces"),
        ("sessions", "Sessions"),
        ("policy", "Policy"),
        ("sql", "SQL"),
    ):
        page.goto(f"{running}/{path}")
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible(timeout=PATIENCE_MS)
        expect(page.locator("[data-testid=stException]")).to_have_count(0)
    page.goto(f"{running}/trace?trace_id={seeds.agent}")
    _sees_answer(page)
    expect(page.locator(".barlayer path").first).to_be_visible(timeout=PATIENCE_MS)
    assert thrown == []
    context.close()
