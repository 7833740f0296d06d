"""The reviews of config/samples, held against what a real API server sends today; some of their pods are golden cases.

`make capture` writes them anew. Names, uids and times differ from run to run, so a review is compared by its shape: every path, and
every value that is no text.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mesh_injector import documents
from tests.e2e import processes, webhook
from tests.e2e.cluster import Cluster

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FOLDER = ROOT / "config" / "samples" / "reviews"
REVIEWS = {
    "deployment": ("deployment", "CREATE"),
    "job": ("job", "CREATE"),
    "statefulset": ("statefulset", "CREATE"),
    "native-sidecar": ("native-sidecar", "CREATE"),
    "bare-pod": ("bare", "CREATE"),
    "update": ("bare", "UPDATE"),
    "delete": ("bare", "DELETE"),
    "dry-run": ("dryrun", "CREATE"),
}
"""The name of each review, the label `case` of its pod, and the operation."""
GOLDEN = {
    name: ROOT / "tests" / "golden" / "mesh" / f"the-pod-of-a-real-{name}-is-injected" for name in ("deployment", "job", "statefulset")
}


@pytest.fixture(scope="module")
def recorder(with_controllers: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[webhook.Recorder]:
    """What a webhook is sent while the workloads of captured.yaml are made, and one pod is changed and deleted."""
    cluster = with_controllers
    cluster.add_namespace("shop", team="shop")
    with webhook.record(tmp_path_factory.mktemp("recorder")) as made:
        everything = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE", "DELETE"], "resources": ["pods"]}]
        cases = {"matchExpressions": [{"key": "case", "operator": "Exists"}]}
        cluster.apply(webhook.registration("recorder", {"url": made.url}, made.ca, rules=everything, objectSelector=cases)).ok()
        processes.eventually(lambda: dry_run(cluster) and made.of("dryrun", "CREATE"), "the registration is in force")
        cluster.kubectl("apply", "-f", str(HERE / "captured.yaml")).ok()
        cluster.kubectl("label", "pod", "debug", "-n", "shop", "extra=1").ok()
        cluster.kubectl("delete", "pod", "debug", "-n", "shop", "--grace-period=0", "--force").ok()
        processes.eventually(lambda: all(made.of(*wanted) for wanted in REVIEWS.values()), "every review has come")
        yield made
        cluster.kubectl("delete", "mutatingwebhookconfiguration", "recorder").ok()
        cluster.kubectl("delete", "-f", str(HERE / "captured.yaml"), "--ignore-not-found", "--wait=false").ok()


def dry_run(cluster: Cluster) -> bool:
    """Ask for a pod that is not to be."""
    cluster.kubectl("run", "dry", "--image=nginx", "--labels=case=dryrun", "-n", "shop", "--dry-run=server").ok()
    return True


def shape(value: Any, path: str = "") -> Iterator[str]:
    """Every path of a value, and what stands there unless it is text."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key != "managedFields":
                yield from shape(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from shape(item, f"{path}[{index}]")
    else:
        yield path if isinstance(value, str) else f"{path} = {value}"


@pytest.mark.parametrize("name", list(REVIEWS))
def test_a_review_of_the_samples_is_what_the_api_server_sends(recorder: webhook.Recorder, name: str, update_golden: bool) -> None:
    sent = recorder.of(*REVIEWS[name])[0]
    if update_golden:
        (FOLDER / f"{name}.json").write_bytes(sent)
    kept = (FOLDER / f"{name}.json").read_bytes()
    assert sorted(shape(json.loads(kept))) == sorted(shape(json.loads(sent)))


@pytest.mark.parametrize("name", list(GOLDEN))
def test_the_pod_of_a_golden_case_is_that_of_the_review(recorder: webhook.Recorder, name: str, update_golden: bool) -> None:
    pod = json.loads((FOLDER / f"{name}.json").read_bytes())["request"]["object"]
    if update_golden:
        (GOLDEN[name] / "pod.yaml").write_text(documents.dump(pod), encoding="utf-8")
    assert yaml.safe_load((GOLDEN[name] / "pod.yaml").read_text(encoding="utf-8")) == pod
