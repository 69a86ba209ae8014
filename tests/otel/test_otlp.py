"""What arrives at a collector: spans over OTLP, received by a server and read back."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tests.support.executors import Calls, options

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from exec_tracker import ExecutionTracker
    from tests.otel.recorded import Telemetry


class Collector(ThreadingHTTPServer):
    """Takes what is exported, as a collector does."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receive)
        self.received: list[ExportTraceServiceRequest] = []

    @property
    def endpoint(self) -> str:
        """Where to export traces to."""
        return f"http://127.0.0.1:{self.server_port}/v1/traces"


class _Receive(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:  # http.server's name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Content-Encoding"] == "gzip":
            body = gzip.decompress(body)
        self.server.received.append(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 # http.server's name
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_spans_with_their_links_arrive_at_a_collector(
    tracker: ExecutionTracker, telemetry: Telemetry, user_id: UUID, collector: Collector
) -> None:
    telemetry.tracers.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(endpoint=collector.endpoint))
    )
    telemetry.attach(tracker)
    tracker.execute(options("k", user_id), Calls())
    tracker.execute(options("k", user_id), Calls())
    assert telemetry.tracers.force_flush()
    spans = [
        span
        for request in collector.received
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
        if scope.scope.name == "exec_tracker"
    ]
    first, second = spans
    assert [event.name for event in first.events] == [
        "exec_tracker.claimed",
        "exec_tracker.completed",
    ]
    (link,) = second.links
    assert (link.trace_id, link.span_id) == (first.trace_id, first.span_id)
    values = {one.key: one.value for one in second.attributes}
    assert values["exec_tracker.outcome"].string_value == "replayed"
