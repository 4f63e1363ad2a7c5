"""The app's client of the model, at OPENAI_BASE_URL."""

from __future__ import annotations

from functools import cache

import openai


@cache
def client() -> openai.OpenAI:
    """One client a process: it keeps its connections."""
    return openai.OpenAI()
