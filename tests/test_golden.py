"""Every folder of golden/mesh is a case that goes through both doors, the webhook and the command line; golden/README.md tells how."""

import base64
import contextlib
import functools
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import jsonpatch
import pytest
import typer

from mesh_injector import directory, store, workloads
from mesh_injector.cli.app import app
from mesh_injector.engine import record
from mesh_injector.engine.pod import Pod
from mesh_injector.reasons import Reason
from mesh_injector.store import Snapshot
from mesh_injector.workloads import Workload

GOLDEN: Final = Path(__file__).resolve().parent / "golden" / "mesh"
GIVEN: Final = ("config.yaml", "pod.yaml")
COMMANDS: Final = typer.main.get_command(app)
UID: Final = "705ab4f5-6393-11e8-b7cc-42010a800002"
VERSIONS: Final = ("admission.k8s.io/v1", "admission.k8s.io/v1beta1")
SHOWN_ELSEWHERE: Final = {
    Reason.INTERNAL: "a bug of ours, which no case can hold",
    Reason.OVERLOADED: "a server with too much to do",
    Reason.NOT_READY: "a server that has not read its source yet",
    Reason.NAMESPACE_UNKNOWN: "a cluster that lacks the namespace of a review",
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
def ask(case: Path, webhook: Callable[[Snapshot, bytes], bytes]) -> Ask:
    """The webhook's door of a case."""
    snapshot = compile_config(case)

    def review(pod: dict[str, Any], version: str = VERSIONS[0], **fields: str) -> Any:
        namespace = find_workload().namespace or "default"
        resource = {"group": "", "version": "v1", "resource": "pods"}
        request = {"uid": UID, "resource": resource, "namespace": namespace, "operation": "CREATE", "object": pod, **fields}
        body = json.dumps({"apiVersion": version, "kind": "AdmissionReview", "request": request}).encode()
        answer = json.loads(webhook(snapshot, body))
        assert (answer["apiVersion"], answer["kind"], answer["response"]["uid"]) == (version, "AdmissionReview", UID)
        return answer["response"]

    return review


@functools.cache
def compile_config(folder: Path) -> Snapshot:
    """Compile the config of the working directory, which is the folder."""
    assert folder == Path.cwd()
    return store.load(directory.read(["config.yaml"]).documents)


class Ran(NamedTuple):
    """What a command did."""

    code: int
    stdout: str
    stderr: str


def run(command: str, *arguments: str) -> Ran:
    """The command line's door of a case."""
    return run_in(Path.cwd(), command, "-f", "pod.yaml", "--source", "config.yaml", "--color=never", "-q", *arguments)


@functools.cache
def run_in(_folder: Path, *arguments: str) -> Ran:
    """Run once what several tests ask for."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = COMMANDS(arguments, standalone_mode=False)
    return Ran(code or 0, out.getvalue(), err.getvalue())


def load(file: str) -> dict[str, Any]:
    (document,) = directory.read([file]).documents
    return document.body


def find_workload() -> Workload:
    """Find the pod of a case, alone or inside a workload."""
    found = workloads.find(load("pod.yaml"))
    assert found is not None, "pod.yaml holds no pod and no workload"
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
    """Take out what the record lists, and what only looks like a record; members that are null count as absent."""
    stripped = record.strip(Pod.from_document(pod))
    rest = without_nulls(stripped[0] if stripped else pod)
    rest.get("metadata", {}).get("annotations", {}).pop(record.ANNOTATION, None)
    return rest


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
    if problems := run("explain", "-o", "json").stderr:  # the text tells those of a story in it
        files["problems.txt"] = problems
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
    inject, reason = run("inject", "-o", "jsonpatch"), response["auditAnnotations"]["reason"]
    assert inject.code == (0 if response["allowed"] else 1)
    assert run("explain").code == (0 if reason in (Reason.INJECTED, Reason.REINJECTED, Reason.ALREADY_INJECTED) else 1)
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


def test_the_command_uninjects_what_the_case_injects(case: Path) -> None:
    given = load("pod.yaml")
    file = "injected.yaml" if (case / "injected.yaml").exists() else "pod.yaml"
    carried = record.ANNOTATION in json.dumps(given)  # what a case carries from before goes too
    code, out, _ = run_in(case, "uninject", "-f", file, "-o", "json", "-q")
    assert carried or (code, without_nulls(json.loads(out))) == (0, without_nulls(given))


def test_what_is_no_creation_of_a_pod_is_left_alone(ask: Ask) -> None:
    pod = find_workload().pod
    for fields in ({"operation": "UPDATE"}, {"operation": "DELETE"}, {"subResource": "eviction"}):
        response = ask(pod, **fields)
        assert (response["allowed"], decode(response), response["auditAnnotations"]["reason"]) == (True, [], Reason.NOT_A_POD)


def test_the_namespace_of_the_request_is_right_where_the_pod_says_another(ask: Ask) -> None:
    pod = find_workload().pod
    misplaced = {**pod, "metadata": {**(pod.get("metadata") or {}), "namespace": "elsewhere"}}
    assert ask(misplaced)["auditAnnotations"] == ask(pod)["auditAnnotations"]


@pytest.mark.parametrize("name", ["a-deployment-is-injected-in-its-template", "a-macro-is-refused-with-the-alternative"])
def test_the_program_prints_the_explanation(name: str) -> None:
    command = [sys.executable, "-m", "mesh_injector", "explain", "-f", "pod.yaml", "--source", "config.yaml", "--color=never"]
    printed = subprocess.run(command, cwd=GOLDEN / name, capture_output=True, text=True, encoding="utf-8", check=False).stdout
    assert printed.rstrip("\n") == (GOLDEN / name / "explain.txt").read_text(encoding="utf-8").rstrip("\n")


def test_every_reason_is_shown_by_a_case() -> None:
    shown = " ".join(file.read_text(encoding="utf-8") for name in ("explain.txt", "response.json") for file in GOLDEN.glob(f"*/{name}"))
    words = set(re.findall(r"\w+", shown))
    assert {reason for reason in Reason if reason not in words} == set(SHOWN_ELSEWHERE)
