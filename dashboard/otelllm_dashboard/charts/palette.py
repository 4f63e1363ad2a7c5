"""One colour an operation, the same on every page and readable on white and on near-black."""

from __future__ import annotations

CALLS = frozenset({"chat", "generate_content", "text_completion", "embeddings", "rerank"})

_BY_OPERATION = {
    "chat": "#6366f1",
    "generate_content": "#6366f1",
    "text_completion": "#6366f1",
    "embeddings": "#14b8a6",
    "retrieval": "#0ea5e9",
    "rerank": "#a855f7",
    "execute_tool": "#f59e0b",
    "create_agent": "#ec4899",
    "invoke_agent": "#ec4899",
    "invoke_workflow": "#64748b",
    "apply_guardrail": "#65a30d",
}
OTHER = "#94a3b8"
ERROR = "#e5484d"
FIRST_TOKEN = "#facc15"  # noqa: S105  # a colour, no secret
FAINT = "rgba(128,128,128,0.30)"
BAND = "rgba(99,102,241,0.14)"
GREY_TEXT = "#8b8f98"

# Neighbours in this order differ in lightness as well as in hue, for readers who do not tell some hues apart.
SERIES = ("#6366f1", "#14b8a6", "#f59e0b", "#0ea5e9", "#ec4899", "#65a30d")


def colour(operation: str | None) -> str:
    """The colour of an operation; grey for one that has none of its own."""
    return _BY_OPERATION.get(operation or "", OTHER)


def faded(colour: str, opacity: float) -> str:
    """A colour #rrggbb that lets so much of the background through."""
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity:g})"
