"""The SDK's own method, costing nothing: what is added to a call shows without the noise of the rest."""

from __future__ import annotations

from typing import Any

import openai
from opentelemetry.context import get_value

import otelllm
from otelllm.call import Call
from otelllm.http_answers import ASKED_BY

__all__ = ["Costless"]


class Costless:
    """In the place of the SDK's method: the SDK itself, or once there is a ready answer, that.

    With it comes the response that it was made of, noted where our hook on the SDK would note it.
    """

    def __init__(self) -> None:
        self.owner: Any = openai.resources.chat.completions.Completions
        self.original = self.owner.create
        self.ready: Any = None
        self.response: Any = None

        def create(resource: Any, **kwargs: Any) -> Any:
            if self.ready is None:
                return self.original(resource, **kwargs)
            if isinstance(call := get_value(ASKED_BY), Call):
                call.response = self.response
            return self.ready

        self.owner.create = create

    def prepare(self, client: openai.OpenAI, **asked: Any) -> None:
        """From now on the answer to what is asked is ready."""
        view = client.chat.completions.with_raw_response.create(**asked)
        self.ready, self.response = view.parse(), view.http_response

    def remove(self) -> None:
        """Put the SDK's own back."""
        otelllm.uninstrument()
        self.owner.create = self.original
