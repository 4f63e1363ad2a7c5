"""What a search found, as `gen_ai.retrieval.documents` has it: [{id, score, content, metadata}]."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .values import number, parsed, text

__all__ = ["documents", "question"]

_LISTS = ("documents", "docs", "output", "results", "matches", "data")
_CONTENTS = ("page_content", "pageContent", "content", "text", "document")
_IDS = ("id", "id_", "document_id", "doc_id", "node_id")
_SCORES = ("score", "relevance_score", "similarity")


def question(value: Any) -> str | None:
    """What was searched for: a text, or the first text among a call's arguments."""
    given = parsed(value)
    if isinstance(given, str):
        return text(given)
    if not isinstance(given, Mapping | list):
        return text(value)
    members = list(given.values()) if isinstance(given, Mapping) else given
    found = next((one for one in members if text(one)), None)
    if found is None and isinstance(given, Mapping) and "args" in given:  # of a decorated function
        found = next((said for one in members if isinstance(one, Mapping | list) and (said := question(one))), None)
    return found


def documents(value: Any) -> list[dict[str, Any]] | None:
    """Documents out of a list, what holds one, or the JSON text of either, in any of the usual shapes."""
    given = parsed(value)
    if isinstance(given, Mapping):
        inner = next((given[key] for key in _LISTS if isinstance(given.get(key), list | str)), None)
        given = [given] if inner is None else parsed(inner)
    if isinstance(given, str):
        given = [given] if given.strip() else []
    if not isinstance(given, list):
        return None
    if len(given) == 1 and isinstance(given[0], list):
        given = given[0]
    return [made for made in map(_document, given) if made] or None


def _document(given: Any) -> dict[str, Any]:
    if isinstance(given, list) and len(given) == 2 and isinstance(given[0], Mapping):  # (document, score)
        return {**_document(given[0]), **({} if (near := number(given[1])) is None else {"score": near})}
    if text(given):
        return {"content": given}
    if not isinstance(given, Mapping):
        return {}
    outer: Mapping[str, Any] = given
    for key in ("kwargs", "node", "document"):  # LangChain's dump, LlamaIndex's node, a reranker's result
        if isinstance(given.get(key), Mapping):
            given = given[key]
            break
    metadata = given.get("metadata") if isinstance(given.get("metadata"), Mapping) else {}
    made: dict[str, Any] = {}
    own_id = next((one for of in (given, outer, metadata) if (one := _member(of, _IDS)) is not None), None)
    if isinstance(own_id, str | int):
        made["id"] = str(own_id)
    scores = (number(_member(of, _SCORES)) for of in (given, outer, metadata))
    score = next((one for one in scores if one is not None), None)
    if score is not None:
        made["score"] = score
    content = next((given[key] for key in _CONTENTS if isinstance(given.get(key), str)), None)
    if content is not None:
        made["content"] = content
    if metadata:
        made["metadata"] = dict(metadata)
    return made or dict(outer)


def _member(of: Any, keys: tuple[str, ...]) -> Any:
    return next((of[key] for key in keys if isinstance(of.get(key), str | int | float)), None)
