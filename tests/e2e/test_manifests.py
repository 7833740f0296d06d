"""One installation in three forms: kustomize, Helm and `mesh-injector manifests` give the same objects, whatever is asked for."""

import json
import subprocess
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from mesh_injector import __version__
from mesh_injector.cli import app
from tests.e2e.controlplane import build

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "mesh-injector"
VARIANTS = {
    "cert-manager": ("certManager.enabled=true",),
    "prometheus": ("serviceMonitor.enabled=true", "prometheusRule.enabled=true"),
    "grafana": ("dashboard.enabled=true",),
}
CHOICES = [chosen for count in range(len(VARIANTS) + 1) for chosen in combinations(VARIANTS, count)]
HELMS_OWN = ("app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart")
Objects = dict[tuple[str, str, str], Any]


def run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(text: str) -> Objects:
    """The objects of a text by kind, namespace and name, without what Helm adds to each."""
    found: Objects = {}
    for one in filter(None, yaml.safe_load_all(text)):
        metadata = one["metadata"]
        metadata["labels"] = {name: value for name, value in metadata["labels"].items() if name not in HELMS_OWN}
        key = (one["kind"], metadata.get("namespace", ""), metadata["name"])
        assert key not in found, key
        found[key] = one
    return found


def by_kustomize(folder: Path, variants: Sequence[str]) -> Objects:
    config = Path("../" * len(folder.parts[1:])) / (ROOT / "config").relative_to("/")
    said = {"resources": [f"{config / 'default'}"], "components": [f"{config / variant}" for variant in variants]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(said), encoding="utf-8")
    return objects(run(build.assets() / "kubectl", "kustomize", folder))


def template(*settings: str, namespace: str = "mesh-system") -> str:
    flags = [flag for setting in settings for flag in ("--set-json" if setting.endswith(("]", "}", '"')) else "--set", setting)]
    head = ("template", "mesh-injector", CHART, "-n", namespace, "--kube-version", "v1.37.0", "--no-hooks")
    return run(build.assets() / "helm", *head, *flags)


def by_helm(variants: Sequence[str], namespace: str = "mesh-system") -> Objects:
    """What the chart gives. It keeps the CRD, and leaves the namespace to `helm install --create-namespace`."""
    found = objects(template(*(setting for variant in variants for setting in VARIANTS[variant]), namespace=namespace))
    crd = found["CustomResourceDefinition", "", "meshes.mesh-injector.io"]
    assert crd["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    return found


def by_command(*flags: str) -> Objects:
    result = CliRunner().invoke(app.app, ["manifests", *flags])
    assert result.exit_code == 0, result.stderr
    return objects(result.stdout)


def without_namespace(found: Objects) -> Objects:
    return {key: one for key, one in found.items() if key[0] != "Namespace"}


@pytest.mark.parametrize("variants", CHOICES, ids="+".join)
def test_the_three_forms_give_the_same_objects(tmp_path: Path, variants: tuple[str, ...]) -> None:
    expected = by_kustomize(tmp_path, variants)
    assert by_command(*(f"--variant={variant}" for variant in variants)) == expected
    assert by_helm(variants) == without_namespace(expected)


def test_they_are_the_same_in_another_namespace() -> None:
    found = by_command("--namespace=elsewhere", *(f"--variant={variant}" for variant in VARIANTS))
    assert by_helm(tuple(VARIANTS), "elsewhere") == without_namespace(found)
    assert "mesh-system" not in json.dumps([one for one in found.values() if one["kind"] != "CustomResourceDefinition"])
    assert found["Certificate", "elsewhere", "mesh-injector"]["spec"]["dnsNames"] == ["mesh-injector.elsewhere.svc"]


def test_a_variant_named_twice_counts_once() -> None:
    assert by_command("--variant=grafana", "--variant=grafana") == by_command("--variant=grafana")


def test_image_and_replicas_stand_in_the_deployment() -> None:
    spec = by_command("--image=a.example/b:2", "--replicas=5")["Deployment", "mesh-system", "mesh-injector"]["spec"]
    assert (spec["replicas"], spec["template"]["spec"]["containers"][0]["image"]) == (5, "a.example/b:2")


def test_by_default_all_name_the_image_of_this_release() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    spec = by_command()["Deployment", "mesh-system", "mesh-injector"]["spec"]
    assert about["appVersion"] == __version__
    assert spec["template"]["spec"]["containers"][0]["image"] == f"mesh-injector:{__version__}"


def test_a_tenant_of_the_chart_gets_the_binding_of_the_example() -> None:
    example = yaml.safe_load((ROOT / "config" / "tenant" / "rolebinding.yaml").read_text(encoding="utf-8"))
    found = objects(template('tenants=["shop","mesh-system"]'))["RoleBinding", "shop", "mesh-injector-templates"]
    assert (found["roleRef"], found["subjects"]) == (example["roleRef"], example["subjects"])


POD = {
    'imagePullSecrets=[{"name":"a"}]': ("imagePullSecrets", [{"name": "a"}]),
    'nodeSelector={"disk":"ssd"}': ("nodeSelector", {"disk": "ssd"}),
    'tolerations=[{"operator":"Exists"}]': ("tolerations", [{"operator": "Exists"}]),
    'affinity={"nodeAffinity":{}}': ("affinity", {"nodeAffinity": {}}),
    "priorityClassName=": ("priorityClassName", None),
}
CONTAINER = {
    'image={"repository":"a.example/b"}': ("image", f"a.example/b:{__version__}"),
    "image.tag=v2": ("image", "mesh-injector:v2"),
    f"image.digest=sha256:{'0' * 64}": ("image", f"mesh-injector@sha256:{'0' * 64}"),
    "image.pullPolicy=Always": ("imagePullPolicy", "Always"),
    'resources={"requests":{"cpu":"2"},"limits":null}': ("resources", {"requests": {"cpu": "2", "memory": "192Mi"}}),
}


def deployment(*settings: str) -> Any:
    return objects(template(*settings))["Deployment", "mesh-system", "mesh-injector"]["spec"]


@pytest.mark.parametrize("setting", POD)
def test_a_value_about_the_pod_stands_in_it(setting: str) -> None:
    field, value = POD[setting]
    assert deployment(setting)["template"]["spec"].get(field) == value


@pytest.mark.parametrize("setting", CONTAINER)
def test_a_value_about_the_container_stands_in_it(setting: str) -> None:
    field, value = CONTAINER[setting]
    assert deployment(setting)["template"]["spec"]["containers"][0].get(field) == value


def test_labels_annotations_and_flags_are_added() -> None:
    spec = deployment(
        'podLabels={"a":"1","app.kubernetes.io/name":"x"}', 'podAnnotations={"b":"2"}', 'extraArgs=["--verbose"]', "replicas=4"
    )
    metadata = spec["template"]["metadata"]
    assert metadata == {"labels": {"app.kubernetes.io/name": "mesh-injector", "a": "1"}, "annotations": {"b": "2"}}
    assert spec["template"]["spec"]["containers"][0]["args"] == [*deployment()["template"]["spec"]["containers"][0]["args"], "--verbose"]
    assert spec["replicas"] == 4


@pytest.mark.parametrize(
    ("setting", "gone"),
    [("networkPolicy.enabled=false", "NetworkPolicy"), ("podDisruptionBudget.enabled=false", "PodDisruptionBudget")],
)
def test_what_is_switched_off_is_not_there(setting: str, gone: str) -> None:
    before, after = ({key[0] for key in objects(template(*settings))} for settings in ((), (setting,)))
    assert before - after == {gone}


@pytest.mark.parametrize(
    ("enabled", "kind", "labels"),
    [
        ("serviceMonitor.enabled=true", "ServiceMonitor", "serviceMonitor.labels"),
        ("prometheusRule.enabled=true", "PrometheusRule", "prometheusRule.labels"),
        ("dashboard.enabled=true", "ConfigMap", "dashboard.labels"),
    ],
)
def test_what_others_look_for_by_label_has_it(enabled: str, kind: str, labels: str) -> None:
    found = objects(template(enabled, labels + '={"team":"ops"}'))
    assert next(one for key, one in found.items() if key[0] == kind)["metadata"]["labels"]["team"] == "ops"


def test_an_issuer_of_ones_own_signs_and_none_is_made() -> None:
    found = objects(template("certManager.enabled=true", 'certManager.issuerRef={"kind":"ClusterIssuer","name":"corp"}'))
    assert found["Certificate", "mesh-system", "mesh-injector"]["spec"]["issuerRef"] == {"kind": "ClusterIssuer", "name": "corp"}
    assert not [key for key in found if key[0] == "Issuer"]


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("replica=3", "'replica' not allowed"),
        ("image.registry=a", "'registry' not allowed"),
        ("replicas=0", "minimum"),
        ("replicas=two", "want integer"),
        ("image.digest=latest", "does not match pattern"),
        ("image.pullPolicy=Sometimes", "value must be one of"),
        ('tenants=["Shop"]', "does not match pattern"),
        ('podLabels={"a":1}', "want string"),
        ('image.repository="a b"', "does not match pattern"),
    ],
)
def test_a_value_that_is_wrong_is_refused_with_its_name(setting: str, told: str) -> None:
    flag = "--set-json" if setting.endswith(("]", "}", '"')) else "--set"
    command = (build.assets() / "helm", "template", "x", CHART, "--kube-version", "v1.37.0", flag, setting)
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, check=False)
    assert told in done.stderr


@pytest.mark.parametrize("hostile", ['-a"]\n- --x', "-{{ .Values }}", "-v: #", "--a=\nb"])
def test_a_hostile_flag_stays_one_word(hostile: str) -> None:
    assert deployment(f"extraArgs={json.dumps([hostile])}")["template"]["spec"]["containers"][0]["args"][-1] == hostile


def test_the_chart_has_no_fault_that_helm_finds() -> None:
    assert "0 chart(s) failed" in run(build.assets() / "helm", "lint", "--strict", CHART)
