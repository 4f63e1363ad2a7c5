"""Who sent: records put below the resource and the scope that they came under."""

from __future__ import annotations

import base64
from typing import Any

import orjson
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from ..rows import Batch, ResourceRow, ScopeRow
from .values import put_attributes

__all__ = ["Senders"]


class Senders:
    """The scopes of one export request, made as they are needed.

    A resource or a scope that the batch has no row of is left empty.
    """

    def __init__(self, batch: Batch, resources: Any, scopes: str) -> None:
        """`resources` is the request's list of them, `scopes` the name of each one's list of scopes."""
        self._batch, self._resources, self._name = batch, resources, scopes
        self._made: dict[int, Any] = {}
        self._scopes: dict[tuple[int, int], Any] = {}

    def scope(self, resource_id: int, scope_id: int) -> Any:
        """Where the records of this scope go."""
        key = (resource_id, scope_id)
        if key not in self._scopes:
            if resource_id not in self._made:
                self._made[resource_id] = self._resources.add()
                _put_resource(self._made[resource_id], self._batch.resources.get(resource_id))
            self._scopes[key] = getattr(self._made[resource_id], self._name).add()
            _put_scope(self._scopes[key], self._batch.scopes.get(scope_id))
        return self._scopes[key]


def _put_resource(target: Any, row: ResourceRow | None) -> None:
    target.resource.SetInParent()
    if row is not None:
        if row.rest:
            target.resource.CopyFrom(Resource.FromString(base64.b64decode(row.rest)))
        put_attributes(target.resource, orjson.loads(row.attributes))
        target.schema_url = row.schema_url or ""


def _put_scope(target: Any, row: ScopeRow | None) -> None:
    target.scope.SetInParent()
    if row is not None:
        if row.rest:
            target.scope.CopyFrom(InstrumentationScope.FromString(base64.b64decode(row.rest)))
        target.scope.name, target.scope.version = row.name, row.version
        put_attributes(target.scope, orjson.loads(row.attributes))
        target.schema_url = row.schema_url or ""
