"""Real models of random weights, a thousand parameters each: made here, nothing is fetched."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("torch")
os.environ["HF_HUB_OFFLINE"] = "1"
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "when", "was", "the", "lighthouse", "lit", "in", "dunes", "1858"]


@pytest.fixture(autouse=True, scope="session")
def quiet() -> Iterator[None]:
    """What torch and transformers warn of is theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _saved(folder: Path, kind: str, **more: Any) -> str:
    """The folder of a BERT model with its tokenizer."""
    import transformers

    folder.mkdir()
    vocabulary = folder / "vocab.txt"
    vocabulary.write_text("\n".join(WORDS))
    is_older = int(transformers.__version__.split(".")[0]) < 5
    words = {word: place for place, word in enumerate(WORDS)}
    tokenizer = transformers.BertTokenizerFast(**({"vocab_file": str(vocabulary)} if is_older else {"vocab": words}))
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=32, **sizes, **more)
    getattr(transformers, kind)(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="session")
def reranker(tmp_path_factory: pytest.TempPathFactory, quiet: None) -> Any:
    """A cross-encoder, from the folder tiny-reranker."""
    from sentence_transformers import CrossEncoder

    folder = tmp_path_factory.mktemp("models") / "tiny-reranker"
    return CrossEncoder(_saved(folder, "BertForSequenceClassification", num_labels=1))


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory, quiet: None) -> Any:
    """A sentence transformer of vectors of 8, from the folder tiny-embedder."""
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(_saved(tmp_path_factory.mktemp("models") / "tiny-embedder", "BertModel"))
