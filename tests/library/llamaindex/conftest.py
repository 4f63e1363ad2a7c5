"""LlamaIndex, in an environment of its own (make test-matrix)."""

import pytest

pytest.importorskip("llama_index.core", reason="in an environment of its own: make test-matrix")
