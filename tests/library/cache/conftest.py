from __future__ import annotations

from library.redis_server import redis_server  # noqa: F401  a fixture
