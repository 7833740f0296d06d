"""AdmissionReviews about Meshes and ConfigMaps on the wire: both versions, what is judged, and answers that stay within bounds."""

import json
from typing import Any

import msgspec
import pytest

from mesh_injector import validation
from mesh_injector.errors import InjectionError, Problem, ReviewError
from mesh_injector.formats.mesh.proposal import Advice
from mesh_injector.reasons import Reason

MESH = {"apiVersion": "mesh-injector.io/v1alpha1", "kind": "Mesh", "metadata": {"name": "payments", "namespace": "shop"}, "spec": {}}


def review(version: str = "admission.k8s.io/v1", **request: Any) -> bytes:
    resource = {"group": "mesh-injector.io", "version": "v1alpha1", "resource": "meshes"}
    asked = {"uid": "u", "resource": resource, "namespace": "shop", "operation": "CREATE", "object": MESH, "oldObject": None, **request}
    return json.dumps({"apiVersion": version, "kind": "AdmissionReview", "request": asked}).encode()


def answered(advice: Advice) -> Any:
    return json.loads(validation.respond(validation.decode(review()), advice))["response"]


@pytest.mark.parametrize("version", ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"])
def test_an_answer_has_the_version_and_uid_of_the_question(version: str) -> None:
    answer = json.loads(validation.respond(validation.decode(review(version, uid="ü\u2028")), Advice()))
    assert answer == {"apiVersion": version, "kind": "AdmissionReview", "response": {"uid": "ü\u2028", "allowed": True}}


def test_a_change_has_what_was_and_what_is_to_be() -> None:
    change = validation.decode(review(object={**MESH, "spec": {"mode": "Audit"}}, oldObject=MESH)).change
    assert change
    assert change.new
    assert change.old
    assert (change.new.kind, change.new.namespace, change.new.name, str(change.new.origin)) == (
        "Mesh",
        "shop",
        "payments",
        "Mesh shop/payments",
    )
    assert (change.new.body["spec"], change.old.body["spec"]) == ({"mode": "Audit"}, {})


def test_the_namespace_of_the_request_counts_where_the_object_disagrees() -> None:
    lying = {**MESH, "metadata": {"name": "payments", "namespace": "mesh-system"}}
    change = validation.decode(review(object=lying)).change
    assert change
    assert change.new
    assert change.new.namespace == "shop"


@pytest.mark.parametrize(
    "request_",
    [{"subResource": "status"}, {"resource": {"group": "", "resource": "pods"}}, {"resource": {"group": "x", "resource": "meshes"}}],
)
def test_other_objects_and_the_status_are_not_judged(request_: dict[str, Any]) -> None:
    assert validation.decode(review(**request_)).change is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"null",
        b"[" * 100_000,
        review("admission.k8s.io/v2"),
        review(uid=""),
        review(object=1),
        review(object={**MESH, "metadata": []}),
        review(object={**MESH, "metadata": {"name": 1}}),
        review(object={**MESH, "metadata": {"labels": {"a": 1}}}),
        review().replace(b'"spec": {}', b'"spec": NaN'),
        review().replace(b'"spec": {}', b'"spec": ' + b"[" * 100_000 + b"]" * 100_000),
        review().replace(b"payments", b"\xff"),
        review().replace(b"payments", b"\\ud800"),
    ],
)
def test_what_is_no_review_is_refused_in_one_line(body: bytes) -> None:
    with pytest.raises(ReviewError) as refused:
        validation.decode(body)
    assert refused.value.status == 400
    assert len(str(refused.value)) < 500


def test_a_refusal_says_what_breaks_and_how_to_mend_it() -> None:
    told = answered(Advice((Problem("MI202", "no region", "Mesh a/b, spec.region", "set it"),)))
    message = "mesh-injector: [MI202] no region, at Mesh a/b, spec.region; set it"
    assert (told["allowed"], told["status"]) == (False, {"code": 422, "reason": "Invalid", "message": message})


def test_a_refusal_is_bounded_and_shows_nothing_that_a_terminal_would_obey() -> None:
    many = tuple(Problem("MI301", f"\x1b[31m{number}\n{'x' * 10_000}") for number in range(1000))
    told = answered(Advice(many, many))
    lines = told["status"]["message"].split("\n")
    assert len(lines) == validation.TOLD + 1
    assert lines[-1] == "and 990 more, which `mesh-injector lint` tells"
    assert max(map(len, lines)) < 1100
    assert all(line.isprintable() for line in lines)
    assert max(map(len, told["warnings"])) == 120
    assert sum(len(warning.encode()) for warning in told["warnings"]) <= 4096


def test_what_cannot_be_judged_passes_with_a_warning() -> None:
    told = answered(validation.unjudged(InjectionError(Reason.OVERLOADED, "too much")))
    assert told == {"uid": "u", "allowed": True, "warnings": ["[MI503] not validated, see the status of the Mesh: too much"]}


def test_warnings_come_with_a_change_that_is_let_pass() -> None:
    assert answered(Advice(warnings=(Problem("MI205", "no ConfigMap"),)))["warnings"] == ["[MI205] no ConfigMap"]


def test_a_deletion_has_no_new_object() -> None:
    change = validation.decode(review(object=None, oldObject=MESH)).change
    assert change
    assert (change.new, change.old is None) == (None, False)


def test_an_absent_object_is_one_that_is_null() -> None:
    body = msgspec.json.decode(review())
    del body["request"]["oldObject"]
    change = validation.decode(msgspec.json.encode(body)).change
    assert change
    assert (change.old, change.new is None) == (None, False)
