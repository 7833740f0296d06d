from collections.abc import Callable

from tests.cli.conftest import NO_PORT, POD, SERVICE, Result

Run = Callable[..., Result]
KEYS = ["pod", "namespace", "outcome", "allowed", "reason", "mesh", "template", "message", "warnings", "checks", "patch"]


def test_json_has_the_shape_that_programs_rely_on(run: Run) -> None:
    (item,) = run("explain", "-f", "-", "-o", "json", stdin=POD).json["items"]
    assert list(item) == KEYS
    assert [item[key] for key in KEYS[:5]] == ["web", "default", "injected", True, "Injected"]
    assert item["mesh"] == "mesh-system/web"
    assert item["template"].startswith("sha256:")
    assert item["message"] is None
    assert item["checks"] == [{"mesh": "mesh-system/web", "matched": True, "why": "podSelector selects app=web"}]
    assert item["patch"][0]["op"] == "add"


def test_a_refused_pod_has_its_message_and_no_patch(run: Run) -> None:
    result = run("explain", "-f", "-", "-o", "json", stdin=NO_PORT)
    (item,) = result.json["items"]
    assert (item["outcome"], item["allowed"], item["reason"], item["patch"]) == ("refused", False, "ContainerPortMissing", None)
    assert item["message"].startswith("mesh-injector: [MI203] mesh mesh-system/web: ")
    assert result.exit_code == 1


def test_the_story_names_the_requirement_that_failed_and_what_was_found(run: Run) -> None:
    result = run("explain", "-f", "-", stdin=POD.replace("app: web", "app: db"))
    assert "✗ mesh-system/web: podSelector wants app=web, found 'db'" in result.stdout
    assert result.exit_code == 1


def test_the_story_lists_what_is_added(run: Run) -> None:
    assert "adds      containers[proxy]" in run("explain", "-f", "-", stdin=POD).stdout


def test_a_pod_that_was_injected_before_counts_as_injected(run: Run) -> None:
    once = run("inject", "-f", "-", stdin=POD).stdout
    result = run("explain", "-f", "-", "-o", "json", stdin=once)
    assert (result.json["items"][0]["outcome"], result.json["items"][0]["reason"]) == ("skipped", "AlreadyInjected")
    assert result.exit_code == 0


def test_without_a_pod_there_is_nothing_to_explain(run: Run) -> None:
    result = run("explain", "-f", "-", "-o", "json", stdin=SERVICE)
    assert result.json == {"items": []}
    assert result.exit_code == 0


def test_a_broken_document_ends_with_3(run: Run) -> None:
    assert run("explain", "-f", "-", stdin="a: [").exit_code == 3
