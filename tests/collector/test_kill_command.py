"""`otelllm kill` and `unkill`: through the collector, in force within a second wherever its policy is followed."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import openai
import pytest
from program import answer_chats
from wire.server import Provider

import otelllm
from otelllm.errors import BadConfig
from otelllm.policy import parse
from otelllm.policy_switches import Switch, off, on, switches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from collector.process import Start
    from telemetry import Telemetry


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "otelllm.cli", *arguments], capture_output=True, text=True,
                          timeout=60, check=False)  # fmt: skip


@pytest.fixture
def ask() -> Iterator[object]:
    """Asks a provider on loopback: its answer, or the refusal."""
    provider = answer_chats(Provider())
    with openai.OpenAI(api_key="k", base_url=provider.url, max_retries=0) as client:

        def ask(feature: str) -> str | otelllm.KillSwitchOn:
            try:
                with otelllm.context(feature=feature):
                    answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "x"}])
            except otelllm.KillSwitchOn as refused:
                return refused
            return str(answer.choices[0].message.content)

        yield ask
    otelllm.uninstrument()
    provider.close()


def _seconds_until(holds, limit_s: float = 10.0) -> float:
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < limit_s, "it never came into force"
        time.sleep(0.01)
    return time.monotonic() - began


def test_a_kill_is_in_force_within_a_second_and_taken_back(start: Start, tmp_path: Path, otel: Telemetry, ask) -> None:
    running = start(tmp_path / "data")
    there = ("--url", running.url, "--data", str(tmp_path / "data"))
    otel.instrument(policy={"service": {"url": running.url}})
    assert isinstance(ask("support"), str)
    killed = command("kill", "feature:support", *there, "--by", "ada")
    assert killed.returncode == 0, killed.stderr
    assert _seconds_until(lambda: not isinstance(ask("support"), str)) < 1.0
    refused = ask("support")
    assert isinstance(refused, otelllm.KillSwitchOn)
    assert (refused.rule, refused.scope) == ("switch feature:support", "feature=support")
    assert isinstance(ask("search"), str)
    answered = command("kill", "feature:search", "--answer", "Back soon.", *there)
    assert answered.returncode == 0, answered.stderr
    _seconds_until(lambda: ask("search") == "Back soon.")
    back = command("unkill", "feature:support", *there)
    assert back.returncode == 0, back.stderr
    assert _seconds_until(lambda: isinstance(ask("support"), str)) < 1.0
    history = running.get("/v1/policy/history")["policies"]
    assert (len(history), history[-1]["by"]) == (3, "ada")
    again = command("unkill", "feature:support", *there)
    assert (again.returncode, "no switch 'feature:support' (feature:search)" in again.stderr) == (1, True)


def test_the_files_own_word_stands_beside_what_the_collector_says(
    start: Start, tmp_path: Path, otel: Telemetry, ask
) -> None:
    running = start(tmp_path / "data")
    file = tmp_path / "otelllm.toml"
    file.write_text(f'[service]\nurl = "{running.url}"\n\n[[kill]]\nwhen = {{ feature = "own" }}\n')
    otel.instrument(policy=file)
    there = ("--url", running.url, "--data", str(tmp_path / "data"))
    assert command("kill", "feature:support", *there).returncode == 0
    _seconds_until(lambda: not isinstance(ask("support"), str))
    assert not isinstance(ask("own"), str)
    file.write_text("")  # follows nobody any more
    _seconds_until(lambda: isinstance(ask("support"), str))
    assert isinstance(ask("own"), str)


def test_a_collector_that_is_away_takes_nothing_back(start: Start, tmp_path: Path, otel: Telemetry, ask) -> None:
    running = start(tmp_path / "data")
    otel.instrument(policy={"service": {"url": running.url}})
    command("kill", "all", "--url", running.url, "--data", str(tmp_path / "data"))
    _seconds_until(lambda: not isinstance(ask("x"), str))
    running.kill()
    assert not isinstance(ask("x"), str)


def test_two_who_switch_at_once_both_get_their_way(start: Start, tmp_path: Path) -> None:
    running = start(tmp_path)
    there = ("--url", running.url, "--data", str(tmp_path))
    both = [
        subprocess.Popen([sys.executable, "-m", "otelllm.cli", "kill", f"feature:{name}", *there])
        for name in ("a", "b", "c")
    ]
    assert [one.wait(60) for one in both] == [0, 0, 0]
    shown = command("policy", "show", "--url", running.url).stdout
    assert {switch.what for switch in switches(shown)} == {"feature:a", "feature:b", "feature:c"}


def test_a_policy_file_is_switched_in_place_without_a_collector(tmp_path: Path) -> None:
    file = tmp_path / "otelllm.toml"
    file.write_text('# ours\n[capture]\ncontent = "full"\n')
    assert command("kill", "model:gpt-4o*", "--file", str(file), "--by", "ada").returncode == 0
    policy = parse(file.read_text(), "x")
    assert [rule.name for rule in policy.kill] == ["switch model:gpt-4o*"]
    assert command("unkill", "all", "--file", str(file)).returncode == 0
    assert file.read_text() == '# ours\n[capture]\ncontent = "full"\n'
    wrong = command("kill", "featur:x", "--file", str(file))
    assert (wrong.returncode, "did you mean 'feature'" in wrong.stderr) == (1, True)


TEXT = '[capture]\ncontent = "full"  # as agreed\n\n[[kill]]\nname = "own"\nwhen = { feature = "x" }\n'


@pytest.mark.parametrize(
    "what", ["all", "feature:support", "model:gpt-4o*", 'user:a "b" \\c', "tag.my tenant:acme", "provider:openai"]
)
def test_a_switch_goes_in_and_out_and_leaves_the_rest_as_it_was(what: str) -> None:
    switched = on(TEXT, what, by="ada\nlovelace")
    assert switches(switched) == [Switch(what, "ada lovelace")]
    assert [rule.name for rule in parse(switched, "x").kill] == ["own", f"switch {what}"]
    assert on(switched, what, by="ada lovelace") == switched
    assert off(switched, what) == TEXT


def test_switching_all_on_takes_every_switch_unless_one_is_for_all() -> None:
    two = on(on(TEXT, "feature:a", by="x"), "feature:b", by="x")
    assert off(two, "all") == TEXT
    with_all = on(two, "all", by="x")
    assert [switch.what for switch in switches(off(with_all, "all"))] == ["feature:a", "feature:b"]


@pytest.mark.parametrize("what", ["", "feature", "a:b,feature:c", "feature:a\nb"])
def test_what_is_no_switch_is_refused(what: str) -> None:
    with pytest.raises(BadConfig):
        on(TEXT, what, by="x")


@pytest.mark.parametrize(
    ("what", "by", "answer"),
    [
        ("user:x by y", "ada by phone", None),
        ("all", "", 'a "b"\r\n\t# <<< switch\n\x7f \N{SPARKLES}'),
        ("user:é", "\x00", None),
    ],
)
def test_a_switch_is_read_as_it_was_written(what: str, by: str, answer: str | None) -> None:
    switched = on(TEXT, what, by=by, answer=answer)
    assert switches(switched) == [Switch(what, by.strip("\x00"), answer)]
    assert parse(switched, "x").kill[1].answer == answer
    assert off(switched, what) == TEXT
