"""AdmissionReview in and out: both versions, the truth table row by row, warnings within their bounds, hostile bodies."""

import base64
import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_injector import admission
from mesh_injector.engine.outcome import Outcome, Verdict
from mesh_injector.errors import InjectionError, ReviewError
from mesh_injector.reasons import Reason

REVIEWS = Path(__file__).parents[1] / "config" / "samples" / "reviews"
PODS = ("bare-pod", "deployment", "dry-run", "job", "native-sidecar", "statefulset")
POD: dict[str, Any] = {"metadata": {"name": "cart"}, "spec": {"containers": [{"name": "app"}]}}
ERROR = InjectionError(Reason.NAME_COLLISION, "the pod has a container `envoy`", where="line 3", fix="rename one")


def review(version: str = "admission.k8s.io/v1", **request: Any) -> bytes:
    fields = {
        "uid": "705ab4f5",
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "shop",
        "operation": "CREATE",
        "object": POD,
        **request,
    }
    return json.dumps({"apiVersion": version, "kind": "AdmissionReview", "request": fields}).encode()


def answer(outcome: Outcome, **request: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(admission.respond(admission.decode(review(**request)), outcome))
    return decoded


def response(verdict: Verdict, reason: Reason, **parts: Any) -> dict[str, Any]:
    found: dict[str, Any] = answer(Outcome(verdict, reason, "mesh-system/shop", "sha256:00", **parts))["response"]
    return found


# --- in -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PODS)
def test_the_review_of_a_real_api_server_is_decoded_and_its_pod_is_untouched(name: str) -> None:
    body = (REVIEWS / f"{name}.json").read_bytes()
    request = admission.decode(body)
    wanted = json.loads(body)["request"]
    assert (request.uid, request.namespace, request.api_version) == (wanted["uid"], wanted["namespace"], "admission.k8s.io/v1")
    assert request.pod is not None
    assert request.pod.whole() == wanted["object"]
    assert [one.name for one in request.pod.containers] == [one["name"] for one in wanted["object"]["spec"]["containers"]]


@pytest.mark.parametrize("name", ["update", "delete"])
def test_a_real_update_or_delete_is_nothing_to_decide(name: str) -> None:
    assert admission.decode((REVIEWS / f"{name}.json").read_bytes()).pod is None


@pytest.mark.parametrize(
    "request_",
    [
        {"operation": "UPDATE"},
        {"operation": "DELETE"},
        {"operation": "CONNECT"},
        {"operation": ""},
        {"subResource": "eviction"},
        {"subResource": "ephemeralcontainers"},
        {"object": None},
        {"resource": {"group": "apps", "version": "v1", "resource": "pods"}},
        {"resource": {"group": "", "version": "v1", "resource": "services"}},
        {"resource": {"group": "", "version": "v2", "resource": "pods"}},
        {"resource": {}},
    ],
)
def test_what_is_no_creation_of_a_pod_is_nothing_to_decide(request_: dict[str, Any]) -> None:
    assert admission.decode(review(**request_)).pod is None


def test_a_request_with_only_a_uid_is_nothing_to_decide() -> None:
    body = b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"x"}}'
    assert admission.decode(body) == admission.AdmissionRequest("x", "admission.k8s.io/v1", "", None)


def test_the_namespace_of_the_request_counts() -> None:
    assert admission.decode(review(object={"metadata": {"namespace": "other"}, "spec": {}})).namespace == "shop"


@pytest.mark.parametrize("version", admission.VERSIONS)
@pytest.mark.parametrize("uid", ["705ab4f5-6393-11e8-b7cc-42010a800002", "ä", "🦀", 'a/b\\"\n\u2028', " "])
def test_the_answer_speaks_the_version_that_asked_and_echoes_the_uid(version: str, uid: str) -> None:
    found = answer(Outcome(Verdict.SKIPPED, Reason.NO_MESH_MATCHED), version=version, uid=uid)
    assert (found["apiVersion"], found["kind"], found["response"]["uid"]) == (version, "AdmissionReview", uid)


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "the body is no AdmissionReview: "),
        (b"null", "the body is no AdmissionReview: "),
        (b"[]", "the body is no AdmissionReview: "),
        (b"{}", "the body is no AdmissionReview: "),
        (b"{", "the body is no AdmissionReview: "),
        (b"\xff\xfe", "the body is no AdmissionReview: 'utf-8' codec"),
        (review() + b"x", "the body is no AdmissionReview: "),
        (review().replace(b'"cart"', b'"\xc3\x28"'), "the body is no AdmissionReview: 'utf-8' codec"),
        (review().replace(b'"cart"', b'"\\ud800"'), "the body is no AdmissionReview: "),
        (review().replace(b'"cart"', b"NaN"), "the body is no AdmissionReview: "),
        (review(object="X").replace(b'"X"', b"[" * 100_000 + b"]" * 100_000), "the body is no AdmissionReview: nested too deeply"),
        (review(uid=5), "the body is no AdmissionReview: Expected `str`"),
        (review(uid=None), "the body is no AdmissionReview: Expected `str`"),
        (review(uid=""), "the request has no uid"),
        (review(namespace=5), "the body is no AdmissionReview: Expected `str`"),
        (review(resource="pods"), "the body is no AdmissionReview: Expected `object`"),
        (review(version="admission.k8s.io/v2"), "the body is 'admission.k8s.io/v2' 'AdmissionReview', not an AdmissionReview of"),
        (review().replace(b'"AdmissionReview"', b'"TokenReview"'), "the body is 'admission.k8s.io/v1' 'TokenReview', not an"),
        (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}', "the body is no AdmissionReview: Object missing required field"),
        (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":null}', "the body is no AdmissionReview: Expected"),
    ],
)
def test_what_is_no_review_is_told_with_status_400(body: bytes, what: str) -> None:
    with pytest.raises(ReviewError) as caught:
        admission.decode(body)
    assert caught.value.problem.what.startswith(what)
    assert (caught.value.status, caught.value.problem.code, "\n" in str(caught.value)) == (400, "MI501", False)


GOOD = (REVIEWS / "deployment.json").read_bytes()


@pytest.mark.parametrize("broken", [b'"\\ud800"', b'"\xff"', b"[" * 100_000])
def test_what_a_real_api_server_begins_and_nobody_can_read_is_refused_and_not_passed_over(broken: bytes) -> None:
    request = admission.decode(GOOD.replace(b'"metadata"', b'"metadata":{"managedFields":' + broken + b'},"metadata"', 1))
    assert request.fault is not None
    assert (request.fault.reason, request.pod) == (Reason.NOT_A_POD, None)
    assert request.uid == json.loads(GOOD)["request"]["uid"]


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 3), st.binary(max_size=6)), min_size=1, max_size=4))
def test_a_body_with_anything_in_it_is_decoded_or_a_review_error(changes: list[tuple[int, int, bytes]]) -> None:
    body = GOOD
    for place, length, put in changes:
        body = body[:place] + put + body[place + length :]
    with contextlib.suppress(ReviewError):
        request = admission.decode(body)
        if request.pod is not None:
            request.pod.whole()


# --- out ----------------------------------------------------------------------------------------------------------------------------

OPERATIONS = [{"op": "add", "path": "/spec/hostname", "value": "ä\n"}]


def test_an_injected_pod_is_allowed_with_patch_and_type() -> None:
    found = response(Verdict.INJECTED, Reason.INJECTED, operations=OPERATIONS)
    assert json.loads(base64.b64decode(found.pop("patch"), validate=True)) == OPERATIONS
    assert found == {
        "uid": "705ab4f5",
        "allowed": True,
        "patchType": "JSONPatch",
        "auditAnnotations": {"mesh": "mesh-system/shop", "outcome": "injected", "reason": "Injected", "template": "sha256:00"},
    }


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [(Verdict.SKIPPED, Reason.ALREADY_INJECTED), (Verdict.SKIPPED, Reason.NOTHING_TO_INJECT), (Verdict.AUDITED, Reason.AUDIT_MODE)],
)
def test_a_skipped_or_audited_pod_is_allowed_without_a_patch(verdict: Verdict, reason: Reason) -> None:
    operations = OPERATIONS if verdict is Verdict.AUDITED else ()
    assert response(verdict, reason, operations=operations) == {
        "uid": "705ab4f5",
        "allowed": True,
        "auditAnnotations": {"mesh": "mesh-system/shop", "outcome": verdict, "reason": reason, "template": "sha256:00"},
    }


MESSAGE = "mesh-injector: [MI403] mesh mesh-system/shop: the pod has a container `envoy`; at line 3; fix: rename one"


def test_a_refused_pod_gets_422_and_the_whole_text() -> None:
    found = response(Verdict.REFUSED, Reason.NAME_COLLISION, error=ERROR)
    assert found == {
        "uid": "705ab4f5",
        "allowed": False,
        "status": {"code": 422, "message": MESSAGE, "reason": "Invalid"},
        "auditAnnotations": {"mesh": "mesh-system/shop", "outcome": "refused", "reason": "NameCollision", "template": "sha256:00"},
    }


def test_an_ignored_error_is_allowed_with_a_warning_and_the_whole_text_for_the_audit() -> None:
    found = response(Verdict.IGNORED, Reason.NAME_COLLISION, error=ERROR, warnings=("another",))
    assert found == {
        "uid": "705ab4f5",
        "allowed": True,
        "warnings": ["[MI403] mesh mesh-system/shop: not injected: the pod has a container `envoy`", "another"],
        "auditAnnotations": {
            "mesh": "mesh-system/shop",
            "outcome": "ignored",
            "reason": "NameCollision",
            "template": "sha256:00",
            "message": MESSAGE,
        },
    }


def test_an_audited_error_is_allowed_without_a_warning() -> None:
    found = response(Verdict.AUDITED, Reason.NAME_COLLISION, error=ERROR)
    assert (found["allowed"], "warnings" in found, "patch" in found, "status" in found) == (True, False, False, False)
    assert (found["auditAnnotations"]["outcome"], found["auditAnnotations"]["message"]) == ("audited", MESSAGE)


def test_where_no_mesh_can_be_named_the_annotations_are_empty_and_the_warning_says_so() -> None:
    found = answer(Outcome(Verdict.IGNORED, Reason.SEVERAL_MESHES_MATCHED, error=InjectionError(Reason.SEVERAL_MESHES_MATCHED, "a tie")))
    assert found["response"]["warnings"] == ["[MI204] not injected: a tie"]
    assert found["response"]["auditAnnotations"] == {
        "mesh": "",
        "outcome": "ignored",
        "reason": "SeveralMeshesMatched",
        "template": "",
        "message": "mesh-injector: [MI204] a tie",
    }


def test_what_is_no_creation_of_a_pod_is_allowed_untouched() -> None:
    found = json.loads(admission.respond(admission.decode(review(operation="DELETE")), Outcome(Verdict.SKIPPED, Reason.NOT_A_POD)))[
        "response"
    ]
    assert found == {
        "uid": "705ab4f5",
        "allowed": True,
        "auditAnnotations": {"mesh": "", "outcome": "skipped", "reason": "NotAPod", "template": ""},
    }


@pytest.mark.parametrize("version", admission.VERSIONS)
def test_a_bug_of_ours_is_refused_with_500_and_a_reference(version: str) -> None:
    found = json.loads(admission.respond(admission.decode(review(version=version)), admission.refused(admission.bug("a1b2"))))
    message = "mesh-injector: [MI900] internal error, reference a1b2; fix: report it with the log line of that reference"
    assert found == {
        "apiVersion": version,
        "kind": "AdmissionReview",
        "response": {
            "uid": "705ab4f5",
            "allowed": False,
            "status": {"code": 500, "message": message, "reason": "InternalError"},
            "auditAnnotations": {"mesh": "", "outcome": "refused", "reason": "Internal", "template": ""},
        },
    }


# --- warnings -----------------------------------------------------------------------------------------------------------------------


def test_a_warning_has_at_most_120_characters() -> None:
    assert admission.bounded(["a" * 120, "b" * 121]) == ["a" * 120, "b" * 119 + "…"]


def test_a_warning_has_nothing_that_a_terminal_would_obey() -> None:
    assert admission.bounded(["a\x1b[31m\nb\u2028c\u202ed\x00e\ud800"]) == ["a·[31m·b·c·d·e·"]


def test_the_same_warning_is_told_once_and_the_order_is_kept() -> None:
    assert admission.bounded(["b", "a", "b"]) == ["b", "a"]


@pytest.mark.parametrize(("character", "count"), [("a", 34), ("ä", 17), ("🦀", 8)])
def test_all_warnings_have_at_most_4_kib(character: str, count: int) -> None:
    kept = admission.bounded(f"{index:03}{character * 117}" for index in range(100))
    assert len(kept) == count
    assert sum(len(text.encode()) for text in kept) <= 4096


def test_4_kib_of_warnings_may_be_filled_exactly() -> None:
    texts = [*(f"{index:03}{'a' * 117}" for index in range(34)), "b" * 16]
    assert admission.bounded(texts) == texts
    assert admission.bounded([*texts, "c"]) == texts


def test_warnings_of_an_injected_pod_are_sent() -> None:
    assert response(Verdict.INJECTED, Reason.INJECTED, operations=OPERATIONS, warnings=("kept\n",))["warnings"] == ["kept·"]


@pytest.mark.parametrize("version", ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"])
def test_a_body_that_breaks_later_is_recognized_by_how_api_servers_begin(version: str) -> None:
    body = f'{{"kind":"AdmissionReview","apiVersion":"{version}","request":{{"uid":"705ab4f5","broken'.encode()
    request = admission.recognized(body)
    assert request is not None
    assert (request.uid, request.api_version, request.namespace, request.pod) == ("705ab4f5", version, "", None)
    assert admission.recognized(body[1:]) is None


@pytest.mark.parametrize(("error", "said"), [(RecursionError("x"), "nested too deeply"), (ValueError("y" * 999), "y" * 200)])
def test_an_object_that_is_no_pod_is_told_in_a_bounded_sentence(error: Exception, said: str) -> None:
    fault = admission.no_pod(error)
    assert (fault.reason, fault.problem.what) == (Reason.NOT_A_POD, f"the object is not a pod: {said}")


def test_a_second_answer_with_the_same_outcome_differs_in_its_uid_only() -> None:
    outcome = Outcome(Verdict.SKIPPED, Reason.NO_MESH_MATCHED)
    first, second = answer(outcome, uid="a"), answer(outcome, uid="b")
    assert (first["response"].pop("uid"), second["response"].pop("uid")) == ("a", "b")
    assert first == second


def test_a_review_whose_object_is_no_pod_has_a_fault_and_no_pod() -> None:
    request = admission.decode(review(object={"metadata": "text"}))
    assert request.pod is None
    assert request.fault is not None
    assert request.fault.reason is Reason.NOT_A_POD
