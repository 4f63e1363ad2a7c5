"""/v1/kill: switches turned on and off over HTTP, as changes to the policy that are checked, durable and audited."""

from __future__ import annotations

import concurrent.futures
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from otelllm.folders import local_token
from otelllm.policy import parse

if TYPE_CHECKING:
    from pathlib import Path

    from collector.process import Collector, Start

OWN = '# ours\n[capture]\ncontent = "full"\n'


def call(collector: Collector, method: str, path: str = "/v1/kill", key: str | None = None, **given: Any) -> Any:
    headers = {"authorization": f"Bearer {key or local_token(collector.data)}"} | given.pop("headers", {})
    return collector.client.request(method, path, headers=headers, **given)


def push(collector: Collector, text: str) -> httpx.Response:
    found = call(collector, "PUT", "/v1/policy", content=text, headers={"content-type": "application/toml"})
    assert found.status_code == 200, found.text
    return found


def test_a_switch_is_a_change_of_the_policy_with_its_audit(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    push(running, OWN)
    on = call(running, "POST", json={"what": "feature:support", "by": "ada", "answer": "Back soon."})
    assert (on.status_code, on.json()["number"], on.json()["by"]) == (200, 2, "ada")
    found = running.get("/v1/kill")
    assert found["switches"] == [{"what": "feature:support", "by": "ada", "answer": "Back soon."}]
    (rule,) = parse(running.client.get("/v1/policy").text, "x").kill
    assert (rule.name, rule.answer) == ("switch feature:support", "Back soon.")
    running.kill()
    again = start(tmp_path)
    assert again.get("/v1/kill") == found
    off = call(again, "DELETE", params={"what": "feature:support", "by": "bob"})
    assert off.status_code == 200, off.text
    assert (again.get("/v1/kill")["switches"], again.client.get("/v1/policy").text) == ([], OWN)
    assert [one["by"] for one in again.get("/v1/policy/history")["policies"]] == ["bob", "ada", ""]
    assert '-answer = "Back soon."' in again.get("/v1/policy/history/3")["diff"]
    missing = call(again, "DELETE", params={"what": "feature:support"})
    assert (missing.status_code, "'feature:support' (none is on)" in missing.text) == (404, True)


def test_who_looked_at_another_policy_is_told(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    none = running.client.get("/v1/kill")
    assert none.json() == {"switches": [], "may_change": False, "version": None}
    seen = {"if-match": none.headers["etag"]}
    assert call(running, "POST", json={"what": "all"}, headers=seen).status_code == 200
    assert call(running, "POST", json={"what": "user:x"}, headers=seen).status_code == 412
    assert call(running, "DELETE", params={"what": "all"}, headers=seen).status_code == 412
    now = {"if-match": running.client.get("/v1/kill").headers["etag"]}
    assert call(running, "DELETE", params={"what": "all"}, headers=now).status_code == 200


def test_all_who_switch_at_once_get_their_way(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        done = threads.map(lambda n: call(running, "POST", json={"what": f"user:{n}"}).status_code, range(24))
        assert set(done) == {200}
    assert {one["what"] for one in running.get("/v1/kill")["switches"]} == {f"user:{n}" for n in range(24)}


def test_only_a_key_that_may_operate_turns_one(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    assert running.get("/v1/kill")["may_change"] is False
    assert call(running, "GET").json()["may_change"] is True
    assert call(running, "GET", key="wrong").json()["may_change"] is False
    for method, given in (("POST", {"json": {"what": "all"}}), ("DELETE", {"params": {"what": "all"}})):
        assert call(running, method, key="wrong", **given).status_code == 401
        refused = running.client.request(method, "/v1/kill", **given)
        assert (refused.status_code, "operate.token" in refused.text) == (401, True)
    assert running.client.get("/v1/policy").status_code == 404


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "it is not said"), ({"what": ""}, "it is not said"), ({"what": 5}, "what 5 is no text"),
        ({"what": "featur:x"}, "did you mean 'feature'"), ({"what": "feature"}, "KEY:VALUE"),
        ({"what": "all", "reason": "x"}, "no field 'reason'"), ({"what": "user:" + "x" * 200}, "at most 200"),
        ({"what": "all", "answer": "x" * 10_001}, "at most 10000"), ({"what": "user:a\nb"}, "no switch"),
    ],
)  # fmt: skip
def test_what_is_no_switch_is_refused_by_name(collector: Collector, body: dict[str, Any], told: str) -> None:
    refused = call(collector, "POST", json=body)
    assert (refused.status_code, told in refused.json()["error"]) == (400, True), refused.text


def test_a_policy_does_not_grow_beyond_what_can_be_pushed(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    push(running, OWN + "#" * (256 * 1024 - len(OWN) - 1) + "\n")
    refused = call(running, "POST", json={"what": "all"})
    assert (refused.status_code, "longer than 262144" in refused.json()["error"]) == (400, True)


def test_the_policy_in_force_is_told_in_words(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    missing = running.client.get("/v1/policy/words")
    assert (missing.status_code, "policy push" in missing.text) == (404, True)
    push(running, OWN)
    call(running, "POST", json={"what": "model:gpt-4o*", "by": "ada"})
    told = running.get("/v1/policy/words")
    assert (told["number"], told["by"], told["problem"]) == (2, "ada", None)
    assert told["words"] == [
        "capture: content is full",
        "kill: 'switch model:gpt-4o*': calls with model gpt-4o* are refused with KillSwitchOn",
    ]
