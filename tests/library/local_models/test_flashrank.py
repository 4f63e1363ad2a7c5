"""flashrank's own ranker on a graph of three operations: a real ONNX session, no download."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("flashrank")
pytest.importorskip("onnx")
from opentelemetry.trace import SpanKind

import otelllm
from otelllm import semconv

from .conftest import WORDS

if TYPE_CHECKING:
    from pathlib import Path

    from telemetry import Telemetry

MODEL = "ms-marco-TinyBERT-L-2-v2"
PASSAGES = [{"id": 7, "text": "dunes", "meta": {"page": 1}}, {"text": "in 1858"}, {"id": "c", "text": "the lighthouse"}]


def _graph() -> Any:
    """Scores a pair by the sum of its tokens' numbers: a text of late words wins."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Mul", ["input_ids", "attention_mask"], ["seen"]),
        helper.make_node("Cast", ["seen"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["numbers", "axes"], ["logits"], keepdims=1),
    ]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 1])
    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [1])
    graph = helper.make_graph(nodes, "tiny", inputs, [logits], initializer=[axes])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.fixture(scope="module")
def ranker(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A ranker, whose model is in its cache already."""
    import onnx
    from flashrank import Ranker
    from flashrank.Config import model_file_map
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    cache = tmp_path_factory.mktemp("cache")
    folder: Path = cache / MODEL
    folder.mkdir()
    words = {word: place for place, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(folder / "tokenizer.json"))
    for name, said in (
        ("config", {"pad_token_id": 0}),
        ("tokenizer_config", {"model_max_length": 32, "pad_token": "[PAD]"}),
        ("special_tokens_map", {"pad_token": "[PAD]"}),
    ):
        (folder / f"{name}.json").write_text(json.dumps(said))
    onnx.save(_graph(), str(folder / model_file_map[MODEL]))
    return Ranker(MODEL, cache_dir=str(cache))


def _ranked(ranker: Any) -> list[dict[str, Any]]:
    from flashrank import RerankRequest

    found: list[dict[str, Any]] = ranker.rerank(RerankRequest("when was it lit", [dict(one) for one in PASSAGES]))
    return found


def test_reranking(otel: Telemetry, ranker: Any) -> None:
    """Passages by their own ids, else by the place that they had before they were sorted."""
    otel.instrument(capture="full")
    ranked = _ranked(ranker)
    span, found = otel.span, otel.attributes
    assert (span.name, span.kind) == (f"rerank {MODEL}", SpanKind.INTERNAL)
    assert (found[semconv.PROVIDER], found[semconv.REQUEST_MODEL]) == ("flashrank", MODEL)
    assert (found[semconv.RERANK_IN], found[semconv.RERANK_OUT]) == (3, 3)
    assert found[semconv.RETRIEVAL_QUERY] == "when was it lit"
    documents = otel.messages(semconv.RETRIEVAL_DOCUMENTS)
    assert [one["content"] for one in documents] == [one["text"] for one in ranked]
    assert {one["content"]: one["id"] for one in documents} == {"dunes": "7", "in 1858": "1", "the lighthouse": "c"}
    assert [one["score"] for one in documents] == [float(one["score"]) for one in ranked]


def test_the_same_as_bare(otel: Telemetry, ranker: Any) -> None:
    """The passages as they would be without us."""
    seen = _ranked(ranker)
    otelllm.uninstrument()
    assert seen == _ranked(ranker)


def test_nothing_is_kept_where_capture_is_off(otel: Telemetry, ranker: Any) -> None:
    """Counts are no content."""
    _ranked(ranker)
    assert otel.attributes[semconv.RERANK_IN] == 3
    assert "lighthouse" not in otel.everything()


def test_errors(otel: Telemetry, ranker: Any) -> None:
    """A passage without a text: the package's own KeyError."""
    from flashrank import RerankRequest

    with pytest.raises(KeyError):
        ranker.rerank(RerankRequest("q", [{"id": 1}]))
    assert otel.attributes[semconv.ERROR_TYPE] == "KeyError"
