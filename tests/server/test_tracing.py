"""Spans as a collector receives them."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from mesh_injector.errors import ConfigError
from mesh_injector.server import Options, tracing

Sample = Callable[[str], dict[str, Any]]
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The spans that a collector on this machine has received."""
    spans: list[Any] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = ExportTraceServiceRequest.FromString(self.rfile.read(int(self.headers["Content-Length"])))
            spans.extend(span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        yield spans
        server.shutdown()


def ask(
    serve: Callable[[Options], AbstractContextManager[Any]], options: Options, review: dict[str, Any], headers: dict[str, str] | None = None
) -> None:
    with serve(replace(options, is_traced=True)) as client:
        answer = client.request("POST", "/mutate", json.dumps(review), {"Content-Type": "application/json", **(headers or {})})
        assert answer.status == 200


def test_a_review_is_a_span_below_that_of_the_api_server(serve: Any, options: Options, sample: Sample, collected: list[Any]) -> None:
    review = sample("deployment")
    ask(serve, options, review, {"traceparent": f"00-{TRACE}-{PARENT}-01"})
    (span,) = collected
    assert (span.name, span.trace_id.hex(), span.parent_span_id.hex()) == ("review", TRACE, PARENT)
    assert span.end_time_unix_nano > span.start_time_unix_nano
    attributes = {each.key.removeprefix("mesh_injector."): each.value.string_value for each in span.attributes}
    assert attributes == {
        "uid": review["request"]["uid"],
        "outcome": "injected",
        "reason": "Injected",
        "mesh": "mesh-system/payments",
    }


def test_what_the_api_server_does_not_sample_is_not_sent(serve: Any, options: Options, sample: Sample, collected: list[Any]) -> None:
    ask(serve, options, sample("deployment"), {"traceparent": f"00-{TRACE}-{PARENT}-00"})
    assert collected == []


def test_the_sampler_is_chosen_as_opentelemetry_does(
    serve: Any, options: Options, sample: Sample, collected: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_on")
    ask(serve, options, sample("deployment"))
    assert len(collected) == 1


def test_without_the_extra_it_is_told_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigError, match=r"\[MI603\] .*mesh-injector\[tracing\]"), tracing.exporting():
        pass
