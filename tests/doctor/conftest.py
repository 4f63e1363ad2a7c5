"""Other instrumentations are in an environment of their own: `make test-matrix ONLY=doctor`."""

from __future__ import annotations

import pytest

pytest.importorskip("logfire")
