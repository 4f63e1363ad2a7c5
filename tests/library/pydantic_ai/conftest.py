"""pydantic-ai, in an environment of its own (make test-matrix)."""

import pytest

pytest.importorskip("pydantic_ai", reason="in an environment of its own: make test-matrix")
