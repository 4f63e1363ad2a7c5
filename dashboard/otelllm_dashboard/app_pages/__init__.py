"""One file a page: TITLE, ICON, ORDER, and draw(); a new file here is a new page. The file's name is its address.

Not called `pages`: Streamlit takes a folder of that name beside the app for its older kind of app, and answers a deep
link that is the first request after a start with the bare file, without the app around it (1.67).
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import NamedTuple

HOME = "overview"


class Listed(NamedTuple):
    """A page as the navigation shows it; one without an order is reached by links only."""

    file: Path
    title: str
    icon: str
    order: int | None


def listed() -> list[Listed]:
    """Every page of this folder, in the order of the navigation."""
    found: list[Listed] = []
    for module in iter_modules(__path__):
        page = import_module(f"{__name__}.{module.name}")
        found.append(Listed(Path(str(page.__file__)), page.TITLE, page.ICON, page.ORDER))
    return sorted(found, key=lambda page: (page.order is None, page.order or 0, page.file.stem))
