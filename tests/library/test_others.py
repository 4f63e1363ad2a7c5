"""By whom a method is wrapped: told from the code of each layer, whatever it says of itself."""

from __future__ import annotations

import functools
import sys
import types
from typing import Any

import pytest
import wrapt

from otelllm.cli._others import around, called, on_classes

STRANGER = """
import functools
def says(original):
    @functools.wraps(original)
    def ask(*args): return original(*args)
    return ask
def hides(original):
    def ask(*args): return original(*args)
    return ask
def hook(wrapped, instance, args, kwargs): return wrapped(*args, **kwargs)
def extra(tracer, wrapped, instance, args, kwargs): return wrapped(*args, **kwargs)
"""
SDK = """
class Client:
    def ask(self): return "asked"
    @staticmethod
    def help(): return "helped"
"""


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes modules of any name."""

    def make(name: str, code: str) -> Any:
        made = types.ModuleType(name)
        exec(code, made.__dict__)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    return make


@pytest.mark.parametrize(
    "wrap",
    [
        lambda it, original: it.says(original),
        lambda it, original: it.hides(original),
        lambda it, original: wrapt.FunctionWrapper(original, it.hook),
        lambda it, original: wrapt.FunctionWrapper(original, functools.partial(it.extra, None)),
        lambda it, original: functools.wraps(original)(it.hides(original)),
        lambda it, original: staticmethod(it.says(original)),
    ],
    ids=["wraps", "a closure", "wrapt", "wrapt and a partial", "both", "static"],
)
def test_a_layer_is_told_by_its_code(module: Any, wrap: Any) -> None:
    sdk, stranger = module("somesdk", SDK), module("stranger.tracing", STRANGER)
    assert around(sdk.Client.ask, ("somesdk",)) == []
    assert around(wrap(stranger, sdk.Client.ask), ("somesdk",)) == ["stranger.tracing"]


def test_the_outermost_is_first_and_those_within_are_seen(module: Any) -> None:
    sdk, one, two = module("somesdk", SDK), module("stranger.one", STRANGER), module("two", STRANGER)
    both = two.hides(wrapt.FunctionWrapper(one.says(sdk.Client.ask), two.hook))
    assert around(both, ("somesdk",)) == ["two", "stranger.one"]
    assert around(both, ("somesdk", "two")) == ["stranger.one"]


def test_a_known_tracer_is_found_anywhere_in_a_package(module: Any) -> None:
    sdk, tracer, stranger = module("somesdk", SDK), module("langfuse.sdk", STRANGER), module("stranger", STRANGER)
    sdk.Client.help = staticmethod(tracer.says(sdk.Client.help))
    sdk.Client.ask = stranger.says(sdk.Client.ask)
    assert list(on_classes(("somesdk",))) == [("Client.help", "langfuse.sdk")]


def test_a_module_is_called_by_its_distribution() -> None:
    assert called("pytest.main").startswith("pytest ")
    assert called("nobody.knows") == "nobody.knows"
