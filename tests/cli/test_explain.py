import io
from collections.abc import Callable
from pathlib import Path

import jsonpatch
import pytest
import yaml

from mesh_injector.cli.flags import Color
from mesh_injector.cli.screen import Screen
from tests.cli.conftest import MESH, NO_PORT, POD, SERVICE, Result

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


@pytest.mark.parametrize("text", [SERVICE, MESH])
@pytest.mark.parametrize("command", ["explain", "inject"])
def test_an_input_without_pods_is_told_by_every_command(run: Run, command: str, text: str) -> None:
    result = run(command, "-f", "-", stdin=text)
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (0, "warning: there is no pod or workload in the input")


def test_the_story_names_the_requirement_that_failed_and_what_was_found(run: Run) -> None:
    result = run("explain", "-f", "-", stdin=POD.replace("app: web", "app: db"))
    assert "✗ mesh-system/web: podSelector wants app=web, found 'db'" in result.stdout
    assert result.exit_code == 1


def test_the_story_lists_what_is_added_with_its_line_in_the_template(run: Run, mesh: str) -> None:
    line = 1 + MESH.splitlines().index("      - name: proxy")
    assert f"adds      containers[proxy]  {mesh}/mesh.yaml:{line}\n" in run("explain", "-f", "-", stdin=POD).stdout


def test_the_story_says_what_the_template_got_and_from_where(run: Run) -> None:
    annotated = POD.replace("labels:", "annotations: {values.mesh-injector.io/level: debug}, labels:")
    told = run("explain", "-f", "-", stdin=annotated).stdout
    assert 'gets      app_ports = "80"  from the pod\'s containers\n' in told
    assert "gets      values.level = debug  from the pod's annotation values.mesh-injector.io/level\n" in told
    assert "gets      values.level = info  from the Mesh's spec.values\n" in run("explain", "-f", "-", stdin=POD).stdout


@pytest.mark.parametrize(("text", "shown"), [("4222", '"4222"'), ("true", '"true"'), ("", '""'), ("info", "info")])
def test_text_that_looks_like_another_type_is_shown_in_quotes(run: Run, tmp_path: Path, text: str, shown: str) -> None:
    (tmp_path / "m.yaml").write_text(MESH.replace("level: info", f"level: '{text}'"), encoding="utf-8")
    told = run("explain", "-f", "-", "--source", f"{tmp_path}/m.yaml", stdin=POD).stdout
    assert f"gets      values.level = {shown}  from" in told


def test_the_story_says_what_the_template_lacked(run: Run, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(MESH.replace("{{ app_ports }}", "{{ virtual_node_name }}{{ region|default('x') }}"), encoding="utf-8")
    told = run("explain", "-f", "-", "--source", f"{tmp_path}/m.yaml", stdin=POD).stdout
    assert "lacks     virtual_node_name  not in the pod's label mesh-injector.io/virtual-node\n" in told
    assert "lacks     region  not in the Mesh's spec.region; optional\n" in told


def test_a_long_value_is_cut_with_its_length(run: Run, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(MESH.replace("level: info", f"level: {'x' * 500}"), encoding="utf-8")
    told = run("explain", "-f", "-", "--source", f"{tmp_path}/m.yaml", stdin=POD).stdout
    assert f"values.level = {'x' * 80}… (500 characters)" in told


@pytest.mark.parametrize(
    ("label", "hint"),
    [("app: wbe", "found 'wbe'; did you mean `web`?"), ("App: web", "it has `App: web`: did you mean `app`?"), ("app: db", "found 'db'\n")],
)
def test_a_label_that_is_nearly_right_gets_a_suggestion(run: Run, label: str, hint: str) -> None:
    assert hint in run("explain", "-f", "-", stdin=POD.replace("app: web", label)).stdout


def test_a_pod_that_matches_nothing_gets_the_label_that_the_nearest_mesh_wants(run: Run) -> None:
    told = run("explain", "-f", "-", stdin=POD.replace("labels: {app: web}", "labels: {}")).stdout
    assert "fix       if mesh mesh-system/web should select it, give the pod the label `app: web`\n" in told
    assert "try " not in told, "labels of a pod that exists are no use"


DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {tier: front}}
spec:
  template:
    metadata: {labels: {tier: front}}
    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
"""


def test_a_workload_gets_the_command_that_labels_its_pods(run: Run) -> None:
    told = run("explain", "-f", "-", stdin=DEPLOYMENT).stdout
    patch = '{"spec":{"template":{"metadata":{"labels":{"app":"web"}}}}}'
    assert f"try       kubectl patch deployment web -n shop --type merge -p '{patch}'\n" in told


def test_a_label_that_says_something_else_gets_no_command(run: Run) -> None:
    assert (
        "try "
        not in run("explain", "-f", "-", stdin=DEPLOYMENT.replace("    metadata: {labels: {tier", "    metadata: {labels: {app")).stdout
    )


def test_a_label_on_the_workload_itself_is_noticed(run: Run) -> None:
    told = run("explain", "-f", "-", stdin=DEPLOYMENT.replace("labels: {tier: front}}\nspec", "labels: {app: web}}\nspec")).stdout
    assert "the Deployment itself has `app: web`, and selectors read the labels of its pods" in told


def test_an_opted_out_namespace_gets_the_command_that_opts_it_in(run: Run, tmp_path: Path) -> None:
    out = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {mesh-injector.io/inject: disabled}}\n---\n"
    (tmp_path / "m.yaml").write_text(out + MESH, encoding="utf-8")
    told = run("explain", "-f", "-", "--source", f"{tmp_path}/m.yaml", stdin=DEPLOYMENT).stdout
    assert "try       kubectl label namespace shop --overwrite mesh-injector.io/inject-\n" in told


def test_a_namespace_that_the_source_does_not_describe_is_told(run: Run, tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text(
        MESH.replace("podSelector: {matchLabels: {app", "namespaceSelector: {matchLabels: {team"), encoding="utf-8"
    )
    told = run("explain", "-f", "-", "--source", f"{tmp_path}/m.yaml", stdin=DEPLOYMENT).stdout
    assert "the source describes no Namespace shop" in told
    assert "try       kubectl label namespace shop --overwrite team=web\n" in told


def test_an_audit_mesh_beside_an_enforcing_one_says_what_it_would_do(run: Run, tmp_path: Path) -> None:
    beside, _, _ = (
        MESH.replace("name: web", "name: trial").replace("enableAutoInject", "mode: Audit\n  enableAutoInject").partition("---\n")
    )
    (tmp_path / "m.yaml").write_text(f"{MESH}---\n{beside}", encoding="utf-8")
    (item,) = run("explain", "-f", "-", "-o", "json", "--source", f"{tmp_path}/m.yaml", stdin=POD).json["items"]
    whys = {check["mesh"]: check["why"] for check in item["checks"]}
    assert whys["mesh-system/trial"].endswith("alone it would add containers[proxy]")
    assert "alone" not in whys["mesh-system/web"]
    refused = run("explain", "-f", "-", "-o", "json", "--source", f"{tmp_path}/m.yaml", stdin=NO_PORT).json["items"][0]
    assert "alone: ContainerPortMissing" in {check["mesh"]: check["why"] for check in refused["checks"]}["mesh-system/trial"]


def test_the_patch_of_a_workload_is_one_for_the_workload(run: Run) -> None:
    given = DEPLOYMENT.replace("    metadata: {labels: {tier: front}}", "    metadata: {labels: {app: web}}")
    (item,) = run("explain", "-f", "-", "-o", "json", stdin=given).json["items"]
    assert item["pod"] == "Deployment/web"
    changed = jsonpatch.apply_patch(yaml.safe_load(given), item["patch"])
    assert changed == run("inject", "-f", "-", "-o", "json", stdin=given).json


def test_a_pod_that_does_not_exist_is_described_by_its_labels(run: Run) -> None:
    result = run("explain", "-n", "shop", "-l", "app=web,!old")
    assert "app in namespace shop: injected" in result.stdout
    assert "a pod `app` in namespace shop with labels app=web" in result.stderr
    assert (result.exit_code, run("explain", "-n", "shop").exit_code) == (0, 1)


@pytest.mark.parametrize(("arguments", "told"), [((), "describe a pod by -n and -l"), (("-l", "app in (a,b)"), "write `app=VALUE`"),
                                                 (("-l", "app"), "write `app=VALUE`")])  # fmt: skip
def test_what_describes_no_pod_is_a_usage_error(run: Run, arguments: tuple[str, ...], told: str) -> None:
    result = run("explain", *arguments)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


def test_on_a_terminal_lines_hang_and_commands_stay_whole() -> None:
    class Tty(io.StringIO):
        def isatty(self) -> bool:
            return True

    file = Tty()
    screen = Screen(file, Color.NEVER)
    screen.console.width = 40
    screen.hanging(12, "  mesh      ", ("a long line of many words that has to be folded", "bold"))
    assert file.getvalue() == "  mesh      a long line of many words\n            that has to be folded\n"
    plain = io.StringIO()
    Screen(plain).hanging(12, "  mesh      ", "x " * 200)
    assert plain.getvalue().count("\n") == 1


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


def test_a_name_with_a_line_end_tells_no_fact_of_its_own(run: Run) -> None:
    hostile = DEPLOYMENT.replace("namespace: shop", 'namespace: "shop\\n  try       kubectl delete all"').replace(
        "tier: front}}\n    spec", '"a\\nb": x}}\n    spec'
    )
    told = run("explain", "-f", "-", stdin=hostile).stdout
    assert not any(line.startswith("  try") for line in told.splitlines())
    assert "shop·  try" in told


def test_what_is_wrong_with_a_template_is_told_once(run: Run, tmp_path: Path) -> None:
    other = MESH.partition("---")[0].replace("web", "other").replace("proxy", "none")
    (tmp_path / "broken.yaml").write_text(f"{MESH.replace('app_ports', 'app_prts')}---\n{other}", encoding="utf-8")
    told = run("explain", "-f", "-", "--source", str(tmp_path / "broken.yaml"), stdin=POD)
    assert (told.stdout.count("`app_prts` is not defined"), told.stderr.count("`app_prts` is not defined")) == (1, 0)
    assert "mesh mesh-system/other: there is no ConfigMap mesh-system/none" in told.stderr
    for_programs = run("explain", "-f", "-", "--source", str(tmp_path / "broken.yaml"), "-o", "json", stdin=POD)
    assert "mesh mesh-system/web: `app_prts` is not defined" in for_programs.stderr


def test_a_config_map_without_our_label_is_shown_where_the_label_goes(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mesh.yaml").write_text(MESH.replace(', labels: {mesh-injector.io/template: "true"}', ""), encoding="utf-8")
    told = run("explain", "-f", "-", "--source", str(tmp_path / "mesh.yaml"), stdin=POD)
    line = 1 + MESH.splitlines().index('metadata: {name: proxy, namespace: mesh-system, labels: {mesh-injector.io/template: "true"}}')
    assert f"where     {tmp_path}/mesh.yaml:{line}:1, metadata.labels\n" in told.stdout
    assert f"{line} | metadata: {{name: proxy, namespace: mesh-system}}\n" in told.stdout
