"""The client of Redis and Valkey: it gives up soon, for its caller goes on without."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import BadConfig

if TYPE_CHECKING:
    from redis import Redis as Client

__all__ = ["SCHEMES", "redis_client", "shown"]

TIMEOUT_S = 0.25
SCHEMES = ("redis://", "rediss://", "valkey://", "valkeys://", "unix://")


def redis_client(url: str, key: str) -> Client:
    """A client of this URL; errors name it, and the `key` of the policy that it is from."""
    url = "redis" + url.removeprefix("valkey") if url.startswith("valkey") else url
    try:
        import redis  # noqa: PLC0415  an extra; 140 ms of CPU
        from redis.backoff import NoBackoff  # noqa: PLC0415
        from redis.exceptions import ConnectionError as NoConnection  # noqa: PLC0415
        from redis.retry import Retry  # noqa: PLC0415
    except ImportError as error:
        raise BadConfig(f"{key}: redis:// needs the Redis client; pip install 'otelllm[redis]'") from error
    try:
        return redis.Redis.from_url(
            url,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            # Once, at once: a connection kept since before the server's restart is no outage.
            retry=Retry(NoBackoff(), 1, supported_errors=(NoConnection,)),
        )
    except ValueError as error:
        raise BadConfig(f"{key} = {shown(url)!r}: {error}") from error


def shown(url: str) -> str:
    """The URL without what is secret in it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('?')[0].rpartition('@')[2]}"
