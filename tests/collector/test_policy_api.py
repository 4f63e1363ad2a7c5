"""The policy service: what is pushed is checked, durable and audited, and reaches those who wait for it."""

from __future__ import annotations

import concurrent.futures
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from otelllm.folders import local_token
from otelllm.policy import parse
from otelllm_collector.policies import FILE_NAME, Policies, Sender

if TYPE_CHECKING:
    from pathlib import Path

    from collector.process import Collector, Start

OFF = '[capture]\ncontent = "off"\n'
FULL = '# as agreed\n[capture]\ncontent = "full"\n'


def put(collector: Collector, text: str | bytes, by: str = "ada", **headers: str) -> httpx.Response:
    given = {"content-type": "application/toml", "authorization": f"Bearer {local_token(collector.data)}"} | headers
    return collector.client.put("/v1/policy", content=text, params={"by": by}, headers=given)


def ask(collector: Collector, **arguments: Any) -> httpx.Response:
    return collector.client.get("/v1/policy", params=arguments)


def test_what_is_pushed_is_given_out_and_audited(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    assert ask(running).status_code == 404
    assert "policy push" in ask(running).json()["error"]
    for text, by in ((OFF, "ada"), (FULL, "bob")):
        pushed = put(running, text, by)
        assert pushed.status_code == 200, pushed.text
        given = ask(running)
        assert (given.status_code, given.text) == (200, text)
        assert given.headers["content-type"].startswith("application/toml")
        assert given.headers["etag"] == pushed.headers["etag"] == f'W/"{parse(text, "").version}"'
    assert put(running, FULL, "eve").json()["number"] == 2  # the same again is no change
    newest, oldest = running.get("/v1/policy/history")["policies"]
    assert {key: newest[key] for key in ("number", "by", "address", "key", "version")} == {
        "number": 2, "by": "bob", "address": "127.0.0.1", "key": "this machine's token",
        "version": parse(FULL, "").version,
    }  # fmt: skip
    assert (oldest["number"], oldest["by"], "text" in oldest) == (1, "ada", False)
    assert 0 < newest["pushed_ns"] - oldest["pushed_ns"] < 60e9
    running.kill()
    again = start(tmp_path)
    assert ask(again).text == FULL
    assert again.get("/v1/policy/history")["policies"] == [newest, oldest]


def test_what_a_push_changed_is_told(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    put(running, OFF, "ada")
    put(running, FULL, "bob")
    first, second = (running.get(f"/v1/policy/history/{number}") for number in (1, 2))
    assert (first["by"], second["by"], second["text"]) == ("ada", "bob", FULL)
    assert first["diff"].splitlines()[:2] == ["--- no policy", "+++ policy 1"]
    assert {line for line in second["diff"].splitlines() if line[0] in "+-"} == {
        "--- policy 1", "+++ policy 2", "+# as agreed", '-content = "off"', '+content = "full"',
    }  # fmt: skip
    for number, status in (("3", 404), ("0", 400), ("x", 400)):
        assert running.client.get(f"/v1/policy/history/{number}").status_code == status
    listed = otelllm("policy", "history", "--url", running.url, "--format", "json")
    assert [(row["number"], row["by"]) for row in json.loads(listed.stdout)] == [(2, "bob"), (1, "ada")]
    told = otelllm("policy", "history", "2", "--url", running.url)
    assert told.stdout.strip() == second["diff"]


def test_one_who_changes_what_changed_meanwhile_is_told(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    first = put(running, OFF, **{"if-match": '""'})
    assert first.status_code == 200
    assert put(running, FULL, **{"if-match": '""'}).status_code == 412
    assert put(running, FULL, **{"if-match": first.headers["etag"]}).status_code == 200
    assert put(running, OFF, **{"if-match": first.headers["etag"]}).status_code == 412
    assert ask(running).text == FULL


def test_a_bad_policy_is_refused_with_line_and_value(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    put(running, OFF)
    for text, named in [
        ('\n[capture]\ncontent = "ful"\n', "policy:3: capture.content = 'ful' is none of"),
        ("[limits]\nrpm = 5\n", "policy:1: limits is a list of rules"),
        ("a = \n", "policy:1: not TOML"),
        (b"\xff", "not UTF-8 (byte 0)"),
        ("a" * 300_000, "longer than 262144 bytes"),
        ("[" * 20_000, "policy:1: not TOML"),
    ]:
        refused = put(running, text)
        assert refused.status_code == 400, refused.text
        assert named in refused.json()["error"]
    refused = put(running, OFF, **{"content-type": "text/plain"})
    assert (refused.status_code, "application/toml" in refused.text) == (400, True)
    assert ask(running).text == OFF
    assert len(running.get("/v1/policy/history")["policies"]) == 1


def test_nobody_pushes_without_the_right_to(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    for authorization in ("", "Bearer wrong"):
        assert put(running, OFF, authorization=authorization).status_code == 401
    assert ask(running).status_code == 404


def test_a_version_that_is_there_already_is_not_sent_again(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    put(running, OFF)
    version = parse(OFF, "").version
    for arguments, headers in [
        ({"version": version}, {}),
        ({}, {"if-none-match": f'W/"{version}"'}),
        ({}, {"if-none-match": f'"{version}"'}),
    ]:
        answer = running.client.get("/v1/policy", params=arguments, headers=headers)
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", f'W/"{version}"')
    assert running.client.get("/v1/policy", headers={"if-none-match": 'W/"other"'}).status_code == 200


def test_waiting_ends_with_the_next_version(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    with (
        concurrent.futures.ThreadPoolExecutor() as threads,
        httpx.Client(base_url=running.url, timeout=30, trust_env=False) as client,
    ):

        def wait(version: str, seconds: int) -> tuple[httpx.Response, float]:
            began = time.monotonic()
            answer = client.get("/v1/policy", params={"version": version, "wait": seconds})
            return answer, time.monotonic() - began

        first = threads.submit(wait, "", 20)  # nobody has one yet
        answer, took = wait("", 1)
        assert (answer.status_code, took >= 1) == (404, True)
        put(running, OFF)
        answer, took = first.result()
        assert (answer.text, took < 10) == (OFF, True)
        version = parse(OFF, "").version
        answer, took = wait(version, 1)
        assert (answer.status_code, 1 <= took < 5) == (304, True)
        many = [threads.submit(wait, version, 20) for _ in range(10)]
        assert wait("another", 20)[1] < 1  # who has another gets this one at once
        put(running, "# a word more\n" + OFF)  # says the same: nobody is woken by it
        put(running, FULL)
        for one in many:
            answer, took = one.result()
            assert (answer.text, took < 10) == (FULL, True)
        assert {one.result()[0].headers["etag"] for one in many} == {f'W/"{parse(FULL, "").version}"'}


def test_those_who_wait_do_not_hold_up_the_end(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    with concurrent.futures.ThreadPoolExecutor() as threads:
        put(running, OFF)
        waiting = threads.submit(httpx.get, f"{running.url}/v1/policy", timeout=60, trust_env=False,
                                 params={"version": parse(OFF, "").version, "wait": 60})  # fmt: skip
        with pytest.raises(concurrent.futures.TimeoutError):
            waiting.result(0.5)
        began = time.monotonic()
        assert running.stop() == 0
        assert waiting.result().status_code == 304
        assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("arguments", "named"), [({"wait": "301"}, "wait '301'"), ({"wait": "x"}, "wait 'x'"), ({"versio": "1"}, "versio")]
)
def test_a_wrong_question_is_told(collector: Collector, arguments: Any, named: str) -> None:
    answer = ask(collector, **arguments)
    assert (answer.status_code, named in answer.json()["error"]) == (400, True)


def test_a_line_that_is_not_whole_was_never_in_force(tmp_path: Path) -> None:
    """A crash while it was written: the line is dropped, and what is pushed next stands on a line of its own."""
    policies = Policies(tmp_path)
    policies.push(lambda _: OFF, Sender("ada", None, None))
    policies.push(lambda _: FULL, Sender("bob", None, None))
    file = tmp_path / FILE_NAME
    file.write_bytes(file.read_bytes()[:-20])
    after = Policies(tmp_path)
    assert [one.text for one in after.pushed] == [OFF]
    after.push(lambda _: FULL, Sender("bob", None, None))
    assert [(one.number, one.text) for one in Policies(tmp_path).pushed] == [(1, OFF), (2, FULL)]
    assert [json.loads(line)["by"] for line in file.read_text().splitlines()] == ["ada", "bob"]


def otelllm(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "otelllm.cli", *arguments], capture_output=True, text=True,
                          timeout=60, check=False)  # fmt: skip


def test_the_command_pushes_and_shows(start: Start, tmp_path: Path) -> None:
    data, file = tmp_path / "data", tmp_path / "team.toml"
    running = start(data)
    there = ("--url", running.url)
    shown = otelllm("policy", "show", *there)
    assert (shown.returncode, "there is no policy" in shown.stderr) == (1, True)
    file.write_text('[capture]\ncontent = "ful"\n')
    refused = otelllm("policy", "push", str(file), *there, "--data", str(data))
    assert (refused.returncode, f"{file}:2: capture.content = 'ful'" in refused.stderr) == (1, True)
    file.write_text(FULL)
    refused = otelllm("policy", "push", str(file), *there, "--data", str(tmp_path))  # no token there
    assert (refused.returncode, "scope operate" in refused.stderr) == (1, True)
    pushed = otelllm("policy", "push", str(file), *there, "--data", str(data), "--by", "ada")
    assert (pushed.returncode, "policy 1" in pushed.stdout) == (0, True), pushed.stderr
    shown = otelllm("policy", "show", *there)
    assert (shown.returncode, shown.stdout) == (0, FULL)
    assert parse(FULL, "").version in shown.stderr
    assert running.get("/v1/policy/history")["policies"][0]["by"] == "ada"
