"""The offline commands on a cluster: one list each, with the rights of whoever asks, and exit 4 where that cannot be."""

import asyncio
import contextlib
import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mesh_injector import cli
from mesh_injector.cli import source
from mesh_injector.kube import credentials
from tests.kube import fake
from tests.kube.fake import ApiServer

SPEC = {
    "enableAutoInject": True,
    "injectionSelector": {"podSelector": {}, "namespaceSelector": {"matchLabels": {"team": "shop"}}},
    "sidecarPatchConfigMap": {"name": "envoy"},
}
TEMPLATE = "containers: [{name: envoy, image: envoy:v1}]"
POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "cart", "namespace": "shop"}, "spec": {"containers": [{"name": "app"}]}}


def cluster() -> ApiServer:
    api = ApiServer()
    api.put("Namespace", "shop", metadata={"labels": {"team": "shop"}})
    for namespace in ("mesh-system", "shop"):
        api.put("Mesh", "payments", namespace, spec=SPEC)
        api.put("ConfigMap", "envoy", namespace, data={"patch": TEMPLATE}, metadata={"labels": {"mesh-injector.io/template": "true"}})
    return api


def run(folder: Path, api: ApiServer | None, *arguments: str) -> tuple[int, str, str]:
    """Run a command on a fake cluster, or on one that is not there."""
    (folder / "pod.json").write_text(json.dumps(POD))

    async def scenario() -> tuple[int, str, str]:
        async with fake.serving(api or ApiServer()) as url:
            kubeconfig = fake.kubeconfig(folder, url if api else f"http://127.0.0.1:{fake.free_port()}")
            return await asyncio.to_thread(invoke, folder, [*arguments, "--source", "cluster", "--kubeconfig", str(kubeconfig)])

    return asyncio.run(scenario())


def invoke(folder: Path, arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command as the console script runs it."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder),
        called_by(["mesh-injector", *arguments]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        cli.main()
    return int(ended.value.code or 0), out.getvalue(), err.getvalue()


@contextlib.contextmanager
def called_by(words: list[str]) -> Iterator[None]:
    """Be called by these words while the block lasts."""
    before, sys.argv = sys.argv, words
    try:
        yield
    finally:
        sys.argv = before


def test_a_pod_is_explained_and_injected_by_what_the_cluster_holds_now(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, cluster(), "explain", "-f", "pod.json", "-o", "json")
    (item,) = json.loads(out)["items"]
    assert (code, item["outcome"], item["mesh"]) == (0, "injected", "mesh-system/payments")
    assert err.splitlines()[0] == "source: cluster"
    code, out, _ = run(tmp_path, cluster(), "inject", "-f", "pod.json", "-o", "json")
    assert (code, [container["name"] for container in json.loads(out)["spec"]["containers"]]) == (0, ["app", "envoy"])
    code, out, _ = run(tmp_path, cluster(), "render", "--mesh", "shop/payments")
    assert (code, "envoy:v1" in out) == (0, True)


def with_pods() -> ApiServer:
    api = cluster()
    for name, app in (("cart-0", "cart"), ("cart-1", "cart"), ("search-0", "search")):
        api.put("Pod", name, "shop", metadata={"labels": {"app": app}}, spec=POD["spec"])
    return api


def explained(folder: Path, api: ApiServer, *arguments: str) -> tuple[int, list[str]]:
    """Exit code and the pods that were explained."""
    code, out, _ = run(folder, api, "explain", "-o", "json", *arguments)
    return code, [item["pod"] for item in json.loads(out)["items"]]


def test_pods_of_the_cluster_are_explained_by_name_and_by_their_labels(tmp_path: Path) -> None:
    assert explained(tmp_path, with_pods(), "pod/cart-0", "po/search-0", "-n", "shop") == (0, ["cart-0", "search-0"])
    assert explained(tmp_path, with_pods(), "-n", "shop", "-l", "app=cart") == (0, ["cart-0", "cart-1"])
    assert explained(tmp_path, with_pods(), "-A") == (0, ["cart-0", "cart-1", "search-0"])


def test_where_the_cluster_has_no_such_pod_one_that_is_described_is_explained(tmp_path: Path) -> None:
    assert explained(tmp_path, with_pods(), "-n", "shop", "-l", "app=nobody") == (0, ["app"])


def test_a_pod_that_the_cluster_has_not_is_told_with_exit_4(tmp_path: Path) -> None:
    code, out, err = run(tmp_path, with_pods(), "explain", "pod/none", "-n", "shop")
    assert (code, out, "none" in err, "Traceback" in err) == (4, "", True, False)


@pytest.mark.parametrize("arguments", [("deployment/cart",), ("cart-0",), ("pod/cart-0", "-f", "pod.json")], ids=" ".join)
def test_what_is_no_pod_of_the_cluster_is_a_usage_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    code, _, err = run(tmp_path, with_pods(), "explain", *arguments)
    assert (code, "pod" in err) == (2, True)


def test_a_file_beside_the_cluster_is_read_with_it_and_wins(tmp_path: Path) -> None:
    newer = {"apiVersion": "mesh-injector.io/v1alpha1", "kind": "Mesh", "metadata": {"name": "payments", "namespace": "mesh-system"}}
    (tmp_path / "mesh.json").write_text(json.dumps({**newer, "spec": {**SPEC, "enableAutoInject": False}}))
    code, out, err = run(tmp_path, cluster(), "explain", "-f", "pod.json", "-o", "json", "--source", "mesh.json")
    assert (code, json.loads(out)["items"][0]["mesh"]) == (0, "shop/payments")
    assert "is described twice; this one counts, not Mesh mesh-system/payments" in err


def test_lint_judges_the_cluster_and_names_its_objects(tmp_path: Path) -> None:
    api = cluster()
    api.forbidden = {"shop"}
    api.put("ConfigMap", "envoy", "mesh-system", data={"patch": "spec: {{ "}, metadata={"labels": {"mesh-injector.io/template": "true"}})
    code, out, _ = run(tmp_path, api, "lint", "-o", "json")
    found = {(one["code"], one["file"]) for one in json.loads(out)["items"]}
    assert (code, found) == (1, {("MI301", "ConfigMap mesh-system/envoy"), ("MI206", "Mesh shop/payments")})
    assert "kubectl create rolebinding" in out
    assert run(tmp_path, cluster(), "lint")[0] == 0


def test_lint_judges_a_file_beside_the_cluster_and_warns_of_what_is_broken_there(tmp_path: Path) -> None:
    api = cluster()
    api.put("Mesh", "broken", "shop", spec={"regoin": 1})
    (tmp_path / "mesh.json").write_text(
        json.dumps(
            {"apiVersion": "mesh-injector.io/v1alpha1", "kind": "Mesh", "spec": SPEC} | {"metadata": {"name": "mine", "namespace": "shop"}}
        )
    )
    code, out, err = run(tmp_path, api, "lint", "-f", "mesh.json")
    assert code == 0, out
    assert "regoin" in err
    assert "regoin" not in out


@pytest.mark.parametrize(
    "command", [("explain", "-f", "pod.json"), ("inject", "-f", "pod.json"), ("lint",), ("render", "--mesh", "payments")]
)
def test_a_cluster_that_cannot_be_reached_or_forbids_it_is_exit_4_with_one_clear_line(tmp_path: Path, command: tuple[str, ...]) -> None:
    code, out, err = run(tmp_path, None, *command)
    assert (code, out) == (4, "")
    assert err.splitlines()[-1].startswith("[MI801] the API server cannot be reached")
    api = cluster()
    api.refused = 403
    code, _, err = run(tmp_path, api, *command)
    assert (code, err.splitlines()[-1].startswith("[MI802] it will not")) == (4, True)
    code, _, err = run(tmp_path, cluster(), *command, "--context", "other")
    assert (code, "--context" in err) == (4, True)
    assert "Traceback" not in err


def test_nobody_waits_for_the_library_of_clusters_who_asks_for_none(tmp_path: Path) -> None:
    (tmp_path / "pod.json").write_text(json.dumps(POD))
    code = (
        "import sys\nfrom mesh_injector import cli, server\n"
        "sys.argv = ['mesh-injector', 'inject', '-f', 'pod.json', '-q']\n"
        "try: cli.main()\nexcept SystemExit: pass\n"
        "print([name for name in sys.modules if name.partition('.')[0] in ('kubernetes', 'aiohttp')], file=sys.stderr)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stderr.splitlines()[-1] == "[]"


def test_the_default_source_is_the_cluster_in_a_pod_and_the_samples_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from mesh_injector.cli.terminal import Terminal

    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    assert source.names(None) == (str(source.samples()),)
    assert source.names(["a", "cluster"]) == ("a", "cluster")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    token = tmp_path / "token"
    token.write_text("x")
    monkeypatch.setattr(credentials, "TOKEN", token)
    assert source.names(None) == ("cluster",)
    source.announce(None, Terminal())
    assert capsys.readouterr().err.startswith("source: cluster (this pod is in it; name yours by --source)")
