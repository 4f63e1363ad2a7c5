"""docs/policy-example.toml: every key that a policy takes stands there, and the command says each section in words."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from otelllm import policy as policies
from otelllm.call import Call, Request, Scope
from otelllm.cli import main
from otelllm.enforce import match, values
from otelllm.enforcement import Enforcement
from otelllm.policy_words import explain, met

EXAMPLE = Path(__file__).parents[2] / "docs" / "policy-example.toml"
SAID = tomllib.loads(EXAMPLE.read_text(encoding="utf-8"))


@pytest.fixture
def keys_in_the_environment(monkeypatch):
    """The variables that the file names."""
    for rule in (*SAID["keys"], *SAID["endpoints"]):
        for name in rule["keys"]:
            monkeypatch.setenv(name.removeprefix("env:"), f"sk-{name}")


def below(path: tuple[Any, ...], said: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The tables at a place of the file; of a list of rules all of them."""
    tables: list[Any] = [said]
    for name in path:
        if isinstance(name, str):
            inner = [table[name] for table in tables if name in table]
            tables = [one for found in inner for one in (found if isinstance(found, list) else [found])]
    return iter(tables)


def test_it_can_be_used(keys_in_the_environment, tmp_path):
    enforcement = Enforcement("example", tmp_path)
    stages = enforcement.stages(policies.load(EXAMPLE))
    enforcement.close()
    assert stages.resolve
    assert stages.plan
    assert stages.look_up
    assert stages.admit
    assert stages.recover


def test_every_section_that_there_is_stands_in_it():
    assert sorted(SAID) == sorted(policies.SECTIONS)


def test_every_key_that_the_readers_know_stands_in_it(monkeypatch):
    known: dict[tuple[str, ...], set[str]] = {}
    read = values.table

    def noting(value: object, path: values.Keys, names: tuple[str, ...]) -> Mapping[str, Any]:
        known.setdefault(tuple(name for name in path if isinstance(name, str)), set()).update(names)
        return read(value, path, names)

    monkeypatch.setattr(values, "table", noting)
    policies.load(EXAMPLE)
    missing = {
        ".".join((*path, name))
        for path, names in known.items()
        if path != ("queue", "least_share")  # the priorities' own names
        for name in names
        if not any(name in table for table in below(path, SAID))
    }
    assert missing == set()
    assert {path[0] for path in known} == set(policies.SECTIONS)


def test_every_condition_that_a_rule_may_have_stands_in_it():
    used = {
        key
        for section in SAID.values()
        for rule in (section if isinstance(section, list) else [section.get("exact", section)])
        for key in rule.get("when", {})
    }
    assert used == {*match.READ, "input_tokens", "share", "tag"}


def test_each_of_its_rules_is_a_sentence():
    lines = explain(policies.load(EXAMPLE))
    rules = {name: len(section) if isinstance(section, list) else 1 for name, section in SAID.items()}
    told = {name: sum(line.startswith(f"{name}: ") for line in lines) for name in SAID}
    assert told == rules
    assert all(" " in line.partition(": ")[2] for line in lines)


def test_the_command_explains_it_and_says_which_rules_a_call_meets(capsys):
    assert main(["policy", "check", str(EXAMPLE), "--call", "model=gpt-4o", "--call", "provider=openai"]) == 0
    told = capsys.readouterr().out
    assert "limits: 'openai tier': calls with provider openai: 500 requests a minute" in told
    assert "a call with model=gpt-4o, provider=openai meets" in told


def test_a_call_is_told_of_the_cache_the_key_pool_and_the_fallback_that_it_meets():
    call = Call("openai", "chat", Request(model="gpt-4o"), Scope(user="u-1"))
    assert [line.partition(" (")[0] for line in met(policies.load(EXAMPLE), call)] == [
        "cache: 'answers'",
        "limits: 'openai tier'",
        "keys: 'three accounts'",
        "fallbacks: 'gpt-4o elsewhere'",
    ]
