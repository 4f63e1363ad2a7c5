"""The handler itself: in every run once, safe to copy, gone when switched off; runs that never end are bounded."""

from __future__ import annotations

import copy
import logging
import pickle
import subprocess
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import program
import pytest
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers import context as tracing

import otelllm
from otelllm import safely, semconv
from otelllm.frameworks.langchain import open_steps, readings
from otelllm.frameworks.langchain.open_steps import OpenSteps
from otelllm.setup import bindings

from .apps import Local, attributes

if TYPE_CHECKING:
    from pathlib import Path

    from receiver import Receiver
    from telemetry import Telemetry
    from wire.server import Provider


class Told(BaseCallbackHandler):
    """The app's own handler."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def on_chain_start(self, *args: Any, **kwargs: Any) -> None:
        self.events.append("chain")

    def on_chat_model_start(self, *args: Any, **kwargs: Any) -> None:
        self.events.append("model")


def ours() -> list[BaseCallbackHandler]:
    return [it for it in CallbackManager.configure().handlers if type(it).__name__ == "OtelllmHandler"]


def test_it_is_in_every_run_once(otel: Telemetry) -> None:
    (handler,) = ours()
    again = CallbackManager.configure(inheritable_callbacks=CallbackManager.configure())
    assert [it for it in again.handlers if it is handler] == [handler]
    told = Told()
    chain = RunnableLambda(lambda text: text) | Local()
    chain.invoke("hi", {"callbacks": [told]})
    chain.invoke("hi", {"callbacks": CallbackManager([told, handler], inheritable_handlers=[told, handler])})
    assert [span.name for span in otel.spans] == ["chat local-1", "invoke_workflow RunnableSequence"] * 2
    assert told.events == ["chain", "chain", "model"] * 2


def test_instrumented_twice_it_is_there_once(otel: Telemetry) -> None:
    before = len(tracing._configure_hooks)
    otel.instrument()
    assert len(tracing._configure_hooks) == before
    assert len(ours()) == 1
    otelllm.uninstrument()
    assert ours() == []
    assert len(tracing._configure_hooks) == before - 1


def test_it_is_copied_and_pickled_safely(otel: Telemetry) -> None:
    (handler,) = ours()
    assert copy.copy(handler) is handler
    assert copy.deepcopy({"callbacks": [handler]})["callbacks"][0] is handler
    there = pickle.loads(pickle.dumps(handler))
    assert type(there) is BaseCallbackHandler
    RunnableLambda(lambda text: text).invoke("hi", {"callbacks": [there]})
    assert len(otel.spans) == 1


def test_all_that_must_be_bound_is_bound(otel: Telemetry) -> None:
    for name in ("langchain_core.language_models", "langchain_core.retrievers", "langgraph.pregel"):
        import_module(name)
    lost = [it.target for it in bindings() if it.provider == "langchain" and not it.bound and not it.optional]
    assert lost == []
    bound = {it.target for it in bindings() if it.provider == "langchain" and it.bound}
    assert any("Pregel.stream" in it for it in bound)
    assert any("VectorStore" in it for it in bound)


def test_what_of_ours_fails_is_not_the_apps(
    otel: Telemetry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ours")

    safely.strict(False)
    monkeypatch.setattr(readings.Asked, "fill", broken)
    monkeypatch.setattr(readings, "answer", broken)
    monkeypatch.setattr(OpenSteps, "above", broken)
    with caplog.at_level(logging.WARNING, logger="langchain_core"):
        assert (RunnableLambda(lambda text: text) | Local()).invoke("hi").content == "hello"
    assert [it.message for it in caplog.records if "langchain" in it.name] == []
    monkeypatch.undo()
    assert len(otel.spans) == 0
    monkeypatch.setattr(readings, "answer", broken)
    safely.strict(False)
    assert Local().invoke("hi").content == "hello"
    assert otel.span.name == "chat local-1"


def test_runs_that_never_end_are_bounded(otel: Telemetry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenSteps, "MOST", 10)
    (handler,) = ours()
    for _ in range(25):
        handler.on_tool_start({"name": "lost"}, "", run_id=uuid4())
    assert len(open_steps.steps) == 10
    assert len(otel.spans) == 15
    assert {attributes(span)[semconv.ERROR_TYPE] for span in otel.spans} == {"abandoned"}
    otelllm.uninstrument()
    assert len(open_steps.steps) == 0


def test_a_run_below_one_that_began_before_us(otel: Telemetry) -> None:
    (handler,) = ours()
    with otel.tracer.start_as_current_span("mine"):
        run_id = uuid4()
        handler.on_tool_start({"name": "it"}, "", run_id=run_id, parent_run_id=uuid4())
        handler.on_tool_end("x", run_id=run_id)
        handler.on_tool_end("x", run_id=run_id)
    span = otel.span
    assert span.parent is not None


OPEN = """
    from typing import TypedDict
    from langgraph.graph import START, StateGraph
    class State(TypedDict):
        said: str
    builder = StateGraph(State)
    builder.add_node("one", lambda state: {"said": "x"})
    builder.add_edge(START, "one")
    kept = builder.compile(name="work").stream({"said": ""})
    next(kept)
    import builtins
    builtins.kept = kept  # past the module's end
"""


@pytest.mark.parametrize(
    "more",
    ["", "pid = os.fork()\nif pid == 0:\n    otelllm.uninstrument()\n    os._exit(0)\nos.waitpid(pid, 0)\n"],
    ids=["exit", "fork"],
)
def test_what_is_open_at_the_end_of_the_process_ends_once(
    tmp_path: Path, receiver: Receiver, answering: Provider, more: str
) -> None:
    done = program.run(
        program.write(tmp_path / "program.py", program.INSTRUMENTED, OPEN, more),
        program.environment(answering, receiver.endpoint, PYTHONWARNINGS="ignore"),
    )
    assert done.returncode == 0, done.stderr
    receiver.wait(lambda: len(receiver.spans) == 2)
    assert sorted(span.name for span in receiver.spans) == ["invoke_workflow work", "one"]
    work = next(span for span in receiver.spans if span.name != "one")
    assert {it.key: it.value.string_value for it in work.attributes}[semconv.ERROR_TYPE] == "abandoned"


def test_instrument_imports_none_of_it() -> None:
    code = (
        "import sys, otelllm; otelllm.instrument();"
        "assert not [it for it in sys.modules if it.startswith(('langchain', 'langgraph', 'langsmith'))];"
        "assert 'otelllm.frameworks.langchain.handler' not in sys.modules;"
        "import langchain_core.runnables, langchain_core.callbacks.manager as m;"
        "m.CallbackManager.configure();"
        "assert 'OtelllmHandler' in [type(it).__name__ for it in m.CallbackManager.configure().handlers]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env={"OTEL_SDK_DISABLED": "true", "PATH": ""})
