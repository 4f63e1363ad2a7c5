"""A policy in words, and the rules that a call would meet."""

from __future__ import annotations

import pytest

from otelllm.call import Call, Request, Scope
from otelllm.policy import parse
from otelllm.policy_words import explain, met

TEXT = """
[state]
url = "memory:"
[[limits]]
name = "tier"
scope = "model:gpt-*"
requests_per_minute = 500
max_wait = "20s"
[[limits]]
scope = ["user", "feature"]
concurrent = 2
estimate = "strict"
when_full = "route:cheap"
mode = "shadow"
[[budgets]]
scope = "tag:tenant"
usd = 2.00
per = "day"
timezone = "Europe/Berlin"
[[routes]]
when = { feature = ["a", "b"], share = 0.05, tag.tenant = "acme" }
model = "gpt-4.1-mini"
[[routes]]
shadow_to = "gpt-4.1"
share = 0.01
[[outputs]]
max_max_tokens = 800
[[kill]]
when = { user = "u-9" }
answer = "Back soon."
"""


def test_each_rule_is_a_sentence_in_the_order_in_which_a_call_meets_it():
    assert explain(parse(TEXT, "x")) == [
        "kill: 'kill 1': calls with user u-9 get the answer 'Back soon.'",
        "routes: 'routes 1': calls with tag.tenant acme, feature a or b, share 5% (sticky by user) go to gpt-4.1-mini",
        "routes: 'routes 2': all calls are also asked of gpt-4.1, unseen (0.01 of them)",
        "outputs: 'outputs 1': answers to all calls have 800 tokens at most",
        "state: counters are in memory:, each process on its own: every cap holds once a process; calls are let pass"
        " while it is away",
        "limits: 'tier': all calls: 500 requests a minute for model:gpt-* together; what finds no room waits up to 20s"
        " (counted by an estimate, settled afterwards)",
        "limits: 'limits 2' (shadow: only recorded): all calls: 2 calls at once for each combination of user, feature;"
        " what finds no room goes to cheap (counted by an upper bound, never above)",
        "budgets: 'budgets 1': all calls: $2.0 per day (Europe/Berlin) for each value of the tag tenant; 100%: block;"
        " calls of unknown price are let pass",
    ]


@pytest.mark.parametrize(
    ("call", "names"),
    [
        (Call("openai", "chat", Request(model="gpt-4o"), Scope()), ["routes 2", "outputs 1", "tier"]),
        (
            Call("anthropic", "chat", Request(model="claude"), Scope(user="u-9", feature="a", tags={"tenant": "acme"})),
            ["kill 1", "routes 2", "outputs 1", "limits 2", "budgets 1"],
        ),
    ],
)
def test_a_call_meets_the_rules_that_speak_of_it(call, names):
    assert [line.split("'")[1] for line in met(parse(TEXT, "x"), call)] == names


def test_a_cache_says_whose_answers_it_gives_and_for_how_long():
    policy = parse('[cache.exact]\nwhen = { model = "gpt-*" }\nscope = "tag:tenant"\nwhere = "redis://x"', "x")
    assert explain(policy) == [
        "cache: 'cache.exact': calls with model gpt-* at temperature 0, or that ask for it, get the stored answer to"
        " the same request again, for 1h, kept in redis://x for each value of the tag tenant",
    ]
    asked = Call("openai", "chat", Request(model="gpt-4o"), Scope())
    assert met(policy, asked) == ["cache: 'cache.exact' (enforce), answers kept apart by tag:tenant"]
