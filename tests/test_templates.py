"""Every folder of templates/ does what its page says: it lints clean, asks for no rights, and a value never breaks what it configures."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import jsonpatch
import pytest
import yaml

from mesh_injector import directory, store, workloads
from mesh_injector.documents import Document
from mesh_injector.engine import pipeline
from mesh_injector.engine.outcome import Outcome, Verdict
from mesh_injector.engine.pod import Pod
from mesh_injector.reasons import Reason

ROOT: Final = Path(__file__).resolve().parents[1]
TEMPLATES: Final = {folder.name: folder for folder in sorted((ROOT / "templates").iterdir())}
CONFIGURED: Final = [name for name in TEMPLATES if name != "app-mesh"]
"""Those that bring a configuration as a file; App Mesh's proxy takes its own from environment variables."""
HOSTILE: Final = '"}]\n  evil: ["\\ {{ x }} ${HOME} $(HOME) \' # é'


@pytest.fixture(params=TEMPLATES)
def template(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def read(name: str, file: str) -> list[Document]:
    return list(directory.read([str(TEMPLATES[name] / file)]).documents)


def app(name: str) -> dict[str, Any]:
    """The pod of a template's example application."""
    (document,) = read(name, "app.yaml")
    found = workloads.find(document.body)
    assert found is not None
    return copy.deepcopy(found.pod)


def decide(name: str, pod: dict[str, Any], home: str = "mesh-system", **values: Any) -> Outcome:
    """Decide about a pod of the namespace shop by a template with some values of its Mesh changed."""
    documents = read(name, "mesh.yaml")
    for document in documents:
        if document.body["kind"] == "Mesh":
            document.body["spec"]["values"] |= values
        document.body["metadata"]["namespace"] = "mesh-system" if home == "mesh-system" else "shop"
    snapshot = store.load(documents)
    return pipeline.inject(Pod.from_document(pod), snapshot.namespace("shop"), snapshot.rules)


def injected(name: str, pod: dict[str, Any] | None = None, **values: Any) -> dict[str, Any]:
    """The pod with what a template brings."""
    pod = pod or app(name)
    outcome = decide(name, pod, **values)
    assert outcome.verdict is Verdict.INJECTED, outcome.message
    return dict(jsonpatch.apply_patch(pod, outcome.operations))


def configuration(name: str, pod: dict[str, Any]) -> str:
    """The file that a template's program reads."""
    return str(pod["metadata"]["annotations"][f"config.mesh-injector.io/{name}"])


def sidecars(name: str) -> list[dict[str, Any]]:
    return list(injected(name)["spec"]["initContainers"])


def test_a_template_lints_clean(template: str) -> None:
    command = [sys.executable, "-m", "mesh_injector", "lint", "-f", str(TEMPLATES[template]), "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, json.loads(done.stdout)) == (0, {"items": []})


def test_a_template_passes_its_own_tests(template: str) -> None:
    command = [sys.executable, "-m", "mesh_injector", "test", str(TEMPLATES[template]), "-o", "json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('"name"') >= 3


def test_a_template_has_a_page_and_a_golden_case(template: str) -> None:
    page = (ROOT / "docs" / "templates" / f"{template}.md").read_text(encoding="utf-8")
    assert f"templates/{template}/mesh.yaml" in page
    cases = (ROOT / "tests" / "golden" / "mesh").glob("*/config.yaml")
    assert [case for case in cases if case.resolve() == TEMPLATES[template] / "mesh.yaml"] != []


def test_the_page_explains_every_value(template: str) -> None:
    page = (ROOT / "docs" / "templates" / f"{template}.md").read_text(encoding="utf-8")
    spec = next(document.body["spec"] for document in read(template, "mesh.yaml") if document.body["kind"] == "Mesh")
    assert [value for value in spec["values"] if f"`{value}`" not in page] == []


def test_an_image_is_pinned_by_a_version(template: str) -> None:
    images = [container["image"] for container in sidecars(template)]
    assert [image for image in images if not re.search(r":[\w-]*v?\d+(\.\d+)*[\w.-]*$", image)] == []


def test_what_runs_beside_the_pod_is_a_native_sidecar_that_the_pod_waits_for(template: str) -> None:
    *before, sidecar = sidecars(template)
    assert sidecar["restartPolicy"] == "Always"
    assert sidecar["startupProbe"]["failureThreshold"] * sidecar["startupProbe"]["periodSeconds"] >= 60
    assert all("restartPolicy" not in container for container in before)
    assert len(injected(template)["spec"]["containers"]) == len(app(template)["spec"]["containers"])


def test_what_is_brought_says_what_it_uses_and_gives_up_what_it_can(template: str) -> None:
    for container in sidecars(template):
        assert set(container["resources"]) == {"requests", "limits"}
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"]["drop"] == ["ALL"]
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert context["runAsUser"] > 0 or container["name"] == "proxyinit"


def test_a_tenant_may_use_all_but_the_one_that_needs_net_admin(template: str) -> None:
    reason = Reason.FIELD_NOT_ALLOWED if template == "app-mesh" else Reason.INJECTED
    assert decide(template, app(template), home="shop").reason is reason


def test_every_container_of_the_pod_gets_what_one_gets(template: str) -> None:
    pod = app(template)
    pod["spec"]["containers"].append({"name": "second", "image": "a:1", "ports": [{"containerPort": 9999}]})
    first, second = injected(template, pod)["spec"]["containers"]
    assert (first.get("env"), first.get("volumeMounts")) == (second.get("env"), second.get("volumeMounts"))


def test_a_hostile_value_stays_a_text_of_the_configuration() -> None:
    envoy = yaml.safe_load(configuration("envoy", injected("envoy", xdsHost=HOSTILE)))
    endpoint = envoy["static_resources"]["clusters"][-1]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    assert endpoint["address"]["socket_address"]["address"] == HOSTILE
    collector = yaml.safe_load(configuration("otel-collector", injected("otel-collector", endpoint=HOSTILE, attributes={HOSTILE: HOSTILE})))
    assert collector["exporters"] == {"otlp_grpc": {"endpoint": HOSTILE, "tls": {"insecure": False}}}
    assert collector["processors"]["resource"]["attributes"][-1] == {"key": HOSTILE, "value": HOSTILE, "action": "upsert"}
    shipper = yaml.safe_load(configuration("log-shipper", injected("log-shipper", output={"name": HOSTILE, HOSTILE: 1}, files=HOSTILE)))
    assert shipper["pipeline"]["outputs"] == [{"name": HOSTILE, HOSTILE: 1}]
    assert shipper["pipeline"]["inputs"][0]["path"] == f"/var/log/app/{HOSTILE}"


def test_a_pod_cannot_write_into_vaults_configuration_by_its_annotations() -> None:
    pod = app("vault-agent")
    pod["metadata"]["annotations"] |= {"values.mesh-injector.io/role": HOSTILE, "values.mesh-injector.io/secret": HOSTILE}
    made = injected("vault-agent", pod)
    plain = json.loads(configuration("vault-agent", injected("vault-agent")))
    config = json.loads(configuration("vault-agent", made))
    assert config["auto_auth"]["method"]["config"].pop("role") == HOSTILE
    del plain["auto_auth"]["method"]["config"]["role"]
    assert config == plain
    assert {"name": "SECRET", "value": HOSTILE} in made["spec"]["initContainers"][0]["env"]


def test_a_pod_that_names_no_secret_gets_that_of_its_service_account() -> None:
    pod = app("vault-agent")
    del pod["metadata"]["annotations"]
    pod["spec"]["serviceAccountName"] = "payments"
    made = injected("vault-agent", pod)
    assert json.loads(configuration("vault-agent", made))["auto_auth"]["method"]["config"]["role"] == "payments"
    assert {"name": "SECRET", "value": "secret/data/shop/payments"} in made["spec"]["initContainers"][0]["env"]


def test_a_pod_may_bring_its_own_configuration() -> None:
    for name in CONFIGURED:
        pod = app(name)
        own = {f"config.mesh-injector.io/{name}": "own"}
        pod["metadata"]["annotations"] = {**pod["metadata"].get("annotations", {}), **own}
        assert configuration(name, injected(name, pod)) == "own"


def test_the_configuration_is_mounted_where_the_program_looks() -> None:
    for name in CONFIGURED:
        made = injected(name)
        sidecar = made["spec"]["initContainers"][-1]
        (volume,) = [volume for volume in made["spec"]["volumes"] if "downwardAPI" in volume]
        (item,) = volume["downwardAPI"]["items"]
        (folder,) = [mount["mountPath"] for mount in sidecar["volumeMounts"] if mount["name"] == volume["name"]]
        assert item["fieldRef"]["fieldPath"] == f"metadata.annotations['config.mesh-injector.io/{name}']"
        words = " ".join([*sidecar.get("command", []), *sidecar.get("args", [])])
        assert f"{folder}/{item['path']}" in words


def test_a_job_without_ports_gets_an_envoy_for_what_it_asks_of_others() -> None:
    pod = app("envoy")
    del pod["spec"]["containers"][0]["ports"]
    made = injected("envoy", pod)
    assert [port["name"] for port in made["spec"]["initContainers"][0]["ports"]] == ["envoy-health"]
    names = [listener["name"] for listener in yaml.safe_load(configuration("envoy", made))["static_resources"]["listeners"]]
    assert names == ["health", "outbound"]


def test_an_envoy_without_outbound_leaves_the_pods_containers_alone() -> None:
    pod = app("envoy")
    pod["metadata"]["annotations"] = {"values.mesh-injector.io/outbound": "false"}
    assert injected("envoy", pod)["spec"]["containers"] == pod["spec"]["containers"]
