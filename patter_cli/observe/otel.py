"""Traces and logs to an OpenTelemetry collector, over HTTP: needs the extra `otel`, and an address to send to.

A trace's id is made of the call's id, so every process that holds a piece of a call, and every line of its log, has the
same one without having been told. Spans are made in the bus's thread and sent from a thread of the SDK's; a collector
that is slow or gone costs a call nothing.
"""

from __future__ import annotations

import hashlib
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from patter_cli.core.carrier_events import DialRequested
from patter_cli.core.events import CallConnected
from patter_cli.core.journal import Entry
from patter_cli.engine.context import CURRENT_CALL
from patter_cli.errors import BadSetting, MissingExtra
from patter_cli.extras import install_command
from patter_cli.observe.cost import LIST_PRICES
from patter_cli.observe.prices import PriceTable
from patter_cli.observe.spans import CallSpans, Span
from patter_cli.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk._logs import LoggerProvider

CALLS: Final = 10_000
SERVICE: Final = "patter"
TIMEOUT_S: Final = 10.0


def trace_id_of(call_id: str) -> int:
    """Of 128 bits, never 0."""
    return int.from_bytes(hashlib.sha256(call_id.encode("utf-8", "replace")).digest()[:16], "big") or 1


def root_id_of(call_id: str) -> int:
    """The call's own span's, of 64 bits."""
    return int.from_bytes(hashlib.sha256(call_id.encode("utf-8", "replace")).digest()[16:24], "big") or 1


class Telemetry:
    """An observer of the bus that sends traces, and a handler of logs beside it. `close` sends the rest."""

    def __init__(self, endpoint: str, headers: str = "", prices: PriceTable = LIST_PRICES) -> None:
        """endpoint: of an OTLP/HTTP receiver, http://localhost:4318, without /v1/traces. headers: "name=value,...".
        Raises MissingExtra, BadSetting."""
        if not endpoint.startswith(("http://", "https://")):
            raise BadSetting(f"{endpoint!r} is no address of a collector", hint="http://localhost:4318")
        try:
            from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk._logs import LoggerProvider
            from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
            from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise MissingExtra("traces need OpenTelemetry's SDK", hint=install_command("otel")) from error
        resource = Resource.create({SERVICE_VERSION: VERSION})
        if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: SERVICE}))
        sent = dict(_header(each) for each in headers.split(",") if each.strip())
        base = endpoint.rstrip("/")
        self._ids = _call_ids()
        self._traces = TracerProvider(resource=resource, id_generator=self._ids, shutdown_on_exit=False)
        spans = OTLPSpanExporter(endpoint=f"{base}/v1/traces", headers=sent, timeout=TIMEOUT_S)
        self._traces.add_span_processor(BatchSpanProcessor(spans, schedule_delay_millis=1000))
        self._tracer = self._traces.get_tracer("patter", VERSION)
        logs = OTLPLogExporter(endpoint=f"{base}/v1/logs", headers=sent, timeout=TIMEOUT_S)
        self._logs = LoggerProvider(resource=resource, shutdown_on_exit=False)
        self._logs.add_log_record_processor(BatchLogRecordProcessor(logs, schedule_delay_millis=1000))
        self.handler: logging.Handler = CallLogHandler(self._logs)
        """Sends what is logged, each line of a call's with the call's id and trace."""
        self._calls: OrderedDict[str, CallSpans] = OrderedDict()
        self._prices = prices
        self._closed = False

    def __call__(self, call_id: str, entry: Entry) -> None:
        """Take what the bus tells."""
        call = self._calls.get(call_id)
        if call is None:
            if not isinstance(entry.event, CallConnected | DialRequested):
                return  # of a call that is over
            call = self._calls[call_id] = CallSpans(call_id, self._prices)
            while len(self._calls) > CALLS:
                self._calls.popitem(last=False)
        for turn in call.feed(entry):
            self._send(turn, call.started_at or 0.0, self._below(trace_id_of(call_id), root_id_of(call_id)))
        if call.over:
            del self._calls[call_id]
            for child in call.call.children:
                self._send(child, call.started_at or 0.0, self._below(trace_id_of(call_id), root_id_of(call_id)))
            call.call.children = []
            self._ids.next = trace_id_of(call_id), root_id_of(call_id)
            self._send(call.call, call.started_at or 0.0, None)

    def close(self) -> None:
        """Send what waits, for some seconds at most. Twice is fine."""
        if not self._closed:
            self._closed = True
            self._traces.force_flush(3000)
            self._logs.force_flush(3000)
            self._traces.shutdown()
            self._logs.shutdown()

    def _below(self, trace_id: int, span_id: int) -> Context:
        from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

        flags = TraceFlags(TraceFlags.SAMPLED)
        above = SpanContext(trace_id=trace_id, span_id=span_id, is_remote=False, trace_flags=flags)
        return set_span_in_context(NonRecordingSpan(above))

    def _send(self, span: Span, started_at: float, above: Context | None) -> None:
        """A span with all that is below it. above: None for the whole call."""
        from opentelemetry.context import Context
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        def at(ms: int) -> int:
            return round((started_at + ms / 1000) * 1e9)

        sent = self._tracer.start_span(
            span.name,
            context=Context() if above is None else above,
            kind=SpanKind[span.kind.upper()],
            attributes=span.attributes,
            start_time=at(span.from_ms),
        )
        for moment, name, told in span.events:
            sent.add_event(name, told, timestamp=at(moment))
        if span.error:
            sent.set_attribute("error.type", span.error)
            sent.set_status(Status(StatusCode.ERROR, span.error))
        below = set_span_in_context(sent)
        for child in span.children:
            self._send(child, started_at, below)
        sent.end(at(span.to_ms))


class CallLogHandler(logging.Handler):
    """Lines of the log for a collector: those that are written in a call name it."""

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__()
        self._logger = provider.get_logger("patter", VERSION)

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(("opentelemetry", "urllib3", "requests")):
            return  # what is logged of sending must not be sent
        from opentelemetry._logs import LogRecord, SeverityNumber
        from opentelemetry.trace import TraceFlags

        try:
            call_id = CURRENT_CALL.get()
            attributes: dict[str, Any] = {"code.function.name": record.funcName, "logger": record.name}
            place: dict[str, Any] = {}
            if call_id:
                attributes |= {"patter.call.id": call_id, "gen_ai.conversation.id": call_id}
                place = {"trace_id": trace_id_of(call_id), "span_id": root_id_of(call_id)}
                place["trace_flags"] = TraceFlags(TraceFlags.SAMPLED)
            if record.exc_info and record.exc_info[0] is not None:
                attributes["exception.type"] = record.exc_info[0].__name__
                attributes["exception.message"] = str(record.exc_info[1])
            self._logger.emit(
                LogRecord(
                    timestamp=int(record.created * 1e9),
                    severity_text=record.levelname,
                    severity_number=SeverityNumber(min(24, max(1, (record.levelno // 10) * 4 + 1))),
                    body=record.getMessage(),
                    attributes=attributes,
                    **place,
                )
            )
        except Exception:  # noqa: BLE001 - a line of the log must not end what it is written of
            self.handleError(record)


def _header(written: str) -> tuple[str, str]:
    name, found, value = written.partition("=")
    if not found or not name.strip():
        raise BadSetting("the collector's headers cannot be read", hint="name=value, with commas between")
    return name.strip().lower(), value.strip()


def _call_ids() -> Any:
    """An id generator whose next trace and span may be given."""
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class CallIds(RandomIdGenerator):
        """next: taken by the next span that has none above it. All spans are made in one thread."""

        next: tuple[int, int] | None = None

        def generate_trace_id(self) -> int:
            return self.next[0] if self.next is not None else super().generate_trace_id()

        def generate_span_id(self) -> int:
            given, self.next = self.next, None
            return given[1] if given is not None else super().generate_span_id()

    return CallIds()
