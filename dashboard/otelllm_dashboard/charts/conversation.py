"""A call's messages as chat bubbles. What they say is shown as plain text: it comes from strangers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import streamlit as st

from otelllm_dashboard import format as fmt
from otelllm_dashboard.client import Json, SpanDetail

Kind = Literal["text", "reasoning", "call", "result", "media", "json"]

_ICONS = {
    "system": ":material/tune:",
    "user": ":material/person:",
    "assistant": ":material/auto_awesome:",
    "tool": ":material/build:",
}
_LONG = 4_000
_MANY = 30


@dataclass(frozen=True, slots=True)
class Part:
    """One piece of a message: what it is, its heading where it needs one, and its text."""

    kind: Kind
    body: str
    head: str = ""


@dataclass(frozen=True, slots=True)
class Bubble:
    """One message of one role."""

    role: str
    parts: list[Part]
    is_answer: bool = False


def bubbles(span: SpanDetail) -> list[Bubble]:
    """The whole conversation of a call: instructions, what went in, what came out."""
    found: list[Bubble] = []
    if span["system_instructions"]:
        found.append(Bubble("system", [_part(part) for part in span["system_instructions"]]))
    found.extend(_bubble(message, is_answer=False) for message in span["input_messages"] or ())
    found.extend(_bubble(message, is_answer=True) for message in span["output_messages"] or ())
    return [bubble for bubble in found if bubble.parts]


def _bubble(message: Json, *, is_answer: bool) -> Bubble:
    if not isinstance(message, dict):
        return Bubble("assistant" if is_answer else "user", [_part(message)], is_answer)
    role = str(message.get("role") or ("assistant" if is_answer else "user"))
    inside = message.get("parts", message.get("content"))
    if inside is None:
        rest = {name: value for name, value in message.items() if name not in ("role", "name")}
        inside = [rest] if rest else []
    parts = inside if isinstance(inside, list) else [inside]
    return Bubble(role, [_part(part) for part in parts], is_answer)


def _part(part: Json) -> Part:
    if not isinstance(part, dict):
        return Part("text", part if isinstance(part, str) else fmt.pretty(part))
    kind = part.get("type")
    if kind in ("text", "reasoning", "compaction"):
        return Part("reasoning" if kind == "reasoning" else "text", str(part.get("content") or ""))
    if kind in ("tool_call", "server_tool_call"):
        arguments = part.get("arguments", part.get("server_tool_call"))
        return Part("call", fmt.pretty(arguments), _told(part.get("name") or "tool", part.get("id")))
    if kind in ("tool_call_response", "server_tool_call_response"):
        answer = part.get("response", part.get("result", part.get("server_tool_call_response")))
        return Part("result", _spoken(answer), _told("result", part.get("id")))
    if kind in ("blob", "uri", "file"):
        return Part("media", "", _media(part))
    return Part("json", fmt.pretty(part), str(kind or ""))


def _told(name: object, call_id: object) -> str:
    return f"{name} · {call_id}" if call_id else str(name)


def _spoken(answer: Json) -> str:
    """A tool's answer; those wrapped in text parts are unwrapped."""
    if isinstance(answer, list) and answer and all(isinstance(one, dict) and "content" in one for one in answer):
        return "\n".join(fmt.pretty(one["content"]) for one in answer)
    return fmt.pretty(answer)


def _media(part: dict[str, Json]) -> str:
    """What a picture, sound or file is. It is never fetched: its address is a stranger's."""
    content = part.get("content")
    size_bytes = part.get("size") or (len(content) * 3 // 4 if isinstance(content, str) else None)
    told = [
        str(part.get("modality") or part.get("type")),
        str(part.get("mime_type") or ""),
        fmt.size(size_bytes) if isinstance(size_bytes, int | float) else "",
        str(part.get("uri") or part.get("file_id") or ""),
        f"sha256 {str(part['sha256'])[:12]}" if part.get("sha256") else "",
    ]
    return " · ".join(piece for piece in told if piece)


def draw(conversation: list[Bubble], *, key: str) -> None:
    """The bubbles, the oldest of a long conversation folded away."""
    early = len(conversation) - _MANY
    if early > 0:
        with st.expander(f"{early} earlier messages", icon=":material/history:", key=f"early-{key}"):
            _draw_all(conversation[:early])
    _draw_all(conversation[max(0, early) :])


def _draw_all(conversation: Iterable[Bubble]) -> None:
    for bubble in conversation:
        name = bubble.role if bubble.role in ("user", "assistant") else "tool"
        with st.chat_message(name, avatar=_ICONS.get(bubble.role, ":material/chat:")):
            st.caption(fmt.plain(bubble.role, length=40) + (" · answer" if bubble.is_answer else ""))
            for part in bubble.parts:
                _draw_part(part)


def _draw_part(part: Part) -> None:
    if part.kind == "reasoning":
        with st.expander("Reasoning", icon=":material/neurology:"):
            draw_text(part.body)
    elif part.kind == "media":
        st.badge(fmt.badge(part.head, length=200), icon=":material/attachment:", color="gray")
    elif part.kind in ("call", "result", "json"):
        icon = {"call": ":material/build:", "result": ":material/output:", "json": ":material/data_object:"}[part.kind]
        if part.head:
            st.badge(fmt.badge(part.head, length=200), icon=icon, color="orange" if part.kind == "call" else "gray")
        draw_text(part.body, is_code=part.kind != "result" or fmt.opened_json(part.body) is not None)
    else:
        draw_text(part.body)


def draw_text(text: str, *, is_code: bool = False) -> None:
    """Text as it is: nothing in it is read as Markdown or HTML, and JSON is set out with an indent."""
    is_json = fmt.opened_json(text) is not None
    if is_json or is_code:
        st.code(fmt.pretty(text), language="json" if is_json else None, wrap_lines=True, height=_height(text))
    elif len(text) > _LONG:
        st.text(text[:_LONG] + "…")
        with st.expander(f"All {fmt.count(len(text))} characters", icon=":material/unfold_more:"):
            st.code(text, language=None, wrap_lines=True, height=480)
    else:
        st.text(text)


def _height(text: str) -> Literal["content"] | int:
    return 360 if len(text) > _LONG else "content"
