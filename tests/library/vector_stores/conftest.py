"""Vector stores: in an environment of their own (make test-matrix)."""

import pytest

pytest.importorskip("chromadb")
