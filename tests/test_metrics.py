"""What Prometheus reads, judged by the parser that Prometheus' own client has for it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from mesh_injector.metrics import BUCKETS, Metrics

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
FAMILIES = {
    "admission_requests": "counter",
    "admission_duration_seconds": "histogram",
    "admission_requests_in_flight": "gauge",
    "template_valid": "gauge",
    "template_reloads": "counter",
    "meshes": "gauge",
    "certificate_expiry_timestamp_seconds": "gauge",
    "certificate_reloads": "counter",
    "build_info": "gauge",
}
LABELS = ("outcome", "reason", "mesh", "mode", "result", "auto_inject", "ready", "version", "le")


@pytest.fixture
def metrics() -> Metrics:
    made = Metrics("1.2.3")
    made.loaded({"shop/a": "Enforce", "shop/b": "Audit"}, {"shop/a": True, "shop/b": False}, {("true", "true"): 1, ("true", "false"): 1})
    return made


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Each of our samples: its name without our prefix, the values of its labels in order, and its value."""
    found = {}
    for family in text_string_to_metric_families(metrics.text("")[0].decode()):
        for sample in family.samples:
            if sample.name.startswith("mesh_injector_"):
                labels = (sample.labels[name] for name in LABELS if name in sample.labels)
                found[(sample.name.removeprefix("mesh_injector_"), *labels)] = sample.value
    return found


def test_a_review_is_counted_by_outcome_reason_mesh_and_mode(metrics: Metrics) -> None:
    for _ in range(2):
        metrics.reviewed("injected", "Injected", "shop/a", 0.001)
    metrics.reviewed("audited", "AuditMode", "shop/b", 0.001)
    found = samples(metrics)
    assert found["admission_requests_total", "injected", "Injected", "shop/a", "Enforce"] == 2
    assert found["admission_requests_total", "audited", "AuditMode", "shop/b", "Audit"] == 1


def test_a_mesh_that_is_not_loaded_is_not_named(metrics: Metrics) -> None:
    for number in range(1000):
        metrics.reviewed("refused", "MeshUnknown", f"evil/{number}", 0.001)
    assert {key for key in samples(metrics) if key[0] == "admission_requests_total"} == {
        ("admission_requests_total", "refused", "MeshUnknown", "", "")
    }


def test_the_series_of_a_mesh_go_with_it(metrics: Metrics) -> None:
    metrics.reviewed("injected", "Injected", "shop/a", 0.001)
    metrics.reviewed("skipped", "NoMeshMatched", "", 0.001)
    metrics.reloaded([("shop/a", "success"), ("shop/b", "failure")])
    metrics.loaded({"shop/b": "Audit"}, {"shop/b": True}, {("true", "true"): 1})
    found = samples(metrics)
    assert not [key for key in found if "shop/a" in key]
    assert found["admission_requests_total", "skipped", "NoMeshMatched", "", ""] == 1
    assert (found["template_valid", "shop/b"], found["template_reloads_total", "shop/b", "failure"]) == (1, 1)
    assert ("meshes", "true", "false") not in found


def test_durations_are_in_buckets_up_to_their_bound(metrics: Metrics) -> None:
    for seconds in (0.0005, 0.0006, 7.0):
        metrics.reviewed("injected", "Injected", "shop/a", seconds)
    found = samples(metrics)
    counts = [found["admission_duration_seconds_bucket", "injected", str(bound)] for bound in BUCKETS]
    assert counts == [1, *[2] * (len(BUCKETS) - 1)]
    assert found["admission_duration_seconds_bucket", "injected", "+Inf"] == found["admission_duration_seconds_count", "injected"] == 3
    assert found["admission_duration_seconds_sum", "injected"] == pytest.approx(7.0011)


def test_the_certificate_has_its_end_and_keeps_it_when_a_new_one_fails(metrics: Metrics) -> None:
    metrics.certificate(datetime(2030, 1, 1, tzinfo=UTC))
    metrics.certificate(None)
    found = samples(metrics)
    assert found["certificate_expiry_timestamp_seconds",] == datetime(2030, 1, 1, tzinfo=UTC).timestamp()
    assert (found["certificate_reloads_total", "success"], found["certificate_reloads_total", "failure"]) == (1, 1)


def test_the_version_and_what_is_in_flight_are_told(metrics: Metrics) -> None:
    metrics.in_flight = 3
    found = samples(metrics)
    assert (found["build_info", "1.2.3"], found["admission_requests_in_flight",]) == (1, 3)


@pytest.mark.parametrize(
    ("accept", "parse"), [("", text_string_to_metric_families), (OPENMETRICS, openmetrics.text_string_to_metric_families)]
)
def test_both_formats_can_be_read_and_every_family_is_described(metrics: Metrics, accept: str, parse: Callable[[str], Any]) -> None:
    metrics.reviewed("refused", "Overloaded", "", 0.1)
    metrics.reloaded([("shop/a", "success")])
    metrics.certificate(datetime(2030, 1, 1, tzinfo=UTC))
    text, content_type = metrics.text(accept)
    assert content_type.startswith(accept.partition(";")[0] or "text/plain")
    families = {family.name.removeprefix("mesh_injector_"): family for family in parse(text.decode())}
    for name, kind in FAMILIES.items():
        found = families.get(name) or families[name.removesuffix("_info")]
        assert found.documentation.endswith("."), name
        assert found.type in (kind, "info"), name
        assert found.samples, name
    assert "_created" not in text.decode().replace("process_start_time", "")
    assert "process_resident_memory_bytes" in families


@pytest.mark.parametrize(
    "accept", ["application/openmetrics-text;version=x", "application/openmetrics-text; version=", "text/plain;version=1.x.0", ";;;"]
)
def test_whatever_a_scraper_says_it_accepts_it_gets_an_answer(metrics: Metrics, accept: str) -> None:
    text, content_type = metrics.text(accept)
    assert b"mesh_injector_build_info" in text
    assert content_type.startswith(("text/plain", "application/openmetrics-text"))


def test_who_leads_is_said_by_replicas_that_may() -> None:
    metrics = Metrics("1")
    assert b"mesh_injector_leader" not in metrics.text("")[0]
    for is_leader, value in ((False, b"0.0"), (True, b"1.0")):
        metrics.leads(is_leader)
        assert b"\nmesh_injector_leader " + value in metrics.text("")[0]
