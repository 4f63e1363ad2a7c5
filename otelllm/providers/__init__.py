"""A file (or folder) a provider SDK, each with a `PROVIDER`; found here at run time, and through entry points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..plugins import load

if TYPE_CHECKING:
    from ..spec import Provider

__all__ = ["WATCHED", "found", "installed"]

WATCHED = {
    "bedrock": ("botocore", "aiobotocore"),
    "google_genai": ("google",),
    "mistralai": ("mistralai", "mistralai_azure", "mistralai_gcp"),
}
"""What a file watches, where that is not the package of the file's own name."""


def found() -> list[Provider]:
    """Every provider that we know, ours and outsiders' (entry points in `otelllm.providers`). Imports no SDK."""
    return load(__name__, __path__, "PROVIDER")


def installed() -> list[Provider]:
    """Those of them whose SDK is here, and outsiders'."""
    return load(__name__, __path__, "PROVIDER", WATCHED)
