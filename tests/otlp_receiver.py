"""A collector, as far as a test needs one: a process that takes OTLP over HTTP and prints what it was sent.

`python -m tests.otlp_receiver` prints its port, then a JSON line for each span and each line of a log, read by
OpenTelemetry's own protocol.
"""

from __future__ import annotations

import gzip
import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest, ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


def plain(value: Any) -> Any:
    """An attribute's value."""
    return getattr(value, value.WhichOneof("value"))


def attributes(pairs: Any) -> dict[str, Any]:
    return {each.key: plain(each.value) for each in pairs}


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        reply = self.take_spans(body) if self.path == "/v1/traces" else self.take_logs(body)
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def take_spans(self, body: bytes) -> bytes:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.tell(
                        what="span", name=span.name, trace=span.trace_id.hex(), id=span.span_id.hex(),
                        parent=span.parent_span_id.hex(), from_ns=span.start_time_unix_nano,
                        to_ns=span.end_time_unix_nano, kind=span.kind, attributes=attributes(span.attributes),
                        status=span.status.code, events=[each.name for each in span.events],
                        service=attributes(resource.resource.attributes)["service.name"],
                        token=self.headers.get("x-token"),
                    )  # fmt: skip
        return ExportTraceServiceResponse().SerializeToString()

    def take_logs(self, body: bytes) -> bytes:
        for resource in ExportLogsServiceRequest.FromString(body).resource_logs:
            for scope in resource.scope_logs:
                for line in scope.log_records:
                    self.tell(
                        what="log", body=plain(line.body), trace=line.trace_id.hex(), level=line.severity_text,
                        attributes=attributes(line.attributes),
                    )  # fmt: skip
        return ExportLogsServiceResponse().SerializeToString()

    def tell(self, **facts: Any) -> None:
        print(json.dumps(facts), flush=True)

    def log_message(self, format: str, *args: Any) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    print(server.server_port, flush=True)
    server.serve_forever()
