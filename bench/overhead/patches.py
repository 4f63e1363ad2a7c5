"""What a contestant changed in the SDK's modules and classes, and the switch that takes it out and puts it back."""

from __future__ import annotations

import sys
import types
from typing import Any, NamedTuple

__all__ = ["Patches", "snapshot"]

_LIBRARIES = {"openai", "httpx", "httpx2", "httpcore", "httpcore2"}
_MISSING = object()
_CACHES = ("__pydantic", "_abc_", "__doc__", "__annotations__", "__warningregistry__")
_PATCHABLE = (types.FunctionType, staticmethod, classmethod, property, type)

Snapshot = dict[tuple[int, str], tuple[Any, Any]]


def _is_theirs(name: str) -> bool:
    return name.partition(".")[0] in _LIBRARIES


def snapshot() -> Snapshot:
    """Each attribute of the client libraries' modules and classes, by owner."""
    found: Snapshot = {}
    for module_name, module in list(sys.modules.items()):
        if module is None or not _is_theirs(module_name):
            continue
        for name, value in list(vars(module).items()):
            found[id(module), name] = (module, value)
            if isinstance(value, type) and _is_theirs(value.__module__):
                found.update({(id(value), own): (value, member) for own, member in list(vars(value).items())})
    return found


class _Change(NamedTuple):
    owner: Any
    name: str
    before: Any
    after: Any


class Patches:
    """The changes between two snapshots."""

    def __init__(self, before: Snapshot, after: Snapshot) -> None:
        owners = {owner for owner, _ in before}  # one that came later is none that the bare client uses
        self._are_in = True
        self._changes = [
            _Change(owner, key[1], old, new)
            for key, (owner, new) in after.items()
            if key[0] in owners
            and (old := before.get(key, (None, _MISSING))[1]) is not new
            and _is_patch(key[1], owner, old, new)
        ]

    def __len__(self) -> int:
        return len(self._changes)

    def take_out(self) -> None:
        """Make the SDK what it was."""
        if not self._are_in:
            return
        self._are_in = False
        for one in self._changes:
            if one.before is _MISSING:
                delattr(one.owner, one.name)
            else:
                setattr(one.owner, one.name, one.before)

    def put_back(self) -> None:
        """Make it what the contestant made of it."""
        self._are_in = True
        for one in self._changes:
            setattr(one.owner, one.name, one.after)


def _is_patch(name: str, owner: Any, old: Any, new: Any) -> bool:
    """Whether it is no cache and no module that was imported meanwhile."""
    if name.startswith(_CACHES):
        return False
    if old is _MISSING:
        return callable(new) and not isinstance(owner, types.ModuleType)
    return callable(old) or isinstance(old, _PATCHABLE)
