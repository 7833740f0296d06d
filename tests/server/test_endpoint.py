"""Reviews over real HTTPS: the table of statuses, both wire versions, and callers that are no API servers."""

import base64
import copy
import io
import json
import re
import socket
from collections.abc import Callable
from typing import Any

import jsonpatch
import pytest

from mesh_injector import documents, store
from mesh_injector.errors import ReviewError
from mesh_injector.server.endpoint import ReviewEndpoint
from mesh_injector.server.exchange import BODY_BYTES

JSON = {"Content-Type": "application/json"}
Sample = Callable[[str], dict[str, Any]]
Eventually = Callable[[Callable[[], object]], None]


def with_pod(review: dict[str, Any], path: list[Any], value: Any) -> dict[str, Any]:
    """A review in whose pod something is another value."""
    review = copy.deepcopy(review)
    at = review["request"]["object"]
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return review


@pytest.mark.parametrize("version", ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"])
def test_a_review_is_answered_in_its_own_version_with_its_uid(client: Any, sample: Sample, version: str) -> None:
    review = {**sample("deployment"), "apiVersion": version}
    answer = json.loads(client.post(json.dumps(review)).body)
    assert (answer["apiVersion"], answer["kind"], answer["response"]["uid"]) == (version, "AdmissionReview", review["request"]["uid"])


def test_the_patch_of_an_injected_pod_applies(client: Any, sample: Sample) -> None:
    review = sample("deployment")
    response = client.review(review)
    assert (response["allowed"], response["patchType"]) == (True, "JSONPatch")
    pod = jsonpatch.apply_patch(review["request"]["object"], json.loads(base64.b64decode(response["patch"])))
    assert [container["name"] for container in pod["spec"]["containers"]] == ["cart", "envoy"]
    assert {"name": "PORTS", "value": "8080,9090"} in pod["spec"]["containers"][1]["env"]


@pytest.mark.parametrize("name", ["bare-pod", "job", "statefulset", "native-sidecar", "dry-run", "update", "delete"])
def test_there_is_no_patch_type_without_a_patch(client: Any, sample: Sample, name: str) -> None:
    response = client.review(sample(name))
    assert not {"patch", "patchType"} & response.keys()
    assert response["auditAnnotations"].keys() == {"mesh", "outcome", "reason", "template"}


def test_a_pod_that_cannot_be_injected_is_refused_with_the_reason(client: Any, sample: Sample) -> None:
    response = client.review(sample("bare-pod"))
    assert (response["allowed"], response["status"]["code"]) == (False, 422)
    assert response["status"]["message"].startswith("mesh-injector: [MI201] mesh mesh-system/payments: ")


@pytest.mark.parametrize(
    ("name", "field", "value"), [("update", "x", 0), ("delete", "x", 0), ("deployment", "subResource", "ephemeralcontainers")]
)
def test_what_creates_no_pod_is_allowed_untouched(client: Any, sample: Sample, name: str, field: str, value: Any) -> None:
    review = sample(name)
    review["request"][field] = value
    response = client.review(review)
    assert (response["allowed"], response["auditAnnotations"]["reason"]) == (True, "NotAPod")


def test_the_length_is_told_and_the_connection_stays(client: Any, sample: Sample) -> None:
    first = client.post(json.dumps(sample("deployment")))
    used = client.connection.sock
    second = client.post(json.dumps(sample("deployment")))
    assert int(first.headers["Content-Length"]) == len(first.body)
    assert (first.body, client.connection.sock) == (second.body, used)


@pytest.mark.parametrize(
    ("status", "method", "path", "headers"),
    [
        (404, "POST", "/", JSON),
        (404, "POST", "/mutate/", JSON),
        (404, "POST", "//mutate", JSON),
        (404, "GET", "/readyz", {}),
        (404, "GET", "/docs", {}),
        (404, "POST", "/%00%0Aforged%1b", JSON),
        (405, "GET", "/mutate", {}),
        (405, "PUT", "/mutate", JSON),
        (405, "OPTIONS", "/mutate?timeout=5s", {}),
        (415, "POST", "/mutate", {}),
        (415, "POST", "/mutate", {"Content-Type": "application/yaml"}),
        (415, "POST", "/mutate", {"Content-Type": "application/jsonp"}),
        (415, "POST", "/mutate", {**JSON, "Content-Encoding": "gzip"}),
        (400, "POST", "/mutate", JSON),
    ],
)
def test_what_is_no_review_has_its_status_and_one_line(client: Any, status: int, method: str, path: str, headers: dict[str, str]) -> None:
    answer = client.request(method, path, b"{}", headers)
    assert answer.status == status
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert re.fullmatch(r"\[MI501\] [ -~]+\n", answer.body.decode())
    assert answer.headers["Allow"] == ("POST" if status == 405 else None)
    assert answer.headers["Location"] is None


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", "application/json;x=y"])
def test_json_may_have_parameters(client: Any, sample: Sample, kind: str) -> None:
    assert client.request("POST", "/mutate", json.dumps(sample("job")), {"Content-Type": kind}).status == 200


def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(client: Any) -> None:
    with client.dial() as connection:
        connection.sendall(
            f"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {BODY_BYTES + 1}\r\n\r\n".encode()
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_a_body_without_a_length_is_refused_when_it_becomes_too_large(client: Any) -> None:
    with client.dial() as connection:
        connection.sendall(b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b" " * 65536 + b"\r\n"
        for _ in range(BODY_BYTES // 65536):
            connection.sendall(chunk)
        connection.settimeout(0.3)
        with pytest.raises(TimeoutError):  # exactly 7 MiB have come, and more may
            connection.recv(100)
        connection.settimeout(10)
        connection.sendall(chunk)
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("size", [BODY_BYTES + 1, 3 * BODY_BYTES])
def test_a_client_that_sends_a_large_body_to_its_end_reads_why_it_was_refused(client: Any, sample: Sample, size: int) -> None:
    answer = client.post(b" " * size)
    assert (answer.status, answer.body) == (413, b"[MI501] the body is larger than 7 MiB; no object of a Kubernetes API server is\n")
    assert client.review(sample("deployment"))["patchType"] == "JSONPatch"


def test_a_review_of_seven_mebibytes_is_answered(client: Any, sample: Sample) -> None:
    body = json.dumps(sample("deployment")).encode()
    assert client.post(body.ljust(BODY_BYTES)).response["patchType"] == "JSONPatch"


GOOD = (
    b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"u","namespace":"shop",'
    b'"operation":"CREATE","resource":{"version":"v1","resource":"pods"},"object":%s}}'
)
HOSTILE_BODIES = {
    "empty": b"",
    "not JSON": b"hello",
    "null": b"null",
    "a list": b"[]",
    "bad UTF-8": GOOD % b'{"metadata":{"name":"\xff\xfe"}}',
    "NaN": GOOD % b'{"spec":{"containers":[{"name":"a","x":NaN}]}}',
    "Infinity": b'{"apiVersion":Infinity}',
    "deep list": b"[" * 100_000,
    "deep object": GOOD % (b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "half": (GOOD % b"{}")[:-20],
    "twice": (GOOD % b"{}") * 2,
    "another kind": b'{"apiVersion":"v1","kind":"Pod","request":{"uid":"u"}}',
    "another version": b'{"apiVersion":"admission.k8s.io/v2","kind":"AdmissionReview","request":{"uid":"u"}}',
    "no request": b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}',
    "no uid": b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{}}',
    "empty uid": b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":""}}',
    "uid is a number": b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":7}}',
    "lone surrogate": GOOD % rb'{"metadata":{"name":"\ud800"}}',
    "a terminal's escape": b'{"apiVersion":"\\u001b[2J\\n","kind":"\\u0007","request":{"uid":"u"}}',
}


@pytest.mark.parametrize("body", HOSTILE_BODIES.values(), ids=HOSTILE_BODIES.keys())
def test_a_hostile_body_is_refused_in_one_line_and_the_next_review_is_answered(
    client: Any, sample: Sample, log: io.StringIO, body: bytes
) -> None:
    answer = client.post(body)
    assert (answer.status, answer.body.count(b"\n")) == (400, 1)
    assert answer.body.decode()[:-1].isprintable()
    assert client.review(sample("deployment"))["patchType"] == "JSONPatch"
    assert "Traceback" not in log.getvalue()


@pytest.mark.parametrize("pod", [b'"pod"', b"[]", b"7", b'{"metadata":7}', b'{"spec":{"containers":[7]}}'])
def test_a_review_whose_object_is_no_pod_is_refused_since_a_400_would_admit_it(client: Any, pod: bytes) -> None:
    response = client.post(GOOD % pod).response
    assert (response["uid"], response["allowed"], response["status"]["code"]) == ("u", False, 422)
    assert response["auditAnnotations"]["reason"] == "NotAPod"
    assert response["status"]["message"].startswith("mesh-injector: [MI502] the object is not a pod: ")


@pytest.mark.parametrize("key", [rb"f:\ud800", b"f:\xff", b"f:\xed\xa0\x80"], ids=["half a surrogate", "no UTF-8", "a surrogate in UTF-8"])
def test_what_an_api_server_sends_is_refused_where_no_decoder_takes_it(client: Any, sample: Sample, key: bytes) -> None:
    """The keys of `fieldsV1` are bytes that an API server passes on."""
    review = sample("deployment")
    review["request"]["object"]["metadata"]["managedFields"] = [{"manager": "m", "fieldsV1": {"f:KEY": {}}}]
    body = json.dumps(review, separators=(",", ":")).encode()
    assert client.post(body).response["patchType"] == "JSONPatch"
    response = client.post(body.replace(b"f:KEY", key)).response
    assert (response["uid"], response["allowed"], response["status"]["code"]) == (review["request"]["uid"], False, 422)


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
def test_what_an_api_server_sends_is_refused_where_it_is_nested_too_deeply(client: Any, sample: Sample, version: str) -> None:
    review = {**sample("deployment"), "apiVersion": f"admission.k8s.io/{version}"}
    review["request"]["object"]["metadata"]["managedFields"] = "DEEP"
    deep = 100_000  # since 3.12 Python goes ten times deeper than before
    body = json.dumps(review, separators=(",", ":")).replace('"DEEP"', '{"f:a":' * deep + "1" + "}" * deep)
    answer = client.post(body.encode())
    assert json.loads(answer.body)["apiVersion"] == review["apiVersion"]
    assert (answer.response["uid"], answer.response["allowed"]) == (review["request"]["uid"], False)
    assert "nested too deeply" in answer.response["status"]["message"]


WRONG_TYPES = """
    metadata metadata.name metadata.namespace metadata.labels metadata.labels.app metadata.annotations metadata.ownerReferences
    spec spec.containers spec.containers.0 spec.containers.0.name spec.containers.0.env spec.containers.0.ports
    spec.containers.0.ports.0.containerPort spec.initContainers spec.volumes spec.hostNetwork
"""


@pytest.mark.parametrize("value", [17, "text", [1], {"a": {}}, True, [[]], [None], None], ids=repr)
@pytest.mark.parametrize("path", WRONG_TYPES.split())
def test_a_wrong_type_anywhere_is_no_bug_of_ours(client: Any, sample: Sample, log: io.StringIO, path: str, value: Any) -> None:
    steps = [int(step) if step.isdigit() else step for step in path.split(".")]
    assert client.post(json.dumps(with_pod(sample("deployment"), steps, value))).response["auditAnnotations"]["reason"] != "Internal"
    assert "internal error" not in log.getvalue()


MESH_THAT_READS_THE_POD = """
apiVersion: mesh-injector.io/v1alpha1
kind: Mesh
metadata: {name: reader, namespace: mesh-system}
spec: {enableAutoInject: true, injectionSelector: {podSelector: {}}, sidecarPatchConfigMap: {name: reader}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: reader, namespace: mesh-system, labels: {mesh-injector.io/template: "true"}}
data:
  patch: "metadata: {annotations: {env: {{ pod.spec.containers[0].env|tojson }}}}"
"""


@pytest.mark.parametrize("depth", [100, 400, 800, 950, 1200])
def test_a_deep_pod_is_no_bug_of_ours(client: Any, sample: Sample, log: io.StringIO, depth: int) -> None:
    body = json.dumps(with_pod(sample("deployment"), ["spec", "containers", 0, "env"], [{"name": "A", "x": "DEEP"}])).encode()
    answer = client.post(body.replace(b'"DEEP"', b'{"a":' * depth + b"1" + b"}" * depth))
    assert answer.status in (200, 400)
    assert "internal error" not in log.getvalue()


@pytest.mark.parametrize("value", ["1e999", "9" * 5000], ids=["large", "long"])
def test_what_is_decoded_only_when_a_template_asks_is_no_bug_of_ours_either(sample: Sample, value: str) -> None:
    endpoint = ReviewEndpoint(store.Store(store.load(documents.parse(MESH_THAT_READS_THE_POD, "mesh.yaml").documents)))
    review = with_pod(sample("deployment"), ["spec", "containers", 0, "env"], [{"name": "A", "value": "HOSTILE"}])
    assert json.loads(endpoint.review(json.dumps(review).encode()))["response"]["patchType"] == "JSONPatch"
    response = json.loads(endpoint.review(json.dumps(review).replace('"HOSTILE"', value).encode()))["response"]
    assert (response["allowed"], response["auditAnnotations"]["reason"]) == (False, "NotAPod")


def test_a_client_that_vanishes_while_sending_costs_one_line(client: Any, sample: Sample, log: io.StringIO, eventually: Eventually) -> None:
    before = len(log.getvalue())
    with client.dial() as connection:
        connection.sendall(
            b"POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"{")
    eventually(lambda: client.post(b"") and "vanished" in log.getvalue()[before:])
    lines = [line for line in log.getvalue()[before:].splitlines() if "not a review" not in line]
    assert len(lines) == 1


@pytest.mark.parametrize(
    "garbage",
    [b"\x16\x03\x01", b"hello\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET \xff HTTP/1.1\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\n\r\n"],
)
def test_what_is_no_http_is_refused_without_a_traceback(client: Any, sample: Sample, log: io.StringIO, garbage: bytes) -> None:
    with client.dial() as connection:
        connection.sendall(garbage)
        assert connection.recv(1000).startswith(b"HTTP/1.1 400 ")
    assert client.review(sample("deployment"))["patchType"] == "JSONPatch"
    assert "Traceback" not in log.getvalue()


def test_a_plain_http_client_is_turned_away(client: Any, sample: Sample, log: io.StringIO) -> None:
    with socket.create_connection(("127.0.0.1", client.connection.port), timeout=10) as connection:
        connection.sendall(b"GET /mutate HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not connection.recv(1000).startswith(b"HTTP/1.1 2")
    assert client.review(sample("deployment"))["patchType"] == "JSONPatch"
    assert "Traceback" not in log.getvalue()


def test_an_upgrade_ends_the_connection_so_that_its_body_is_never_a_request(client: Any, sample: Sample) -> None:
    smuggled = b"POST /mutate HTTP/1.1\r\nHost: x\r\n\r\n"
    head = "POST /mutate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    with client.dial() as connection, connection.makefile("rb") as answers:
        connection.sendall(f"{head}Content-Length: {len(smuggled)}\r\n\r\n".encode())
        connection.sendall(smuggled)
        received = answers.read()
    assert received.startswith(b"HTTP/1.1 400 ")
    assert received.count(b"HTTP/1.1") == 1
    assert b"connection: close" in received


def test_a_review_is_logged_by_ids_and_without_its_content(client: Any, sample: Sample, log: io.StringIO) -> None:
    before = len(log.getvalue())
    review = with_pod(sample("deployment"), ["spec", "containers", 0, "env"], [{"name": "PASSWORD", "value": "hunter2"}])
    client.review({**review, "request": {**review["request"], "uid": "one\nFORGED\x1b[2J"}})
    (line,) = log.getvalue()[before:].splitlines()
    assert "debug" in line
    for part in (
        "uid=",
        "one\\nFORGED\\x1b[2J",
        "namespace=shop",
        "outcome=injected",
        "reason=Injected",
        "mesh=mesh-system/payments",
        "ms=",
    ):
        assert part in line
    assert "hunter2" not in line
    assert "envoy:v1" not in line


def test_a_refusal_is_logged_for_everybody(client: Any, sample: Sample, log: io.StringIO) -> None:
    before = len(log.getvalue())
    client.review(sample("bare-pod"))
    (line,) = log.getvalue()[before:].splitlines()
    assert "info" in line
    assert "reason=VirtualNodeLabelMissing" in line


def test_the_answer_of_a_review_needs_no_http(client: Any, sample: Sample) -> None:
    with pytest.raises(ReviewError):
        ReviewEndpoint(store.Store(store.load(()))).review(b"{}")
