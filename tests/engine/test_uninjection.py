"""The way back of one pod: its verdict, and operations that any RFC 6902 implementation can apply."""

import json
from typing import Any

import jsonpatch
import pytest

from mesh_injector.engine import record, uninjection
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.uninjection import Uninjection, Verdict

Json = dict[str, Any]


def carrying(text: str) -> Json:
    return {
        "metadata": {"annotations": {record.ANNOTATION: text}},
        "spec": {"containers": [{"name": "app", "image": "a"}, {"name": "envoy", "image": "e"}]},
    }


def uninject(body: Json) -> Uninjection:
    return uninjection.uninject(Pod.from_document(body))


def text(**parts: Any) -> str:
    return json.dumps({"version": 1, "mesh": "mesh-system/shop", "template": "sha256:00", **parts})


def test_what_the_record_lists_is_taken_out() -> None:
    body = carrying(text(added=["containers[envoy]"], created=["annotations"]))
    result = uninject(body)
    assert (result.verdict, result.mesh, result.allowed, result.message) == (Verdict.UNINJECTED, "mesh-system/shop", True, "")
    assert jsonpatch.apply_patch(body, list(result.patch)) == {"metadata": {}, "spec": {"containers": [{"name": "app", "image": "a"}]}}


@pytest.mark.parametrize("metadata", [{}, {"annotations": None}, {"annotations": {"other": "x"}}])
def test_a_pod_without_a_record_is_untouched(metadata: Json) -> None:
    result = uninject({"metadata": metadata, "spec": {"containers": [{"name": "app"}]}})
    assert (result.verdict, result.why, result.patch, result.allowed) == (Verdict.UNTOUCHED, "it carries no record", (), True)


def test_what_is_no_record_is_refused_with_why_and_where() -> None:
    result = uninject(carrying(text(added=["containers"])))
    assert (result.verdict, result.patch, result.allowed) == (Verdict.REFUSED, (), False)
    assert "the annotation lists `containers` as added, which mesh-injector never writes" in result.message
    assert "metadata.annotations[mesh-injector.io/status]" in result.message


def test_a_record_of_a_newer_release_is_refused_because_the_way_back_would_not_be_exact() -> None:
    result = uninject(carrying(text(version=3, added=["containers[envoy]"])))
    assert (result.verdict, result.patch) == (Verdict.REFUSED, ())
    assert "of version 3, and this program knows versions up to 2" in result.why
