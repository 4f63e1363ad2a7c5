"""What stands in texts, for finding those that can't hold a phrase without reading them."""

from __future__ import annotations

from ..native import compiled_first

__path__ = compiled_first(__path__, "text")
