"""`test` as its users run it: files beside the template, what fails and why, snapshots, CI, and mistakes in the files themselves."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from typer.testing import CliRunner

from mesh_injector.cli import app
from mesh_injector.cli.suites import paths, snapshots
from mesh_injector.cli.suites.paths import Mistaken
from mesh_injector.errors import ConfigError
from tests.cli.conftest import MESH, POD, Result

Run = Callable[..., Result]
HEAD = "apiVersion: cli.mesh-injector.io/v1alpha1\nkind: Test\n"
CASE: dict[str, Any] = {"name": "it is injected", "pod": "web", "expect": {"outcome": "injected"}}
WEB: dict[str, Any] = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "web", "image": "nginx", "ports": [{"containerPort": 80}]}]},
}


@pytest.fixture
def run() -> Run:
    def call(*arguments: str, stdin: str = "") -> Result:
        result = CliRunner().invoke(app.app, ["test", *arguments], input=stdin)
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Result(result.exit_code, result.stdout, result.stderr)

    return call


@pytest.fixture
def tried(run: Run, tmp_path: Path) -> Callable[..., Result]:
    """Run one case beside the mesh: what is given replaces its fields, `suite` those of the file."""
    (tmp_path / "mesh.yaml").write_text(MESH, encoding="utf-8")

    def call(*arguments: str, suite: dict[str, Any] | None = None, **case: Any) -> Result:
        body = {"pods": {"web": WEB}, "tests": [{**CASE, **case}], **(suite or {})}
        (tmp_path / "mesh-injector-test.yaml").write_text(HEAD + yaml.safe_dump(body, sort_keys=False), encoding="utf-8")
        return run(str(tmp_path), *arguments)

    return call


def failures(result: Result) -> list[dict[str, Any]]:
    return [failure for item in result.json["items"] for failure in item["failures"]]


EVERYTHING = {
    "outcome": "injected",
    "reason": "Injected",
    "mesh": "mesh-system/web",
    "message": None,
    "warnings": [],
    "adds": ["containers[proxy]"],
    "pod": {
        "containers[proxy].image": "proxy:1",
        "spec.containers[proxy].image": {"contains": "proxy"},
        "containers[*].name": ["web", "proxy"],
        "containers[1].name": "proxy",
        "containers[proxy].env[LEVEL]": {"equals": {"name": "LEVEL", "value": "info"}},
        "containers[proxy].env": {"contains": {"name": "PORTS", "value": "80"}},
        "containers[web].ports[80/TCP].containerPort": 80,
        "containers[proxy].env[NONE]": {"exists": False},
        "containers[proxy].command": None,
        "labels[app]": {"matches": "^w.b$"},
        "annotations[mesh-injector.io/status]": {"exists": True},
    },
}


def test_a_case_whose_every_expectation_holds_passes(tried: Callable[..., Result]) -> None:
    result = tried(expect=EVERYTHING)
    assert "✓ it is injected" in result.stdout
    assert (result.exit_code, result.stderr) == (0, "")


@pytest.mark.parametrize(
    ("expect", "field", "found"),
    [
        ({"outcome": "refused"}, "outcome", "injected"),
        ({"reason": "Reinjected"}, "reason", "Injected"),
        ({"mesh": "mesh-system/other"}, "mesh", "mesh-system/web"),
        ({"mesh": None}, "mesh", "mesh-system/web"),
        ({"message": "x"}, "message", None),
        ({"warnings": "x"}, "warnings", []),
        ({"adds": []}, "adds containers[proxy]", "added"),
        ({"adds": ["containers[proxy]", "labels[a]"]}, "adds labels[a]", None),
        ({"adds": ["containers[proxy]", "containers[web]"]}, "adds containers[web]", "the pod as it was"),
        ({"pod": {"containers[proxy].image": "proxy:2"}}, "pod containers[proxy].image", "proxy:1"),
        ({"pod": {"containers[proxy].image": {"contains": "envoy"}}}, "pod containers[proxy].image", "proxy:1"),
        ({"pod": {"containers[proxy].image": {"matches": "^x"}}}, "pod containers[proxy].image", "proxy:1"),
        ({"pod": {"containers[proxy].image": {"exists": False}}}, "pod containers[proxy].image", "proxy:1"),
        ({"pod": {"containers[proxy].image": None}}, "pod containers[proxy].image", "proxy:1"),
        ({"pod": {"containers[proxy].command": {"exists": True}}}, "pod containers[proxy].command", None),
        ({"pod": {"containers[proxy].command": {"matches": ""}}}, "pod containers[proxy].command", None),
        ({"pod": {"containers[9].name": "x"}}, "pod containers[9].name", None),
        ({"pod": {"volumes[*].name": ["x"]}}, "pod volumes[*].name", []),
        ({"pod": {"containers[*].name": ["proxy", "web"]}}, "pod containers[*].name", ["web", "proxy"]),
        ({"pod": {"containers[web].ports[0].containerPort": True}}, "pod containers[web].ports[0].containerPort", 80),
        ({"pod": {"containers[proxy].env[PORTS].value": 80}}, "pod containers[proxy].env[PORTS].value", "80"),
    ],
)
def test_what_does_not_hold_is_told_with_what_was_found(
    tried: Callable[..., Result], expect: dict[str, Any], field: str, found: Any
) -> None:
    result = tried("-o", "json", expect=expect)
    assert [(failure["field"], failure["found"]) for failure in failures(result)] == [(field, found)]
    assert result.exit_code == 1


def test_a_failure_names_the_line_of_the_template_in_its_file(tried: Callable[..., Result], tmp_path: Path) -> None:
    line = 1 + MESH.splitlines().index("        image: proxy:1")
    told = tried(expect={"pod": {"containers[proxy].image": "x"}}).stdout
    assert f"{tmp_path}/mesh.yaml:{line}" in told
    assert "- expected  x\n      + found     proxy:1" in told


def test_a_number_that_should_be_text_gets_a_hint(tried: Callable[..., Result]) -> None:
    (failure,) = failures(tried("-o", "json", expect={"pod": {"containers[proxy].env[PORTS].value": 80}}))
    assert failure["hint"] == 'the pod has the text "80"; write it in quotes'
    (failure,) = failures(tried("-o", "json", expect={"pod": {"containers[web].ports[0].containerPort": "80"}}))
    assert "without quotes" in failure["hint"]


def test_another_outcome_is_told_alone_with_the_whole_message(tried: Callable[..., Result]) -> None:
    pod = {**WEB, "spec": {"containers": [{"name": "web", "image": "nginx"}]}}
    (failure,) = failures(tried("-o", "json", pod=pod, expect=EVERYTHING | {"reason": "ContainerPortMissing", "message": "names no port"}))
    assert (failure["field"], failure["found"]) == ("outcome", "refused")
    assert failure["hint"].startswith("mesh-injector: [MI203]")


def test_a_mesh_that_did_not_match_says_why(tried: Callable[..., Result]) -> None:
    (failure,) = failures(tried("-o", "json", labels={"app": "db"}, expect={"mesh": "web"}))
    assert failure["hint"].startswith("mesh-system/web: podSelector wants app=web, found 'db'")


def test_a_case_changes_labels_annotations_overrides_and_namespace(tried: Callable[..., Result]) -> None:
    level = {"pod": {"containers[proxy].env[LEVEL].value": "true"}}
    assert tried(overrides={"level": True}, expect=level).exit_code == 0
    assert tried(annotations={"values.mesh-injector.io/level": "true"}, expect=level).exit_code == 0
    assert tried(labels={"app": None}, expect={"reason": "NoMeshMatched", "mesh": None, "adds": []}).exit_code == 0
    assert tried(namespace="kube-system", expect={"reason": "NamespaceExcluded"}).exit_code == 0
    opted_out = {"namespaces": {"quiet": {"mesh-injector.io/inject": "disabled"}}}
    assert tried(suite=opted_out, namespace="quiet", expect={"reason": "OptedOutByNamespace"}).exit_code == 0


def test_a_warning_that_no_expectation_names_is_told(tried: Callable[..., Result]) -> None:
    (failure,) = failures(tried("-o", "json", overrides={"image": "x"}, expect={"warnings": []}))
    assert "lists no override `image`" in failure["found"]
    assert tried(overrides={"image": "x"}, expect={"warnings": ["lists no override `image`"]}).exit_code == 0


def test_a_case_changes_the_fields_of_a_mesh_and_of_no_other_case(tried: Callable[..., Result]) -> None:
    audit = {**CASE, "name": "audited", "meshes": {"web": {"mode": "Audit", "values": {"level": "warn"}}}}
    audit["expect"] = {"outcome": "audited", "adds": ["containers[proxy]"], "pod": {"containers[proxy].env[LEVEL].value": "warn"}}
    assert tried(suite={"tests": [audit, {**CASE, "name": "after"}]}).exit_code == 0
    assert tried(meshes={"mesh-system/web": {"enableAutoInject": None}}, expect={"reason": "AutoInjectOff"}).exit_code == 0


def test_a_mesh_that_a_case_makes_unusable_fails_the_case(tried: Callable[..., Result]) -> None:
    (failure,) = failures(tried("-o", "json", meshes={"web": {"moode": "Audit"}}, expect={"reason": "NoMeshMatched"}))
    assert failure["field"] == "meshes"
    assert "no field `spec.moode`" in failure["found"]


def test_workloads_of_files_are_named_as_explain_names_them(tried: Callable[..., Result], tmp_path: Path) -> None:
    template = {"metadata": WEB["metadata"], "spec": WEB["spec"]}
    made = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": name}, "spec": {"template": template}}
        for name in ("a", "b")
    ]
    (tmp_path / "pods").mkdir()
    (tmp_path / "pods" / "w.yaml").write_text(yaml.safe_dump_all(made), encoding="utf-8")
    files = {"files": "pods/w.yaml"}
    assert tried(suite=files, pod="b/Deployment/web").exit_code == 0
    ambiguous = tried(suite=files, pod="Deployment/web")
    assert ambiguous.exit_code == 3
    assert "a/Deployment/web" in ambiguous.stderr


def test_a_source_of_the_command_line_replaces_that_of_the_files(tried: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mesh.yaml").write_text(MESH.replace("proxy:1", "proxy:2"), encoding="utf-8")
    second = {"pod": {"containers[proxy].image": "proxy:2"}}
    assert tried(suite={"source": "mesh.yaml"}, expect=second).exit_code == 1
    assert tried("--source", str(tmp_path / "new"), suite={"source": "mesh.yaml"}, expect=second).exit_code == 0


# --- snapshots ----------------------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_kept_by_update_and_holds_until_the_patch_changes(tried: Callable[..., Result], tmp_path: Path) -> None:
    kept = tmp_path / "mesh-injector-test.snap"
    first = tried(expect={"snapshot": True})
    assert (first.exit_code, kept.exists()) == (1, False)
    assert "--update" in first.stdout
    assert tried("--update", expect={"snapshot": True}).exit_code == 0
    assert "proxy:1" in kept.read_text(encoding="utf-8")
    assert "sha256" not in kept.read_text(encoding="utf-8"), "a comment in the template would change it"
    assert tried(expect={"snapshot": True}).exit_code == 0
    changed = tried(expect={"snapshot": True}, overrides={"level": "debug"})
    assert changed.exit_code == 1
    assert "-      value: info" in changed.stdout
    assert "+      value: debug" in changed.stdout


def test_a_snapshot_of_no_test_is_told_and_removed_by_update(tried: Callable[..., Result], tmp_path: Path) -> None:
    tried("--update", expect={"snapshot": True})
    assert "no test `it is injected` has a snapshot" in tried().stderr
    assert tried("--update").exit_code == 0
    assert not (tmp_path / "mesh-injector-test.snap").exists()


def test_update_of_some_tests_keeps_the_snapshots_of_the_others(tried: Callable[..., Result], tmp_path: Path) -> None:
    two = {"tests": [{**CASE, "name": name, "expect": {"snapshot": True}} for name in ("one", "two")]}
    tried("--update", suite=two)
    before = (tmp_path / "mesh-injector-test.snap").read_text(encoding="utf-8")
    tried("--update", "--filter", "one", suite=two)
    assert (tmp_path / "mesh-injector-test.snap").read_text(encoding="utf-8") == before


@pytest.mark.parametrize("text", ["a: [\n", "a: *x\n"])
def test_snapshots_that_cannot_be_read_are_told(tried: Callable[..., Result], tmp_path: Path, text: str) -> None:
    (tmp_path / "mesh-injector-test.snap").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="snapshots cannot be read"):
        tried()


@pytest.mark.parametrize("member", ["files", "source"])
def test_a_test_file_reads_nothing_outside_the_folders_that_the_tests_are_about(
    tried: Callable[..., Result], tmp_path: Path, member: str
) -> None:
    (tmp_path.parent / "secret.yaml").write_text("hunter: [2\n", encoding="utf-8")
    result = tried(suite={member: ["../secret.yaml"]})
    assert result.exit_code == 3
    assert "neither below the test file's folder" in result.stderr
    assert "hunter" not in result.stdout + result.stderr


def test_snapshots_are_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("precious", encoding="utf-8")
    (tmp_path / "a.snap").symlink_to(tmp_path / "outside")
    with pytest.raises(ConfigError, match="symbolic link"):
        snapshots.write(str(tmp_path / "a.yaml"), {"a": []})
    assert (tmp_path / "outside").read_text(encoding="utf-8") == "precious"


def test_the_record_is_no_part_of_a_snapshot_and_other_annotations_are() -> None:
    status = "mesh-injector.io/status"
    assert snapshots.of([{"op": "add", "path": "/metadata/annotations", "value": {status: "x"}}]) == []
    assert snapshots.of([{"op": "add", "path": "/metadata/annotations/mesh-injector.io~1status", "value": "x"}]) == []
    kept = [{"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}}]
    assert snapshots.of([{"op": "add", "path": "/metadata/annotations", "value": {"a": "b", status: "x"}}]) == kept


# --- which tests run, and in what form they are told ----------------------------------------------------------------------------------


def test_only_tests_with_the_text_of_a_filter_in_their_name_run(tried: Callable[..., Result]) -> None:
    two = {"tests": [{**CASE, "name": name} for name in ("A first", "second")]}
    assert [item["name"] for item in tried("-o", "json", "--filter", "FIRST", suite=two).json["items"]] == ["A first"]
    nothing = tried("--filter", "third", suite=two)
    assert (nothing.exit_code, "no test has 'third' in its name" in nothing.stderr) == (2, True)


def test_junit_has_a_case_for_every_test_and_the_failure_as_text(tried: Callable[..., Result], tmp_path: Path) -> None:
    two = [{**CASE, "name": "right\x07<&>"}, {**CASE, "name": "wrong", "expect": {"outcome": "refused"}}]
    root = ET.fromstring(tried("-o", "junit", suite={"tests": two, "metadata": {"name": "the proxy"}}).stdout)
    assert (root.get("tests"), root.get("failures"), root.get("errors")) == ("2", "1", "0")
    (suite,) = root
    assert (suite.get("name"), suite.get("file")) == ("the proxy", f"{tmp_path}/mesh-injector-test.yaml")
    right, wrong = suite
    assert (right.get("name"), list(right)) == ("right·<&>", [])
    assert "- expected  refused" in (wrong[0].text or "")
    assert wrong.get("line")


def test_junit_tells_a_broken_file_as_an_error(tried: Callable[..., Result]) -> None:
    result = tried("-o", "junit", pod="nobody")
    root = ET.fromstring(result.stdout)
    assert (result.exit_code, root.get("errors")) == (3, "1")
    assert "there is no pod `nobody`" in str(root[0][0][0].get("message"))


def test_several_files_end_with_a_table(tried: Callable[..., Result], tmp_path: Path) -> None:
    tried()
    text = (tmp_path / "mesh-injector-test.yaml").read_text(encoding="utf-8")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.mesh-injector-test.yml").write_text(text + "source: ..\n", encoding="utf-8")
    lines = tried().stdout.splitlines()
    assert [line.split() for line in lines if line.startswith("FILE")] == [["FILE", "TESTS", "PASSED", "FAILED"]]
    assert lines[-1].startswith("2 passed in ")


# --- mistakes in a test file ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("case", "word", "message"),
    [
        ({"expect": {}}, "expect: {}", "expects nothing, so the test would always pass"),
        ({"expects": {}}, "expects", "did you mean `expect`?"),
        ({"expect": {"outcom": "injected"}}, "outcom", "did you mean `outcome`?"),
        ({"expect": {"outcome": "inject"}}, "inject", "must be 'injected', 'skipped'"),
        ({"expect": {"reason": "Nope"}}, "Nope", "must be 'Injected'"),
        ({"expect": {"snapshot": False}}, "false", "must be True"),
        ({"expect": {"adds": ["containrs[x]"]}}, "containrs", "did you mean `containers`?"),
        ({"expect": {"pod": {"containers[x].imge": 1}}}, "containers[x].imge", "did you mean `image`?"),
        ({"expect": {"pod": {"containers[x": 1}}}, "containers[x", "is no path"),
        ({"expect": {"pod": {"labels[a][b]": 1}}}, "labels[a][b]", "no list and no map"),
        ({"expect": {"pod": {"spec": 1}}}, "spec", "an empty path"),
        ({"expect": {"pod": {"labels[a]": {"matches": "("}}}}, "matches", "no regular expression"),
        ({"expect": {"pod": {"labels[a]": {"exists": "yes"}}}}, "exists", "neither true nor false"),
        ({"pod": "wbe"}, "wbe", "did you mean `web`?"),
        ({"pod": {"spec": {}}}, "", "must be a list"),
        ({"pod": {"kind": "Service", "apiVersion": "v1"}}, "", "holds no pod"),
        ({"pod": {"metadata": {"labels": {"app": 1}}, "spec": WEB["spec"]}}, "app: 1", "put it in quotes"),
        ({"meshes": {"wbe": {}}}, "wbe", "did you mean `web`?"),
        ({"labels": {"app": 1}}, "app: 1", "put it in quotes"),
        ({"name": ""}, "name: ''", "at least 1"),
    ],
)
def test_a_mistake_in_a_case_is_told_with_its_line_and_nothing_runs(
    tried: Callable[..., Result], tmp_path: Path, case: dict[str, Any], word: str, message: str
) -> None:
    result = tried(**case)
    assert result.exit_code == 3
    assert message in result.stderr
    assert "passed" not in result.stdout
    lines = (tmp_path / "mesh-injector-test.yaml").read_text(encoding="utf-8").splitlines()
    begin = 1 + next(number for number, line in enumerate(lines) if line.startswith("tests:"))
    assert any(f"mesh-injector-test.yaml:{begin + at}:" in result.stderr for at, line in enumerate(lines[begin - 1 :]) if word in line)


@pytest.mark.parametrize(
    ("suite", "message"),
    [
        ({"tests": [CASE, CASE]}, "two tests are named `it is injected`"),
        ({"tests": []}, "at least 1"),
        ({"sourc": "x"}, "did you mean `source`?"),
        ({"source": "nowhere"}, "it cannot be read"),
        ({"files": "nowhere.yaml"}, "it cannot be read"),
        ({"pods": {"web": {"kind": "Service", "apiVersion": "v1"}}}, "holds no pod"),
        ({"namespaces": {"a": {"b": 1}}}, "put it in quotes"),
    ],
)
def test_a_mistake_in_a_file_is_told_and_nothing_of_it_runs(tried: Callable[..., Result], suite: dict[str, Any], message: str) -> None:
    result = tried(suite=suite)
    assert result.exit_code == 3
    assert message in result.stderr
    assert "mesh-injector-test.yaml:" in result.stderr


def test_a_document_of_another_kind_is_no_test(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(POD, encoding="utf-8")
    result = run(str(tmp_path / "a.yaml"))
    assert (result.exit_code, "`v1` `Pod` is no test" in result.stderr) == (3, True)


def test_a_broken_file_does_not_keep_the_others_from_running(tried: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "x.mesh-injector-test.yaml").write_text("a: [\n", encoding="utf-8")
    result = tried("-o", "json")
    assert (result.exit_code, [item["passed"] for item in result.json["items"]]) == (3, [True])
    assert result.stderr.count("MI101") == 1


def test_what_is_broken_in_the_source_is_told_and_changes_no_exit_code(tried: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("a: [\n", encoding="utf-8")
    result = tried()
    assert (result.exit_code, "warning [MI101]" in result.stderr) == (0, True)


def test_a_folder_without_test_files_says_how_to_write_one(run: Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--init"):
        run(str(tmp_path))


def test_hostile_names_do_not_draw_on_the_terminal(tried: Callable[..., Result]) -> None:
    result = tried(name="\x1b[2J", expect={"pod": {"labels[\x1b[2J]": 1}})
    assert "\x1b" not in result.stdout + result.stderr


# --- the first file -------------------------------------------------------------------------------------------------------------------


def test_init_writes_what_comes_out_of_files_today_and_it_passes(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mesh").mkdir()
    (tmp_path / "mesh" / "mesh.yaml").write_text(MESH, encoding="utf-8")
    refused = POD.replace("ports: [{containerPort: 80}]", "stdin: true").replace("name: web, labels", "name: bad, labels")
    (tmp_path / "pods.yaml").write_text(POD + "---\n" + refused, encoding="utf-8")
    made = run("--init", str(tmp_path / "mesh"), "-f", str(tmp_path / "pods.yaml"))
    assert (made.exit_code, "2 tests" in made.stderr) == (0, True)
    body = yaml.safe_load((tmp_path / "mesh" / "mesh-injector-test.yaml").read_text(encoding="utf-8"))
    assert (body["source"], body["files"], "pods" in body) == (["."], ["../pods.yaml"], False)
    assert [case["expect"]["outcome"] for case in body["tests"]] == ["injected", "refused"]
    assert body["tests"][0]["expect"]["adds"] == ["containers[proxy]"]
    assert body["tests"][0]["expect"]["pod"] == {"containers[proxy].image": "proxy:1"}
    assert "names no port" in body["tests"][1]["expect"]["message"]
    assert run(str(tmp_path / "mesh")).exit_code == 0
    with pytest.raises(ConfigError, match="there is a test file already"):
        run("--init", str(tmp_path / "mesh"), "-f", str(tmp_path / "pods.yaml"))


def test_every_later_change_of_the_template_fails_what_init_wrote(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mesh.yaml").write_text(MESH, encoding="utf-8")
    (tmp_path / "pod.yaml").write_text(POD, encoding="utf-8")
    run("--init", str(tmp_path), "-f", str(tmp_path / "pod.yaml"), "--source", str(tmp_path / "mesh.yaml"))
    assert run(str(tmp_path)).exit_code == 0
    (tmp_path / "mesh.yaml").write_text(MESH.replace("image: proxy:1", "image: proxy:1, stdin: true"), encoding="utf-8")
    changed = run(str(tmp_path))
    assert (changed.exit_code, "snapshot" in changed.stdout) == (1, True)


def test_init_writes_pods_of_standard_input_into_the_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mesh.yaml").write_text(MESH, encoding="utf-8")
    run("--init", str(tmp_path), "-f", "-", stdin=POD.replace("spec:", "status: {phase: Running}\nspec:"))
    body = yaml.safe_load((tmp_path / "mesh-injector-test.yaml").read_text(encoding="utf-8"))
    assert "status" not in body["pods"]["web"]
    assert run(str(tmp_path)).exit_code == 0


def test_init_without_pods_makes_one_for_each_mesh_that_it_selects(run: Run, tmp_path: Path) -> None:
    mesh = MESH.replace("podSelector:", "namespaceSelector: {matchLabels: {team: shop}}\n    podSelector:")
    (tmp_path / "mesh.yaml").write_text(mesh, encoding="utf-8")
    assert run("--init", str(tmp_path)).exit_code == 0
    body = yaml.safe_load((tmp_path / "mesh-injector-test.yaml").read_text(encoding="utf-8"))
    assert (body["namespaces"], body["tests"][0]["expect"]["outcome"]) == ({"default": {"team": "shop"}}, "injected")
    assert run(str(tmp_path)).exit_code == 0


def test_init_tells_pods_of_one_name_apart_by_their_namespaces(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mesh.yaml").write_text(MESH, encoding="utf-8")
    two = "---\n".join(POD.replace("name: web, labels", f"name: web, namespace: {name}, labels") for name in "ab")
    (tmp_path / "pods.yaml").write_text(two, encoding="utf-8")
    run("--init", str(tmp_path), "-f", str(tmp_path / "pods.yaml"))
    assert [item["name"].split()[0] for item in run(str(tmp_path), "-o", "json").json["items"]] == ["a/web", "b/web"]


def test_init_without_anything_to_test_and_pods_without_init_are_errors(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="no pod to write a test for"):
        run("--init", str(tmp_path), "-f", str(tmp_path / "a.yaml"))
    (tmp_path / "b.yaml").write_text("a: [", encoding="utf-8")
    assert run("--init", str(tmp_path / "x"), "--source", str(tmp_path / "a.yaml"), "-f", str(tmp_path / "b.yaml")).exit_code == 3
    assert run(str(tmp_path), "-f", "x").exit_code == 2


# --- paths ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (r"annotations[a\.b/c]", "x"),
        ("metadata.annotations[a.b/c]", "x"),
        ("containers[web].env[1].value", "two"),
        ("containers[*].env[*].name", [["A", "B"], []]),
        ("annotations[*]", ["x"]),
        ("labels[*]", []),
        ("labels[0]", None),
    ],
)
def test_a_path_finds_what_it_names(path: str, found: Any) -> None:
    env = [{"name": "A", "value": "one"}, {"name": "B", "value": "two"}]
    pod = {"metadata": {"annotations": {"a.b/c": "x"}}, "spec": {"containers": [{"name": "web", "env": env}, {"name": "other"}]}}
    assert paths.find(pod, paths.parse(path)) == found


def test_a_path_is_held_against_the_schema_of_a_pod() -> None:
    with pytest.raises(Mistaken, match="a pod has no `imge`"):
        paths.parse("containers[a].imge")
