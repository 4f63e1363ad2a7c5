"""Methods that each class of a family has for itself, where no callback tells of them: embeddings, searches, rerankers.

The classes that there are now, and those that are made later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any
from weakref import ref

from ...safely import safely

__all__ = ["family"]

Make = Callable[[Callable[..., Any]], Callable[..., Any]]


def family(base: type, names: str, make: Make, *, classes: str = "") -> Callable[[], None]:
    """Replace the methods of `base` and its subclasses whose names match `names`, in those classes whose names match
    `classes`, by what `make` makes of them. How to take it back.
    """
    wanted, members = re.compile(names), re.compile(classes, re.IGNORECASE)
    done: list[tuple[ref[type], str, Any, Any]] = []

    def dress(cls: type) -> None:
        if not members.search(cls.__name__):
            return
        for name, original in list(cls.__dict__.items()):
            if isinstance(original, FunctionType) and wanted.fullmatch(name) and not hasattr(original, _OURS):
                made = make(original)
                setattr(made, _OURS, True)
                setattr(cls, name, made)
                done.append((ref(cls), name, original, made))

    before = base.__dict__.get("__init_subclass__")

    def init_subclass(cls: Any, /, **kwargs: Any) -> None:
        if before is not None:
            before.__func__(cls, **kwargs)
        else:
            super(base, cls).__init_subclass__(**kwargs)  # type: ignore[arg-type]  # a class is asked here, of its base
        with safely("seeing a class of LangChain's"):
            dress(cls)

    hook: Any = classmethod(init_subclass)
    for cls in _all(base):
        dress(cls)
    setattr(base, "__init_subclass__", hook)  # noqa: B010  mypy knows no such assignment

    def undo() -> None:
        if base.__dict__.get("__init_subclass__") is hook:
            if before is None:
                delattr(base, "__init_subclass__")
            else:
                setattr(base, "__init_subclass__", before)  # noqa: B010
        for held, name, original, made in done:
            cls = held()
            if cls is not None and cls.__dict__.get(name) is made:
                setattr(cls, name, original)

    return undo


_OURS = "__otelllm__"


def _all(base: type) -> Iterator[type]:
    seen, left = set(), [base]
    while left:
        cls = left.pop()
        if cls not in seen:
            seen.add(cls)
            yield cls
            left += cls.__subclasses__()
