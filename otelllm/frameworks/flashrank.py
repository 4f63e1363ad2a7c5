"""flashrank: rerankers that run in the app's own process."""

from __future__ import annotations

from typing import Any

from .. import semconv
from ..call import Part
from ..local_models import Local, observed, read_ranked, short_name
from ..parts import as_list
from ..runs import Run
from ..spec import Wrapper

__all__ = ["FRAMEWORK"]


def _rerank(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Local | None:
    ranker = args[0]
    request = args[1] if len(args) > 1 else kwargs.get("request")
    passages = as_list(getattr(request, "passages", None))
    # The app's own passages are sorted in place, and get their scores there.
    places = {id(passage): place for place, passage in enumerate(passages)}

    def read(run: Run, result: Any) -> None:
        query = getattr(request, "query", None)
        read_ranked(run, query, as_list(result), lambda one: _document(one, places.get(id(one))))

    model = short_name(getattr(getattr(ranker, "model_dir", None), "name", None))
    return Local(semconv.RERANK, "flashrank", model, {semconv.RERANK_IN: len(passages)}, read)


def _document(passage: Any, place: int | None) -> Part:
    own = passage.get("id")
    found: Part = {"id": str(place if own is None else own)}
    if (score := passage.get("score")) is not None:
        found["score"] = float(score)
    if isinstance(said := passage.get("text"), str):
        found["content"] = said
    return found


class _Flashrank:
    name = "flashrank"
    package = "flashrank"
    oldest = "0.2"
    newest = "0.2.10"
    hooks = (Wrapper("flashrank.Ranker:Ranker.rerank", observed(_rerank)),)


FRAMEWORK = _Flashrank()
