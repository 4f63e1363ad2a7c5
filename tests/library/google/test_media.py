"""Pictures and batches; and what is no inference: counting tokens, caches, files."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
from google.genai import types
from wire import files
from wire.server import whole

from otelllm import semconv

from .app import MODEL, QUESTION, vertex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from telemetry import Telemetry
    from wire.server import Provider

    from .app import App

IMAGEN = "imagen-4.0-generate-001"
PICTURE = types.Image(image_bytes=b"\x89PNG", mime_type="image/png")
IMAGES = semconv.USAGE_OTHER + "images"


@pytest.fixture(autouse=True)
def old_names() -> Iterator[None]:
    """The SDK calls these methods deprecated."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _body(name: str) -> Any:
    return whole(files.body(f"google/{name}.json"))


def test_pictures_of_a_prompt(otel: Telemetry, make_app: Callable[..., App], provider: Provider) -> None:
    """How many came, and not those that were filtered out; no tokens."""
    otel.instrument(capture="full")
    app = make_app(**vertex())
    provider.reply(_body("images"))
    config = {"number_of_images": 3, "seed": 7}
    got = app.call(app.client.models.generate_images, model=IMAGEN, prompt=QUESTION, config=config)
    assert type(got) is types.GenerateImagesResponse
    found = otel.attributes
    expected: dict[str, Any] = {
        semconv.OPERATION: "image_generation", semconv.REQUEST_MODEL: IMAGEN, semconv.OUTPUT_TYPE: "image",
        semconv.REQUEST_CHOICE_COUNT: 3, semconv.REQUEST_SEED: 7, IMAGES: 2, semconv.USAGE_INPUT: None,
        semconv.PROVIDER_REQUEST_ID: "req_wire",
    }  # fmt: skip
    assert {name: found.get(name) for name in expected} == expected
    assert otel.span.name == f"image_generation {IMAGEN}"
    (asked,) = otel.messages(semconv.INPUT_MESSAGES)
    assert asked["parts"] == [{"type": "text", "content": QUESTION}]
    first, second = otel.messages(semconv.OUTPUT_MESSAGES)
    assert [part["type"] for part in first["parts"]] == ["blob", "text"]
    assert first["parts"][1]["content"] == "A lighthouse at dusk"
    assert (second["parts"][0]["mime_type"], second["parts"][0]["size"]) == ("image/png", 8)


@pytest.mark.parametrize("verb", ["edit_image", "upscale_image", "recontext_image"])
def test_pictures_of_pictures(otel: Telemetry, make_app: Callable[..., App], provider: Provider, verb: str) -> None:
    """Edited, enlarged, put elsewhere: Vertex AI only."""
    otel.instrument(capture="full")
    app = make_app(**vertex())
    source = types.RecontextImageSource(prompt="Dusk", person_image=PICTURE)
    given: dict[str, Any] = {
        "edit_image": {"prompt": "Dusk", "reference_images": [
            types.RawReferenceImage(reference_id=1, reference_image=PICTURE)]},
        "upscale_image": {"image": PICTURE, "upscale_factor": "x2"},
        "recontext_image": {"source": source},
    }[verb]  # fmt: skip
    provider.reply(_body("image_edited"))
    app.call(getattr(app.client.models, verb), model=IMAGEN, **given)
    found = otel.attributes
    assert (found[semconv.OPERATION], found[IMAGES]) == ("image_generation", 1)
    assert found[semconv.PROVIDER] == "gcp.vertex_ai"
    (asked,) = otel.messages(semconv.INPUT_MESSAGES)
    assert asked["parts"][0]["type"] == "blob"
    (made,) = otel.messages(semconv.OUTPUT_MESSAGES)
    assert made["parts"] == [
        {"type": "uri", "modality": "image", "mime_type": "image/png", "uri": "gs://bucket/edited.png"}]  # fmt: skip


@pytest.mark.parametrize("verb", ["create", "create_embeddings", "get"])
def test_a_batch_is_begun_and_looked_after(otel: Telemetry, app: App, provider: Provider, verb: str) -> None:
    """A span each, of no tokens, though its answers may come with it."""
    given: dict[str, Any] = {
        "create": {"model": MODEL, "src": [{"contents": [{"parts": [{"text": QUESTION}]}]}]},
        "create_embeddings": {"model": MODEL, "src": {"file_name": "files/f_1"}},
        "get": {"name": "batches/b_1"},
    }[verb]
    provider.reply(_body("batch"))
    app.call(getattr(app.client.batches, verb), **given)
    found = otel.attributes
    assert otel.span.name == ("batch" if verb == "get" else f"batch {MODEL}")
    assert (found[semconv.RESPONSE_ID], found[semconv.RESPONSE_MODEL]) == ("batches/b_1", MODEL)
    for name in (semconv.USAGE_INPUT, semconv.COST):
        assert name not in found
    assert semconv.METRIC_TOKENS not in otel.metrics()


def test_what_is_no_inference_leaves_no_span(otel: Telemetry, app: App, provider: Provider) -> None:
    """Tokens counted, a cache made, a file looked up: nothing is generated, and no token metric grows."""
    provider.reply(whole({"totalTokens": 14}), whole({"name": "cachedContents/c", "model": f"models/{MODEL}",
                   "usageMetadata": {"totalTokenCount": 4000}}), whole({"name": "files/f", "uri": "u"}))  # fmt: skip
    assert app.call(app.client.models.count_tokens, model=MODEL, contents=QUESTION).total_tokens == 14
    app.call(app.client.caches.create, model=MODEL, config={"contents": QUESTION})
    app.call(app.client.files.get, name="files/f")
    assert otel.spans == []
    assert semconv.METRIC_TOKENS not in otel.metrics()


def test_vertexs_embeddings_are_counted_by_characters_too(
    otel: Telemetry, make_app: Callable[..., App], provider: Provider
) -> None:
    """What is billed there."""
    app = make_app(**vertex())
    provider.reply(_body("embed_vertex"))
    app.call(app.client.models.embed_content, model="text-embedding-005", contents=["a", "b"])
    assert otel.attributes[semconv.USAGE_INPUT] == 9
    assert otel.attributes[semconv.USAGE_OTHER + "characters"] > 0
