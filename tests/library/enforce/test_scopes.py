"""Scopes: which calls a rule counts together."""

from __future__ import annotations

import pytest

from otelllm.attempt import AS_ASKED, Key, Target
from otelllm.call import Call, Request, Scope
from otelllm.enforce.scopes import read
from otelllm.enforce.values import Wrong

CALL = Call(
    "openai", "chat", Request(model="gpt-4o-mini"),
    Scope(user="u-1", session="s-1", feature="support", tags={"tenant": "acme"}), key="k1",
)  # fmt: skip
NOBODYS = Call("openai", "chat", Request(model="gpt-4o-mini"), Scope())


@pytest.mark.parametrize(
    ("scope", "value", "of_nobody"),
    [
        ("all", "", ""),
        ("user", "u-1", None),
        ("session", "s-1", None),
        ("feature", "support", None),
        ("key", "k1", None),
        ("tag:tenant", "acme", None),
        ("tag:team", None, None),
        ("model", "gpt-4o-mini", "gpt-4o-mini"),
        ("model:GPT-4o*", "GPT-4o*", "GPT-4o*"),
        ("model:o3", None, None),
        ("provider:openai", "openai", "openai"),
        ("feature:support", "support", None),
        ("user:u-2", None, None),
        (["user", "feature"], "u-1\0support", None),
        (["model:gpt-*", "tag:tenant"], "gpt-*\0acme", None),
    ],
)
def test_what_a_call_is_counted_by(scope, value, of_nobody):
    found = read(scope, ("limits", 0, "scope"))
    assert (found.value(CALL, AS_ASKED), found.value(NOBODYS, AS_ASKED)) == (value, of_nobody)


def test_an_attempt_elsewhere_is_counted_there():
    """A fallback has other buckets: of its own model, and of its own key."""
    elsewhere = Target(model="o3", key=Key("env:K2", "secret", "k2"))
    assert read("model:o3", ("limits", 0, "scope")).value(CALL, elsewhere) == "o3"
    assert read("model:gpt-*", ("limits", 0, "scope")).value(CALL, elsewhere) is None
    assert read("key", ("limits", 0, "scope")).value(CALL, elsewhere) == "k2"


@pytest.mark.parametrize("wrong", ["everybody", "tag:", "model:", 3, [], ["user", "x"], "tool:refund"])
def test_other_scopes_are_refused_with_those_that_there_are(wrong):
    with pytest.raises(Wrong, match="use one of all, user, session"):
        read(wrong, ("limits", 0, "scope"))


def test_a_keys_secret_is_never_shown():
    assert "secret" not in repr(Target(key=Key("env:K", "secret", "h")))
