"""The policy page against a real collector, as Streamlit runs it: what it shows to whom, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from dashboard.seeds import HOSTILE
from streamlit.testing.v1 import AppTest

from otelllm.folders import local_token

if TYPE_CHECKING:
    from collector.process import Collector

pytestmark = pytest.mark.slow

Page = Callable[..., AppTest]


def _switch(collector: Collector, what: str, **more: str) -> None:
    done = collector.client.post("/v1/kill", json={"what": what, **more}, headers=_operator(collector))
    assert done.status_code == 200, done.text


def _operator(collector: Collector) -> dict[str, str]:
    return {"authorization": f"Bearer {local_token(collector.data)}"}


def _told(at: AppTest, *kinds: str) -> str:
    return "\n".join(str(element.value) for kind in kinds for element in at.get(kind))


def _labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


def test_without_a_policy_it_says_how_to_push_one(page: Page, empty_collector: Collector) -> None:
    at = page(empty_collector.url, "policy")
    assert "otelllm policy push" in _told(at, "code")
    assert "None is on" in _told(at, "caption")


def test_words_text_and_changes_of_the_policy_are_shown(page: Page, empty_collector: Collector) -> None:
    text = '[capture]\ncontent = "full"\n'
    headers = _operator(empty_collector) | {"content-type": "application/toml"}
    assert empty_collector.client.put("/v1/policy?by=ada", content=text, headers=headers).status_code == 200
    _switch(empty_collector, "feature:support", by="bob")
    at = page(empty_collector.url, "policy")
    assert "capture: content is full" in _told(at, "text")
    assert "by bob" in _told(at, "caption").replace("\\", "")
    assert text in _told(at, "code")
    assert at.dataframe[0].value[["Number", "By"]].to_dict("records") == [
        {"Number": 2, "By": "bob"}, {"Number": 1, "By": "ada"},
    ]  # fmt: skip
    assert '+name = "switch feature:support"' in _told(at, "code")
    at.selectbox(key="policy-change").set_value(1).run()
    assert '+content = "full"' in _told(at, "code")


def test_who_has_no_right_reads_and_is_told_how_to_get_it(page: Page, empty_collector: Collector) -> None:
    _switch(empty_collector, "feature:support")
    at = page(empty_collector.url, "policy")
    assert "Let pass again" not in _labels(at)
    assert "--scope operate" in _told(at, "code")
    assert "operate.token" in _told(at, "code")
    at.text_input(key="unlock-key").set_value("wrong")
    _press(at, "Use this key")
    assert "may not change anything" in _told(at, "error")
    at.text_input(key="unlock-key").set_value(str(local_token(empty_collector.data)))
    _press(at, "Use this key")
    assert {"Let pass again", "Switch off…"} <= set(_labels(at))


def test_an_explorer_with_a_key_of_its_own_may_switch(page: Page, empty_collector: Collector, monkeypatch: Any) -> None:
    monkeypatch.setenv("OTELLLM_KEY", str(local_token(empty_collector.data)))
    at = page(empty_collector.url, "policy")
    assert "Switch off…" in _labels(at)
    _press(at, "Switch off…")
    assert "Say who" in _told(at, "error")
    at.text_input(key="kill-by").set_value("ada")
    _press(at, "Switch off…")
    assert "Say which" in _told(at, "error")
    assert empty_collector.get("/v1/kill")["switches"] == []


def test_a_strangers_switch_is_plain_text(page: Page, empty_collector: Collector) -> None:
    _switch(empty_collector, "tag.x:" + HOSTILE.replace(",", ""), by=HOSTILE, answer=HOSTILE)
    at = page(empty_collector.url, "policy")
    assert f"answers: {HOSTILE}" in _told(at, "text")
    for kind in ("markdown", "caption", "badge", "button"):
        for element in at.get(kind):
            told = str(getattr(element, "value", "") or getattr(element, "label", ""))
            assert "![pixel]" not in told
            assert ":red[" not in told


def _press(at: AppTest, label: str) -> None:
    next(button for button in at.button if button.label == label).click().run()
    assert not at.exception, [each.message for each in at.exception]
