"""`diff` as its users run it: a new Mesh, a new template, a new folder, held against what there is."""

from collections.abc import Callable
from pathlib import Path

import jsonpatch
import pytest

from mesh_injector.errors import ConfigError
from tests.cli.conftest import MESH, NO_PORT, POD, Result

Run = Callable[..., Result]


@pytest.fixture
def new(tmp_path: Path) -> Callable[[str], str]:
    """Write a new configuration."""

    def call(text: str, name: str = "new.yaml") -> str:
        (tmp_path / name).write_text(text, encoding="utf-8")
        return str(tmp_path / name)

    return call


New = Callable[..., str]


def test_what_changes_nothing_is_0(run: Run, new: New) -> None:
    result = run("diff", new(MESH), "-f", "-", stdin=POD)
    assert result.exit_code == 0
    assert "0 changed, 1 unchanged" in result.stdout


def test_a_comment_in_a_template_changes_no_pod(run: Run, new: New) -> None:
    assert run("diff", new(MESH.replace("    containers:\n", "    # a comment\n    containers:\n")), "-f", "-", stdin=POD).exit_code == 0


def test_another_image_is_shown_as_a_diff_of_both_results(run: Run, new: New) -> None:
    result = run("diff", new(MESH.replace("proxy:1", "proxy:2")), "-f", "-", stdin=POD)
    assert result.exit_code == 1
    assert "-    image: proxy:1\n+    image: proxy:2\n" in result.stdout
    assert "sha256" not in result.stdout, "the record differs with every comment"
    assert "1 changed, 0 unchanged" in result.stdout


def test_json_has_both_decisions_and_the_patch_between_their_results(run: Run, new: New) -> None:
    (item,) = run("diff", new(MESH.replace("proxy:1", "proxy:2")), "-f", "-", "-o", "json", stdin=POD).json["items"]
    assert (item["pod"], item["namespace"], item["changed"], item["what"]) == ("web", "default", True, "comes out otherwise")
    assert item["before"] == item["after"]
    assert item["before"]["mesh"] == "mesh-system/web"
    before = run("inject", "-f", "-", "-o", "json", stdin=POD).json
    assert jsonpatch.apply_patch(before, item["patch"])["spec"]["containers"][1]["image"] == "proxy:2"


def test_pods_that_would_be_refused_are_told_with_the_whole_message(run: Run, new: New) -> None:
    result = run("diff", new(MESH.replace("{{ app_ports }}", "{{ virtual_node_name }}")), "-f", "-", stdin=POD)
    assert "now refused: VirtualNodeLabelMissing" in result.stdout
    assert "+ mesh-injector: [MI201] mesh mesh-system/web:" in result.stdout
    assert "-  - name: proxy" not in result.stdout, "a refused pod comes out in no form"
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["injected", "1", "0"] in rows
    assert ["refused", "0", "1"] in rows


def test_another_mesh_and_another_reason_are_told(run: Run, new: New) -> None:
    other = MESH.replace("name: web, namespace", "name: better, namespace").replace("  values:", "  priority: 5\n  values:")
    assert "another mesh: mesh-system/better, not mesh-system/web" in run("diff", new(other), "-f", "-", stdin=POD).stdout
    off = new(MESH.replace("enableAutoInject: true", "enableAutoInject: false"), "off.yaml")
    elsewhere = POD.replace("app: web", "app: db")
    narrow = new(MESH.replace("enableAutoInject: true", "enableAutoInject: false").replace("{app: web}", "{}"), "narrow.yaml")
    assert "another reason: AutoInjectOff" in run("diff", narrow, "--source", off, "-f", "-", stdin=elsewhere).stdout
    moved = new(MESH.replace("app: web}", "app: other}"), "moved.yaml")
    result = run("diff", moved, "-f", "-", stdin=POD)
    assert "web in namespace default: now skipped" in result.stdout


def test_a_new_warning_is_told(run: Run, new: New) -> None:
    annotated = POD.replace("labels:", "annotations: {values.mesh-injector.io/level: info}, labels:")
    result = run("diff", new(MESH.replace("overrides: [level]", "overrides: []")), "-f", "-", stdin=annotated)
    assert "other warnings" in result.stdout
    assert "+ warning: mesh mesh-system/web lists no override `level`" in result.stdout
    back = run(
        "diff", new(MESH), "--source", new(MESH.replace("overrides: [level]", "overrides: []"), "b.yaml"), "-f", "-", stdin=annotated
    )
    assert "- warning: mesh mesh-system/web lists no override `level`" in back.stdout


def test_what_the_new_configuration_leaves_out_stays_unless_it_is_the_whole(run: Run, new: New) -> None:
    _, _, config_map = MESH.partition("---\n")
    assert run("diff", new(config_map), "-f", "-", stdin=POD).exit_code == 0
    gone = run("diff", new(config_map), "--whole", "-f", "-", stdin=POD)
    assert (gone.exit_code, "now skipped" in gone.stdout) == (1, True)


def test_a_bare_template_takes_the_place_of_that_of_a_mesh(run: Run, new: New) -> None:
    template = new("containers:\n  - name: proxy\n    image: proxy:9\n", "patch.yaml.j2")
    for arguments in ((), ("--mesh", "web"), ("--mesh", "mesh-system/web")):
        assert "+    image: proxy:9" in run("diff", template, *arguments, "-f", "-", stdin=POD).stdout
    wrong = run("diff", template, "--mesh", "wbe", "-f", "-", stdin=POD)
    assert (wrong.exit_code, "there are mesh-system/web" in " ".join(wrong.stderr.split())) == (2, True)


def test_a_bare_template_that_cannot_be_read_or_has_no_config_map_is_told(run: Run, new: New, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        run("diff", str(tmp_path / "none.j2"), "-f", "-", stdin=POD)
    mesh, _, config_map = MESH.partition("---\n")
    template = new("containers: []\n", "a.j2")
    with pytest.raises(ConfigError, match="there is no ConfigMap mesh-system/proxy"):
        run("diff", template, "--source", new(mesh, "m.yaml"), "-f", "-", stdin=POD)
    two = f"{mesh}---\n{config_map}  other: x\n"
    with pytest.raises(ConfigError, match="2 entries"):
        run("diff", template, "--source", new(two, "t.yaml"), "-f", "-", stdin=POD)


def test_a_new_configuration_that_does_not_load_is_told_and_is_1(run: Run, new: New) -> None:
    result = run("diff", new(MESH.replace("{{ app_ports }}", "{{ app_prts }}")), "-f", "-", stdin=POD)
    assert result.exit_code == 1
    assert "error [MI302]" in result.stderr
    assert "did you mean `app_ports`?" in result.stderr
    assert "a running one keeps the last good part" in result.stderr
    assert "now refused" in result.stdout


def test_what_was_wrong_before_is_no_fault_of_the_new_configuration(run: Run, new: New) -> None:
    broken = MESH.replace("name: web, namespace", "name: broken, namespace").replace("name: proxy}", "name: none}")
    both = new(MESH + "---\n" + broken.partition("---\n")[0], "source.yaml")
    result = run("diff", new(MESH), "--source", both, "-f", "-", stdin=POD.replace("app: web", "app: db"))
    assert (result.exit_code, "error [" in result.stderr) == (0, False)


def test_what_cannot_be_read_is_3(run: Run, new: New) -> None:
    assert run("diff", new("a: [\n"), "-f", "-", stdin=POD).exit_code == 3
    assert run("diff", new(MESH), "-f", "-", stdin="a: [\n").exit_code == 3


def test_without_pods_there_is_one_for_each_mesh(run: Run, new: New) -> None:
    other = MESH.replace("name: web, namespace", "name: other, namespace").replace("app: web", "app: other").partition("---\n")[0]
    result = run("diff", new(other), "-o", "json")
    assert [(item["pod"], item["what"]) for item in result.json["items"]] == [("web-pod", "unchanged"), ("other-pod", "now injected")]


def test_a_summary_has_the_tables_and_no_diff(run: Run, new: New) -> None:
    result = run("diff", new(MESH.replace("proxy:1", "proxy:2")), "-o", "summary", "-f", "-", stdin=f"{POD}---\n{NO_PORT}")
    assert "+++" not in result.stdout
    assert "1 changed, 1 unchanged" in result.stdout


def test_a_name_with_a_line_end_stays_on_its_line(run: Run, new: New) -> None:
    hostile = POD.replace("name: web, labels", 'name: web, namespace: "a\\nb", labels')
    told = run("diff", new(MESH.replace("proxy:1", "proxy:2")), "-f", "-", stdin=hostile).stdout
    assert "web in namespace a·b: comes out otherwise" in told
