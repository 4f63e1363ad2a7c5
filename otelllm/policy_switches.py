"""Kill switches put into the text of a policy, and taken out again, with all else left as somebody wrote it."""

from __future__ import annotations

import json
import re
import tomllib
from contextlib import suppress
from typing import NamedTuple

from .errors import BadConfig
from .policy import Policy, parse

__all__ = ["Switch", "off", "on", "switches"]

_BLOCK = re.compile(r"\n?# >>> switch (?P<about>[^\n]*)\n(?P<rule>.*?)# <<< switch\n", re.DOTALL)


class Switch(NamedTuple):
    """One switch: what it is on for, as "feature:support" or "all", who turned it on, and what apps get for an answer.

    None: they get `KillSwitchOn`.
    """

    what: str
    by: str
    answer: str | None = None


def switches(text: str) -> list[Switch]:
    """Those that `on` put into the text."""
    return [_switch(found) for found in _BLOCK.finditer(text)]


def on(text: str, what: str, *, by: str, answer: str | None = None) -> str:
    """The policy `text` with a kill switch behind its own rules. Raises `BadConfig` where `what` is none."""
    (rule,) = Policy().with_kill(what).kill[:1] or (None,)
    if rule is None or "," in what or not what.isprintable():
        raise BadConfig(f"{what!r} is no switch; write KEY:VALUE, such as feature:support, or all")
    key, _, value = what.partition(":")
    lines = ["[[kill]]", f"name = {_quoted('switch ' + what)}"]
    if what != "all":
        lines.append(f"when = {{ {_key(key.strip())} = {_quoted(value.strip())} }}")
    if answer is not None:
        lines.append(f"answer = {_quoted(answer)}")
    block = f"\n# >>> switch {what} by {_line(by)}\n" + "\n".join(lines) + "\n# <<< switch\n"
    rest = _without(text, {what})
    changed = rest + ("" if rest.endswith("\n") or not rest else "\n") + block
    parse(changed, "policy")
    return changed


def off(text: str, what: str) -> str:
    """The policy `text` without that switch, or without any where `what` is "all" and no switch is on for all."""
    named = {switch.what for switch in switches(text)}
    return _without(text, named if what == "all" and "all" not in named else {what})


def _without(text: str, named: set[str]) -> str:
    return _BLOCK.sub(lambda found: "" if _switch(found).what in named else found[0], text)


def _switch(found: re.Match[str]) -> Switch:
    """A block as a switch. Its name is the rule's: in the line above it, who did it may hold a " by " too."""
    about, rule = found["about"], {}
    with suppress(tomllib.TOMLDecodeError, LookupError, TypeError):  # somebody's hand was in it: the line has to do
        (rule,) = tomllib.loads(found["rule"])["kill"]
    name, answer = rule.get("name"), rule.get("answer")
    what = name.removeprefix("switch ") if isinstance(name, str) else about.rpartition(" by ")[0]
    by = about.removeprefix(what).strip().removeprefix("by").strip()
    return Switch(what, by, answer if isinstance(answer, str) else None)


def _quoted(text: str) -> str:
    """As a basic string of TOML, which is JSON's but for one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    """A key of `when`: a tag's name may need quotes."""
    tag, dot, rest = name.partition(".")
    return f"{tag}.{_quoted(rest)}" if dot else name


def _line(text: str) -> str:
    return "".join(one for one in " ".join(text.split()) if one.isprintable())
