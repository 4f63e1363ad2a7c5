"""Methods that subclasses override: each class's own is wrapped, of those made later too."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from ...safely import safely

__all__ = ["each_class"]

Make = Callable[[Callable[..., Any]], Callable[..., Any]]
Wrapped = dict[str, tuple[Any, Any]]


def _classes(base: type[Any]) -> Iterator[type[Any]]:
    yield base
    for one in base.__subclasses__():
        yield from _classes(one)


def each_class(name: str, makes: Mapping[str, Make], module: ModuleType) -> Callable[[], None] | str:
    """Wrap the methods of `makes` on the class `name` of `module` and all below it; returns what takes them back."""
    base: Any = getattr(module, name, None)
    if base is None:
        return f"{name} is not in this version"
    done: WeakKeyDictionary[type, Wrapped] = WeakKeyDictionary()

    def wrap(owner: type) -> None:
        ours = done.setdefault(owner, {})
        for method, make in makes.items():
            original = owner.__dict__.get(method)
            if method in ours or not callable(original) or getattr(original, "__isabstractmethod__", False):
                continue
            made = make(original)
            ours[method] = original, made
            setattr(owner, method, made)

    before = base.__dict__.get("__init_subclass__")

    def subclassed(cls: Any, /, **kwargs: Any) -> None:
        if before is not None:
            before.__get__(None, cls)(**kwargs)
        else:
            super(base, cls).__init_subclass__(**kwargs)
        with safely(f"wrapping a class below CrewAI's {name}"):
            wrap(cls)

    hook: Any = classmethod(subclassed)
    base.__init_subclass__ = hook
    for owner in list(_classes(base)):
        wrap(owner)

    def undo() -> None:
        if base.__dict__.get("__init_subclass__") is hook:
            if before is None:
                del base.__init_subclass__
            else:
                base.__init_subclass__ = before
        for owner, ours in list(done.items()):
            for method, (original, made) in ours.items():
                if owner.__dict__.get(method) is made:  # somebody patched over ours: theirs stays, ours passes through
                    setattr(owner, method, original)

    return undo
