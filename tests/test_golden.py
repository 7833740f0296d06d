"""Every folder of golden/mesh is a case that goes through both doors, the webhook and the command line; golden/README.md tells how."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import jsonpatch
import pytest
from typer.testing import CliRunner, Result

from mesh_injector import directory, workloads
from mesh_injector.cli.app import app
from mesh_injector.engine import record
from mesh_injector.reasons import Reason
from mesh_injector.workloads import Workload

GOLDEN: Final = Path(__file__).parent / "golden" / "mesh"
GIVEN: Final = ("config.yaml", "pod.yaml")
UID: Final = "705ab4f5-6393-11e8-b7cc-42010a800002"
VERSIONS: Final = ("admission.k8s.io/v1", "admission.k8s.io/v1beta1")
SHOWN_ELSEWHERE: Final = {
    Reason.NOT_A_POD: "the request says it and not the pod, see below",
    Reason.INTERNAL: "a bug of ours, which no case can hold",
}
"""The reasons that no case shows, and why."""

Ask = Callable[..., Any]
"""A review through the webhook: a pod, and fields of the request that differ from those of a creation; the answer's `response`."""


@pytest.fixture(params=sorted(GOLDEN.iterdir()), ids=lambda folder: folder.name)
def case(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One case; its folder is the working directory, so that messages name `config.yaml:17:9` and no path of a machine."""
    monkeypatch.chdir(request.param)
    return Path(request.param)


@pytest.fixture
def ask(case: Path, webhook: Any) -> Ask:
    """The webhook's door of a case."""
    webhook.load(directory.read(["config.yaml"]).documents)

    def review(pod: dict[str, Any], version: str = VERSIONS[0], **fields: str) -> Any:
        namespace = find_workload().namespace or "default"
        resource = {"group": "", "version": "v1", "resource": "pods"}
        request = {"uid": UID, "resource": resource, "namespace": namespace, "operation": "CREATE", "object": pod, **fields}
        answer = json.loads(webhook.post(json.dumps({"apiVersion": version, "kind": "AdmissionReview", "request": request}).encode()))
        assert (answer["apiVersion"], answer["kind"], answer["response"]["uid"]) == (version, "AdmissionReview", UID)
        return answer["response"]

    return review


def run(command: str, *arguments: str) -> Result:
    """The command line's door of a case."""
    result = CliRunner().invoke(app, [command, "-f", "pod.yaml", "--source", "config.yaml", "--color=never", "-q", *arguments])
    assert isinstance(result.exception, SystemExit | None), result.exception
    return result


def load(file: str) -> dict[str, Any]:
    (document,) = directory.read([file]).documents
    return document.body


def find_workload(file: str = "pod.yaml") -> Workload:
    """Find the pod of a case, alone or inside a workload."""
    found = workloads.find(load(file))
    assert found is not None, f"{file} holds no pod and no workload"
    return found


def decode(response: dict[str, Any]) -> list[dict[str, Any]]:
    """Decode the patch of a response; empty where there is none."""
    assert ("patch" in response) == (response.get("patchType") == "JSONPatch")
    return list(json.loads(base64.b64decode(response.get("patch", "W10="))))


def of_pod(patch: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Make a document's patch one for the pod in it."""
    prefix = "".join(f"/{part}" for part in find_workload().path)
    assert all(operation["path"].startswith(prefix) for operation in patch)
    return [{**operation, "path": operation["path"].removeprefix(prefix)} for operation in patch]


def without_record(pod: dict[str, Any]) -> Any:
    """Take out what the record lists; members that are null count as absent."""
    stripped = record.strip(pod)
    return without_nulls(stripped[0] if stripped else pod)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def produce(ask: Ask) -> dict[str, str]:
    """What the files of a case must hold, apart from those that are given."""
    patch, explained, response = run("inject", "-o", "jsonpatch").stdout, run("explain"), ask(find_workload().pod)
    files = {"patch.json": patch, "explain.txt": explained.stdout.rstrip("\n") + "\n"}
    if "patch" in response:
        files["injected.yaml"] = run("inject", "-o", "yaml").stdout
        response["patch"] = "see patch.json"
    if explained.stderr:
        files["problems.txt"] = explained.stderr
    return {**files, "response.json": text(response)}


def write(files: dict[str, str]) -> None:
    for name in ("injected.yaml", "problems.txt"):
        if name not in files:
            Path(name).unlink(missing_ok=True)
    for name, content in files.items():
        Path(name).write_text(content, encoding="utf-8")


def test_a_case_is_answered_as_its_files_say(case: Path, ask: Ask, update_golden: bool) -> None:
    produced = produce(ask)
    if update_golden:
        write(produced)
    found = {file.name: file.read_text(encoding="utf-8") for file in case.iterdir() if file.name not in GIVEN}
    assert found == produced
    assert all((case / name).is_file() for name in GIVEN)


def test_both_doors_give_the_same_patch(ask: Ask) -> None:
    patch = json.loads(run("inject", "-o", "jsonpatch").stdout)
    assert of_pod(patch) == decode(ask(find_workload().pod))


def test_both_versions_of_the_review_get_the_same_answer(ask: Ask) -> None:
    pod = find_workload().pod
    assert ask(pod, VERSIONS[0]) == ask(pod, VERSIONS[1])


def test_the_patch_makes_the_injected_document(case: Path) -> None:
    injected = "injected.yaml" if (case / "injected.yaml").exists() else "pod.yaml"
    patch = json.loads((case / "patch.json").read_text(encoding="utf-8"))
    assert jsonpatch.apply_patch(load("pod.yaml"), patch) == load(injected)
    assert json.loads(run("inject", "-o", "json").stdout) == load(injected)


def test_the_exit_code_tells_what_the_webhook_tells(ask: Ask) -> None:
    response = ask(find_workload().pod)
    inject, reason = run("inject"), response["auditAnnotations"]["reason"]
    assert inject.exit_code == (0 if response["allowed"] else 1)
    assert run("explain").exit_code == (0 if reason in (Reason.INJECTED, Reason.REINJECTED, Reason.ALREADY_INJECTED) else 1)
    assert response["allowed"] or response["status"]["message"] in inject.stderr


def test_injecting_again_changes_nothing(ask: Ask) -> None:
    pod = find_workload().pod
    first = ask(pod)
    second = ask(jsonpatch.apply_patch(pod, decode(first)))
    assert decode(second) == []
    if "patch" in first:
        assert second["auditAnnotations"]["reason"] == Reason.ALREADY_INJECTED


def test_uninjecting_gives_back_what_was_there(ask: Ask) -> None:
    pod = find_workload().pod
    injected = jsonpatch.apply_patch(pod, decode(ask(pod)))
    assert without_record(injected) == without_record(pod)


def test_every_reason_is_shown_by_a_case() -> None:
    shown = " ".join(file.read_text(encoding="utf-8") for name in ("explain.txt", "response.json") for file in GOLDEN.glob(f"*/{name}"))
    words = set(re.findall(r"\w+", shown))
    assert {reason for reason in Reason if reason not in words} == set(SHOWN_ELSEWHERE)
