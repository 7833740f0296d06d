"""`manifests` from the command line; what it prints is held against kubectl and Helm in tests/e2e/test_manifests.py."""

from collections.abc import Callable

import pytest
import yaml

from tests.cli.conftest import Result

Run = Callable[..., Result]


def test_the_output_is_objects_with_namespace_and_crd_first(run: Run) -> None:
    result = run("manifests", "--image", "a.example/b:1")
    kinds = [one["kind"] for one in yaml.safe_load_all(result.stdout)]
    assert (result.exit_code, result.stderr) == (0, "")
    assert set(kinds[:2]) == {"CustomResourceDefinition", "Namespace"}
    assert kinds.index("Deployment") > kinds.index("Secret")


def test_without_an_image_it_says_that_nodes_must_be_able_to_pull_it(run: Run) -> None:
    assert "--image" in run("manifests").stderr
    assert run("manifests", "-q").stderr == ""


@pytest.mark.parametrize(
    ("flag", "value", "told"),
    [
        ("--image", "a b", "is no image"),
        ("--image", "a:1\n        command: [sh]", "is no image"),
        ("--image", "-a", "is no image"),
        ("--namespace", "Mesh", "is no name of a namespace"),
        ("--namespace", "a" * 64, "is no name of a namespace"),
        ("--namespace", "", "is no name of a namespace"),
        ("--replicas", "0", "1<=x<=100"),
        ("--variant", "istio", "cert-manager"),
    ],
)
def test_a_flag_that_is_wrong_is_a_usage_error(run: Run, flag: str, value: str, told: str) -> None:
    result = run("manifests", flag, value)
    assert (result.exit_code, result.stdout) == (2, "")
    assert told in result.stderr


def test_a_namespace_that_yaml_takes_for_something_else_stays_text(run: Run) -> None:
    found = list(yaml.safe_load_all(run("manifests", "-n", "123").stdout))
    assert {one["metadata"]["namespace"] for one in found if "namespace" in one["metadata"]} == {"123"}
