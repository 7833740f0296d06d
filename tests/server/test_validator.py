"""`POST /validate` over real HTTPS: changes are tried on what is served, whatever cannot be tried is let pass, and reviews go on."""

import asyncio
import copy
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import yaml

from mesh_injector import documents, store
from mesh_injector.documents import Document, Origin
from mesh_injector.errors import ClusterError, Problem
from mesh_injector.formats.mesh import proposal
from mesh_injector.server import Options
from mesh_injector.server.exchange import BODY_BYTES
from mesh_injector.server.options import Limits
from mesh_injector.server.validator import WAITING_OF_ONE, Find, ValidationEndpoint
from mesh_injector.store import Store
from tests.server.conftest import MESH, Client

JSON = {"Content-Type": "application/json"}
Sample = Callable[[str], dict[str, Any]]
Eventually = Callable[..., object]
MESH_DOCUMENT, CONFIG_MAP = yaml.safe_load_all(MESH)
FIRST = {**MESH_DOCUMENT, "metadata": {"name": "first", "namespace": "shop"}}
BROKEN = "containers: [{name: envoy, imagee: envoy:v1}]"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "mesh.yaml"
    path.write_text(MESH, encoding="utf-8")
    return path


@pytest.fixture
def patient(serve: Callable[[Options], AbstractContextManager[Client]], source: Path) -> Iterator[Client]:
    """A server that waits for news before it refuses, and its client."""
    with serve(options(source, 60)) as client:
        yield client


@pytest.fixture
def client(serve: Callable[[Options], AbstractContextManager[Client]], source: Path) -> Iterator[Client]:
    with serve(options(source, 0)) as client:
        yield client


def options(source: Path, confirm_seconds: float) -> Options:
    return Options((str(source),), host="127.0.0.1", port=0, health_port=0, limits=Limits(confirm_seconds=confirm_seconds))


def review(new: Any, old: Any = None) -> bytes:
    one = new or old
    group = "mesh-injector.io" if one["kind"] == "Mesh" else ""
    resource = {"group": group, "resource": "meshes" if group else "configmaps"}
    namespace = one["metadata"]["namespace"]
    request = {"uid": "u", "resource": resource, "namespace": namespace, "operation": "UPDATE", "object": new, "oldObject": old}
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}).encode()


def validate(client: Client, new: Any, old: Any = None, query: str = "timeout=5s") -> dict[str, Any]:
    return client.request("POST", f"/validate?{query}", review(new, old), JSON).response


def with_template(text: str) -> Any:
    return {**CONFIG_MAP, "data": {"patch.yaml.j2": text}}


def test_a_template_that_could_not_work_is_refused_with_the_mesh_that_uses_it(client: Client) -> None:
    told = validate(client, with_template(BROKEN), CONFIG_MAP)
    assert (told["allowed"], told["status"]["code"]) == (False, 422)
    where = "ConfigMap mesh-system/envoy, key patch.yaml.j2, line 1, column 28"
    assert told["status"]["message"].startswith("mesh-injector: [MI401] ")
    assert where in told["status"]["message"]
    assert "did you mean `image`?" in told["status"]["message"]


def test_a_template_that_works_is_let_pass(client: Client) -> None:
    assert validate(client, with_template("containers: [{name: envoy, image: envoy:v2}]"), CONFIG_MAP) == {"uid": "u", "allowed": True}


def test_a_mesh_is_tried_with_the_config_map_that_is_served(client: Client) -> None:
    told = validate(client, {**MESH_DOCUMENT, "spec": {**MESH_DOCUMENT["spec"], "unknown": 1}}, MESH_DOCUMENT)
    assert "`spec.unknown`" in told["status"]["message"]
    missing = copy.deepcopy(MESH_DOCUMENT)
    missing["spec"]["sidecarPatchConfigMap"]["name"] = "later"
    told = validate(client, missing)
    assert (told["allowed"], told["warnings"][0][:7]) == (True, "[MI205]")


def test_deleting_a_config_map_in_use_warns(client: Client) -> None:
    told = validate(client, None, CONFIG_MAP)
    assert (told["allowed"], told["warnings"]) == (True, ["[MI205] nothing can be injected any more by mesh mesh-system/payments"])


def test_a_refusal_waits_for_what_was_applied_a_moment_before(
    serve: Callable[[Options], AbstractContextManager[Client]], source: Path, eventually: Eventually
) -> None:
    with serve(options(source, 3)) as client, ThreadPoolExecutor(1) as thread:
        answer = thread.submit(validate, client, with_template("containers: [{name: envoy, image: {{ values.image }}}]"), CONFIG_MAP)
        source.write_text(MESH.replace("region: eu-west-1", "region: eu-west-1\n  values: {image: 'envoy:v1'}"), encoding="utf-8")
        assert answer.result(10)["allowed"] is True


def test_a_trial_that_is_not_over_in_time_is_let_pass_with_a_warning(patient: Client) -> None:
    told = validate(patient, with_template(BROKEN), CONFIG_MAP, query="timeout=600ms")
    assert told["allowed"] is True
    assert told["warnings"] == ["[MI503] not validated, see the status of the Mesh: more changes came than can be tried in time"]


def test_one_namespace_takes_no_more_than_its_places() -> None:
    asyncio.run(one_namespace_too_many())


async def one_namespace_too_many() -> None:
    busy = endpoint(confirm_seconds=60)
    early = [asyncio.create_task(ask(busy, with_template(BROKEN))) for _ in range(WAITING_OF_ONE)]
    late = asyncio.create_task(ask(busy, with_template(BROKEN)))
    first, _ = await asyncio.wait([*early, late], return_when=asyncio.FIRST_COMPLETED)
    assert first == {late}
    assert (await late)["warnings"][0].startswith("[MI503]")
    elsewhere = {**CONFIG_MAP, "metadata": {**CONFIG_MAP["metadata"], "namespace": "shop"}}
    assert await ask(busy, elsewhere) == {"uid": "u", "allowed": True}
    assert [(await one)["allowed"] for one in early] == [True] * WAITING_OF_ONE
    assert await ask(busy, CONFIG_MAP) == {"uid": "u", "allowed": True}


@pytest.mark.parametrize(("template", "allowed"), [(BROKEN, False), ("containers: [{name: envoy, image: envoy:v1}]", True)])
def test_a_mesh_is_tried_with_a_config_map_that_only_the_api_server_knows(template: str, allowed: bool) -> None:
    async def find(namespace: str, name: str) -> Document:
        assert (namespace, name) == ("shop", "envoy")
        return Document({**with_template(template), "metadata": {**CONFIG_MAP["metadata"], "namespace": "shop"}}, Origin("ConfigMap"))

    answer = asyncio.run(ask(endpoint(find), FIRST))
    assert (answer["allowed"], answer.get("warnings")) == (allowed, None)


@pytest.mark.parametrize("error", [ClusterError(Problem("MI801", "away")), ValueError("no name")])
def test_a_config_map_that_cannot_be_looked_for_is_one_that_is_not_there(error: Exception) -> None:
    async def find(namespace: str, name: str) -> Document:
        raise error

    answer = asyncio.run(ask(endpoint(find), FIRST))
    assert (answer["allowed"], [warning[:7] for warning in answer["warnings"]]) == (True, ["[MI205]"])


def endpoint(find: Find | None = None, confirm_seconds: float = 0) -> ValidationEndpoint:
    snapshot = store.load(documents.parse(MESH, "mesh.yaml").documents)
    return ValidationEndpoint(Store(snapshot), Limits(confirm_seconds=confirm_seconds), find)


async def ask(endpoint: ValidationEndpoint, new: Any) -> Any:
    """Ask an endpoint of this event loop, with a second's patience."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": review(new)}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json")]
    await endpoint(
        {"type": "http", "method": "POST", "path": "/validate", "query_string": b"timeout=1s", "headers": headers}, receive, send
    )
    return json.loads(sent[1]["body"])["response"]


def test_pods_are_reviewed_while_a_change_is_tried(client: Client, sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, goes_on = threading.Event(), threading.Event()
    judge = proposal.judge

    def slow(*arguments: Any) -> Any:
        begun.set()
        goes_on.wait(10)
        return judge(*arguments)

    monkeypatch.setattr(proposal, "judge", slow)
    other = Client(client.addresses)
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(validate, other, with_template(BROKEN), CONFIG_MAP)
        begun.wait(10)
        assert client.review(sample("deployment"))["allowed"] is True
        goes_on.set()
        assert answer.result(10)["allowed"] is False
    other.connection.close()


def test_a_bug_of_ours_holds_nobody_up_and_has_a_reference(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(proposal, "judge", fail)
    told = validate(client, CONFIG_MAP)
    assert told["allowed"] is True
    assert told["warnings"][0].startswith("[MI900] not validated, see the status of the Mesh: internal error, reference ")


@pytest.mark.parametrize(
    ("status", "method", "headers", "body"),
    [
        (405, "GET", {}, b""),
        (415, "POST", {}, b"{}"),
        (415, "POST", {**JSON, "Content-Encoding": "gzip"}, b"{}"),
        (413, "POST", JSON, b" " * (BODY_BYTES + 1)),
        (400, "POST", JSON, b"{}"),
        (400, "POST", JSON, b"[" * 100_000),
    ],
)
def test_what_is_no_review_has_its_status_and_one_line(
    client: Client, status: int, method: str, headers: dict[str, str], body: bytes
) -> None:
    answer = client.request(method, "/validate", body, headers)
    assert (answer.status, answer.body.count(b"\n")) == (status, 1)
    assert answer.body.startswith(b"[MI501] ")


def test_paths_below_it_are_not_there(client: Client) -> None:
    assert client.request("POST", "/validate/", b"{}", JSON).status == 404
