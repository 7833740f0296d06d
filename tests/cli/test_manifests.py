"""`manifests` from the command line; what it prints is held against kubectl and Helm in tests/e2e/test_manifests.py."""

import pytest
import yaml
from typer.testing import CliRunner, Result

from mesh_injector.cli import app


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app.app, ["manifests", *arguments])


def test_the_output_is_objects_with_namespace_and_crd_first() -> None:
    result = run("--image", "a.example/b:1")
    kinds = [one["kind"] for one in yaml.safe_load_all(result.stdout)]
    assert (result.exit_code, result.stderr) == (0, "")
    assert set(kinds[:2]) == {"CustomResourceDefinition", "Namespace"}
    assert kinds.index("Deployment") > kinds.index("Secret")


def test_without_an_image_it_says_that_nodes_must_be_able_to_pull_it() -> None:
    assert "--image" in run().stderr
    assert run("-q").stderr == ""


@pytest.mark.parametrize(
    ("flag", "value", "told"),
    [
        ("--image", "a b", "is no image"),
        ("--image", "a:1\n        command: [sh]", "is no image"),
        ("--image", "-a", "is no image"),
        ("--namespace", "Mesh", "is no name of a namespace"),
        ("--namespace", "a" * 64, "is no name of a namespace"),
        ("--namespace", "", "is no name of a namespace"),
        ("--replicas", "0", "write at least 1"),
        ("--variant", "istio", "cert-manager"),
    ],
)
def test_a_flag_that_is_wrong_is_a_usage_error(flag: str, value: str, told: str) -> None:
    result = run(flag, value)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr


def test_a_namespace_that_yaml_takes_for_something_else_stays_text() -> None:
    found = list(yaml.safe_load_all(run("-n", "123").stdout))
    assert {one["metadata"]["namespace"] for one in found if "namespace" in one["metadata"]} == {"123"}
