"""Resources and scopes: written once, named by a hash of what they say."""

from __future__ import annotations

import base64
from hashlib import blake2b
from typing import Any, NamedTuple

from google.protobuf.message import Message  # type: ignore[import-untyped]  # protobuf publishes no types
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from otelllm import semconv

from ..rows import Batch, ResourceRow, ScopeRow
from .values import plain_attributes, to_json

__all__ = ["Sender", "read_resource", "read_scope"]


class Sender(NamedTuple):
    """Who sent a record."""

    resource_id: int
    service_name: str | None


def read_resource(batch: Batch, resource: Resource, schema_url: str) -> Sender:
    """Note the resource in the batch; returns what its records carry of it."""
    attributes = plain_attributes(resource.attributes)
    if batch.project is not None:  # what the sender says about it counts for nothing
        attributes[semconv.PROJECT] = batch.project
    text = to_json(attributes)
    name: Any = attributes.get(semconv.SERVICE_NAME)
    service_name = name if isinstance(name, str) and name else None
    rest = _rest(resource, "attributes")
    resource_id = _identity(text, schema_url, *rest)
    batch.resources[resource_id] = ResourceRow(resource_id, service_name, text, schema_url or None, *rest)
    return Sender(resource_id, service_name)


def read_scope(batch: Batch, scope: InstrumentationScope, schema_url: str) -> int:
    """Note the scope in the batch; returns its id."""
    text = to_json(plain_attributes(scope.attributes))
    rest = _rest(scope, "name", "version", "attributes")
    scope_id = _identity(scope.name, scope.version, text, schema_url, *rest)
    batch.scopes[scope_id] = ScopeRow(scope_id, scope.name, scope.version, text, schema_url or None, *rest)
    return scope_id


def _rest(message: Message, *kept: str) -> tuple[str, ...]:
    """The message without these fields, in base64: counts of dropped attributes, entities. Nothing, mostly."""
    if all(field.name in kept for field, _ in message.ListFields()):
        return ()
    others = type(message)()
    others.CopyFrom(message)
    for name in kept:
        others.ClearField(name)
    return (base64.b64encode(others.SerializeToString()).decode(),)


def _identity(*texts: str) -> int:
    return int.from_bytes(blake2b("\0".join(texts).encode(), digest_size=8).digest())
