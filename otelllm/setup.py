"""`instrument()` and `uninstrument()`: puts settings, policy, OpenTelemetry and the patches together."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import (
    blobs,
    completion_hook,
    config,
    emit,
    estimate,
    frameworks,
    pricing,
    processes,
    providers,
    redaction,
    runs,
    tool_gate,
)
from .blobs import Blobs
from .calls import Calls
from .capture import Capture
from .config import CaptureMode, Settings
from .emit import Emitter
from .enforcement import Enforcement
from .errors import BadConfig, Blocked
from .events import Events
from .interrupting import interrupt_open
from .metrics import Instruments
from .patch import Binding, Patch
from .policy import Policy, Watched, from_mapping, load
from .policy_service import PolicyService
from .relay import end_all
from .stages import Stages
from .telemetry import EXIT_SECONDS, Telemetry

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import TracerProvider

    from .call import Call
    from .steps import Steps

__all__ = ["Instrumentor", "bindings", "flush", "instrument", "shutdown", "uninstrument"]

log = logging.getLogger(__name__)
COUNTED_WITHIN_S = 0.5
"""What calls used is written before a process ends, unless that takes longer."""
_lock = threading.RLock()
_running: _Running | None = None


@dataclass(slots=True)
class _Running:
    """What one `instrument()` started."""

    patch: Patch
    telemetry: Telemetry
    enforcement: Enforcement
    own: Policy
    """The policy of the file or the argument, with the switches of the environment."""
    served: Policy | None = None
    """What the collector adds to it."""
    stages: Stages = field(init=False)
    service: PolicyService | None = None
    watched: Watched | None = None

    def __post_init__(self) -> None:
        self._follow(self.own, self.served)

    def changed(self, policy: Policy) -> None:
        """The file says something else; called from a thread of the watcher's."""
        if _running is self:
            settings = config.read()
            before = self.own
            self._follow(policy.with_kill(settings.kill), self.served)
            log.info("otelllm policy %s is in force (version %s)", policy.path, policy.version)
            if before.service != policy.service:
                self.ask_service(settings.key)

    def was_served(self, policy: Policy) -> None:
        """The collector's policy came, or another one; called from a thread of the service's."""
        if _running is self:
            try:
                self._follow(self.own, policy)
            except BadConfig as error:
                _told_broken(error)
                # Who switches something off must be obeyed, whatever else is wrong with the policy that says so.
                self._follow(self.own, (self.served or Policy()).switched_by(policy))
                return
            log.info("otelllm policy of %s is in force (version %s)", self.own.service, policy.version)

    def ask_service(self, key: str | None) -> None:
        """Follow the collector that the policy names now, and no other."""
        if self.service is not None:
            self.service.stop()
            self.service = None
        if self.own.service is None:
            self._follow(self.own, None)
        else:
            self.service = PolicyService(self.own.service.url, key, self.was_served)
            self.service.start()

    def _follow(self, own: Policy, served: Policy | None) -> None:
        """Let a policy be in force from the next call on, and for streams that are under way.

        Where it can't be enforced (BadConfig) the old one stays.
        """
        self.stages = self.enforcement.stages(own.over(served))
        self.own, self.served = own, served
        tool_gate.use(self.stages.gate, self.stages.version)
        interrupt_open(self.stages.refusing)


def instrument(  # noqa: PLR0913  all optional, all by name
    *,
    service_name: str | None = None,
    endpoint: str | None = None,
    policy: str | Path | Mapping[str, Any] | Policy | None = None,
    capture: CaptureMode | None = None,
    redact: Callable[[str], str] | None = None,
    prices: Mapping[str, Mapping[str, float]] | None = None,
    propagate: bool | None = None,
    include_usage: bool | None = None,
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    logger_provider: Any = None,
) -> None:
    """Watch every call of the provider SDKs that are installed, and enforce the policy on them.

    Everything is optional. OpenTelemetry's own variables (OTEL_*) are honoured; providers given here, or set globally
    by the app, are used; otherwise ours export OTLP to `endpoint` (a base URL such as http://localhost:4318).
    `capture` says what content is kept: "off" (the default), "redacted" or "full"; it wins over the policy, and that
    over OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT. `redact` is applied to every text before anything is kept.
    `prices` are your own, by model glob, in USD per million tokens: {"my-model*": {"input": 0.1, "output": 0.4}}.
    `propagate` sends W3C trace context along in the providers' requests (default: OTELLLM_PROPAGATE, else not).
    `include_usage` asks OpenAI's chat and completion streams for their usage where the app does not, and keeps the
    chunk that answers from the app (default: OTELLLM_INCLUDE_USAGE, else not: it is estimated then).
    `policy` is a file, its keys as a mapping, or nothing: then otelllm.toml is taken where it exists.

    Imports no SDK, returns at once, and does nothing when called a second time. Raises `BadConfig` for settings that
    can't be used, and nothing else.
    """
    global _running  # noqa: PLW0603  one instrumentation a process
    with _lock:
        settings = config.read()
        if _running is not None or settings.disabled:
            return
        rules = _policy(policy, settings)
        enforcement = _enforcement(service_name, rules, settings)
        kept = _capture(capture, redact, rules, settings)
        pricing.configure(prices)
        blobs.use(Blobs(rules.capture.blobs) if rules.capture.blobs else None)
        telemetry = Telemetry(
            settings,
            service_name=service_name,
            endpoint=endpoint,
            tracer_provider=tracer_provider,
            meter_provider=meter_provider,
            logger_provider=logger_provider,
        )
        emitter = _emitter(telemetry, kept, settings)
        calls = Calls(
            emitter,
            _stages,
            propagates=settings.propagate if propagate is None else propagate,
            asks_usage=settings.include_usage if include_usage is None else include_usage,
        )
        _running = _Running(Patch(providers.installed(), frameworks.installed(), calls), telemetry, enforcement, rules)
        _watch(settings)
        emit.use(emitter)
        _running.patch.apply()
        processes.on_exit(_at_exit)
        processes.on_fork(_in_child)


def uninstrument() -> None:
    """Put every SDK back as it was, and end the providers that we made."""
    global _running
    with _lock:
        running, _running = _running, None
        if running is None:
            return
        running.patch.undo()
        emit.use(None)
        tool_gate.use(None)
        if running.watched is not None:
            running.watched.stop()
        if running.service is not None:
            running.service.stop()
        end_all()
        runs.end_all()
        running.enforcement.close()
        running.telemetry.shutdown()
        if (store := blobs.kept_in()) is not None:
            store.flush(EXIT_SECONDS)
        blobs.use(None)
        estimate.forget()
        redaction.forget_keys()
        processes.on_exit(None)


def flush(timeout: float = 5.0) -> bool:
    """Hand over what is waiting to be exported; whether all of it was taken within `timeout` seconds."""
    running = _running
    if running is None:
        return True
    store = blobs.kept_in()
    written = store is None or store.flush(timeout)
    counted = running.enforcement.flush(timeout)
    return running.telemetry.flush(timeout) and written and counted


def shutdown(timeout: float = EXIT_SECONDS) -> None:
    """End open streams' spans, flush, and end the providers that we made; at exit this is done for you."""
    running = _running
    if running is not None:
        end_all()
        runs.end_all()
        running.enforcement.flush(timeout)
        running.telemetry.flush(timeout)
        running.telemetry.shutdown(timeout)


def bindings() -> list[Binding]:
    """Every target of every provider, and whether it is patched; gates on neighbours only where one is there."""
    return [] if _running is None else [one for one in _running.patch.bindings if one.bound or not one.is_gate]


def _stages() -> Stages:
    running = _running
    return Stages() if running is None else running.stages


def _policy(given: str | Path | Mapping[str, Any] | Policy | None, settings: Settings) -> Policy:
    """The policy asked for, with the kill switches of the environment."""
    if isinstance(given, Policy):
        policy = given
    elif isinstance(given, Mapping):
        policy = from_mapping(given)
    elif given is not None:
        policy = load(Path(given))
    else:
        path = Path(settings.policy_path or "otelllm.toml")
        policy = load(path) if settings.policy_named or path.is_file() else Policy()
    return policy.with_kill(settings.kill)


def _enforcement(service_name: str | None, rules: Policy, settings: Settings) -> Enforcement:
    """What enforces the policy; BadConfig where it can't be (a key, or a client of the counters, is not there).

    Counters are the service's own; one without a name is told by its policy file, or by where it runs.
    """
    service = service_name or settings.service_name
    if not service:
        place = rules.path.absolute() if rules.path is not None else Path.cwd()
        service = f"app-{hashlib.sha256(str(place).encode()).hexdigest()[:8]}"
    enforcement = Enforcement(service, settings.state_folder)
    enforcement.stages(rules)
    return enforcement


def _capture(
    asked: CaptureMode | None, redact: Callable[[str], str] | None, rules: Policy, settings: Settings
) -> Capture:
    """What content is kept: the argument wins over the policy, that over the environment."""
    mode = asked or rules.capture.content or settings.capture or "off"
    if mode not in {"off", "redacted", "full"}:
        raise BadConfig(f"capture {mode!r} is not one of 'off', 'redacted', 'full'")
    return Capture(mode, redact=redact, part_bytes=rules.capture.part_bytes, span_bytes=rules.capture.span_bytes)


def _emitter(telemetry: Telemetry, kept: Capture, settings: Settings) -> Emitter:
    return Emitter(
        telemetry.tracer,
        Instruments(telemetry.meter, per_chunk=settings.per_chunk_metric),
        kept,
        content_on_span=settings.content_on_span,
        content_on_event=settings.content_on_event,
        events=Events(telemetry.logger, writes_details=settings.emit_event),
        hook=completion_hook.load(settings.completion_hook) if settings.completion_hook else None,
        prefix_key=settings.prefix_key.encode() if settings.prefix_key else None,
    )


def _watch(settings: Settings) -> None:
    """Follow the policy's file, and the collector where it names one: a good change is in force within a second."""
    running = _running
    if running is None:
        return
    if running.own.path is not None:
        running.watched = Watched(running.own.path, running.changed, _told_broken)
        running.watched.start()
    running.ask_service(settings.key)


def _told_broken(error: Exception) -> None:
    log.error("otelllm keeps its old policy: %s", error)


def _in_child() -> None:
    global _lock  # noqa: PLW0603  a thread of the parent may have held it
    _lock = threading.RLock()
    runs.forget_parents()


def _at_exit() -> None:
    running = _running
    if running is not None:
        runs.end_all()
        running.enforcement.flush(COUNTED_WITHIN_S)
        if (store := blobs.kept_in()) is not None:
            store.flush(EXIT_SECONDS)
        running.telemetry.shutdown()


def _refuse_all(reason: str) -> Stages:
    def refuse(call: Call) -> Steps[str | None]:
        raise Blocked(f"every call is refused: {reason}", rule="OTELLLM_ON_BAD_POLICY")
        yield  # type: ignore[unreachable]  # a stage is a generator

    return Stages(resolve=(refuse,))


class Instrumentor:
    """The entry point of `opentelemetry-instrument`: nobody catches what is raised here."""

    def instrument(self, **kwargs: Any) -> None:
        """As `otelllm.instrument()`; bad settings are logged, and OTELLLM_ON_BAD_POLICY=exit|block|off decides."""
        names = ("tracer_provider", "meter_provider", "logger_provider")
        given = {name: kwargs[name] for name in names if kwargs.get(name) is not None}
        try:
            instrument(**given)
        except BadConfig as error:
            log.error("otelllm: %s", error)
            self._without_policy(str(error), given)

    def _without_policy(self, reason: str, given: dict[str, Any]) -> None:
        try:
            on_bad = config.read().on_bad_policy
        except BadConfig:
            on_bad = "exit"
        if on_bad == "exit":
            raise SystemExit(f"otelllm: {reason}\nSet OTELLLM_ON_BAD_POLICY=block or off to start without it.")
        instrument(policy=Policy(), capture="off", **given)
        if on_bad == "block" and _running is not None:
            _running.stages = _refuse_all(reason)

    def uninstrument(self, **_: Any) -> None:
        """As `otelllm.uninstrument()`."""
        uninstrument()
