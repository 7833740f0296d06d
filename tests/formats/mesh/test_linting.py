"""What can be said without a pod: errors where no pod can be injected, warnings where some may not, and nothing about what is right."""

import pytest
from hypothesis import given

from mesh_injector import documents
from mesh_injector.errors import Problem
from mesh_injector.formats.mesh import linting
from mesh_injector.formats.mesh.linting import Finding, Severity
from tests import corpora
from tests.engine.template.test_any_template import templates

CONFIG_MAP = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: sidecar, namespace: NAMESPACE, labels: {mesh-injector.io/template: "true"}}
data:
  patch: |
"""


def a_mesh(*fields: str, name: str = "shop", namespace: str = "mesh-system") -> str:
    lines = [
        "enableAutoInject: true",
        "injectionSelector: {podSelector: {matchLabels: {app: a}}}",
        "sidecarPatchConfigMap: {name: sidecar}",
    ]
    given = {line.partition(":")[0]: line for line in [*lines, *fields]}
    head = f"apiVersion: mesh-injector.io/v1alpha1\nkind: Mesh\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec:\n"
    return head + "".join(f"  {line}\n" for line in given.values())


def a_template(text: str, namespace: str = "mesh-system") -> str:
    return CONFIG_MAP.replace("NAMESPACE", namespace) + "".join(f"    {line}\n" for line in text.splitlines())


def found(*texts: str) -> tuple[Finding, ...]:
    parsed = documents.parse("---\n".join(texts), "all.yaml")
    assert not parsed.problems
    return linting.findings(parsed.documents)


def codes(*texts: str) -> list[tuple[str, str]]:
    return [(finding.severity.value, finding.problem.code) for finding in found(*texts)]


def container(*lines: str) -> str:
    return "\n".join(["containers:", "  - name: envoy", "    image: envoy:1", *lines])


IMAGES = (
    "envoy:1",
    "a/b/c__d.e--f:V1_x",
    "localhost:5000/envoy:1",
    "Registry.Example/envoy:1",
    "[2001:db8::1]:5000/envoy:1",
    f"envoy:1@sha256:{'0' * 64}",
)
OF_TEMPLATES: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "nothing wrong": (container("    env: [{name: A, value: {{ mesh_name }}}]"), []),
    "a misspelt field": (container("    imagee: x"), [("error", "MI401")]),
    "a misspelt field with a value": (container("    imagee: {{ mesh_name }}"), [("error", "MI401")]),
    "a misspelt field in a branch that no value takes": (
        container("    {% if mesh_name == 'x' %}", "    imagee: x", "    {% endif %}"), [("error", "MI401")]),
    "a misspelt field in an else": (
        container("    {% if mesh_name == mesh_name %}", "    tty: true", "    {% else %}", "    ty: true", "    {% endif %}"),
        [("error", "MI401")]),
    "a misspelt field in a loop that may not run": (
        container("    {% for a in [] %}", "    imagee: x", "    {% endfor %}"), [("error", "MI401")]),
    "two misspelt fields": (container("    imagee: x", "    commando: [x]"), [("error", "MI401"), ("error", "MI401")]),
    "broken YAML in a branch": (container("    {% if mesh_name == 'x' %}", "    tty: [", "    {% endif %}"), [("warning", "MI304")]),
    "a port name": (container("    ports: [{containerPort: 1, name: sixteencharacters}]"), [("error", "MI401")]),
    "ports that are values": (container("    ports: [{containerPort: {{ values.a }}}, {containerPort: {{ values.b }}}]"), []),
    "an unknown filter": (container("    args: [{{ mesh_name|nope }}]"), [("error", "MI301")]),
    "an unknown name": (container("    args: [{{ nope }}]"), [("error", "MI302")]),
    "a value that is not there": (container("    args: [{{ values.nope }}]"), [("error", "MI302")]),
    "a value that is not there in a branch": (
        container("    {% if mesh_name == 'x' %}", "    args: [{{ values.nope }}]", "    {% endif %}"), [("warning", "MI708")]),
    "a value of the wrong type": (container("    tty: {{ values.a }}"), [("error", "MI401")]),
    "an image without a tag": ("containers: [{name: a, image: 'registry:5000/envoy'}]", [("warning", "MI705")]),
    "latest in the values": ("containers: [{name: a, image: {{ values.image }}}]", [("warning", "MI705")]),
    "a digest": (f"containers: [{{name: a, image: 'envoy@sha256:{'a' * 64}'}}]", []),
    "an image with a space": ("containers: [{name: a, image: 'envoy :1'}]", [("warning", "MI710")]),
    "an image in upper case": ("containers: [{name: a, image: 'Envoy'}]", [("warning", "MI710")]),
    "an image with half a digest": ("containers: [{name: a, image: 'envoy@sha256:aa'}]", [("warning", "MI710")]),
    "an image that is a value of the mesh": ("containers: [{name: a, image: {{ values.spaced }}}]", [("warning", "MI710")]),
    "images of all forms": (
        "containers:\n" + "".join(f"  - {{name: a{number}, image: '{image}'}}\n" for number, image in enumerate(IMAGES)), []),
    "a probe of a port that is not there": (
        container("    readinessProbe: {httpGet: {port: admin}}"), [("warning", "MI711")]),
    "a handler of a port that is not there": (
        container("    ports: [{name: http, containerPort: 1}]", "    lifecycle: {preStop: {tcpSocket: {port: htp}}}"),
        [("warning", "MI711")]),
    "a probe of a port that is there": (
        container("    ports: [{name: http, containerPort: 1}]", "    livenessProbe: {httpGet: {port: http}}"), []),
    "a probe of a number": (container("    livenessProbe: {httpGet: {port: 8080}}"), []),
    "a probe of a port that is a value": (container("    livenessProbe: {httpGet: {port: {{ values.port }}}}"), [("warning", "MI711")]),
    "a probe where ports are values": (
        container("    ports: [{name: {{ values.port }}, containerPort: 1}]", "    livenessProbe: {httpGet: {port: admin}}"), []),
    "a probe added to the pod's own container": (
        "containers: [{name: app, livenessProbe: {httpGet: {port: http}}}]", [("warning", "MI709")]),
    "a fallback that is needed": (container("    args: [{{ region|default(app_ports) }}]"), [("note", "MI706")]),
    "a fallback that is always there": (container("    args: [{{ region|default(mesh_name) }}]"), []),
    "a label that the pod may lack": (container("    args: [{{ pod.metadata.labels.tier }}]"), [("note", "MI302")]),
    "branches that exclude each other": (
        container("    {% if mesh_name == 'a' %}", "    tty: true", "    {% endif %}", "    {% if mesh_name == 'b' %}", "    tty: false",
                  "    {% endif %}"), []),
    "a container that only some branches name": (
        "{% if region is defined %}\ncontainers:\n{% endif %}\n{% if region is defined %}\n  - {name: a, image: 'b:1'}\n{% endif %}", []),
    "what two branches need from each other": (
        "containers:\n{% if mesh_name != 'x' %}\n  - name: a\n{% endif %}\n{% if mesh_name|length > 0 %}\n    image: 'b:1'\n{% endif %}",
        [("warning", "MI401"), ("warning", "MI709")]),
    "a list inside text": (container("    args: ['{{ values.list }}']"), [("error", "MI401")]),
    "a loop over numbers": (container("    {% for x in values.a %}", "    {% endfor %}"), [("error", "MI301")]),
    "an endless loop": ("{% for a in range(99999) %}{% endfor %}", [("error", "MI303")]),
    "a key that is a value": ("metadata: {labels: { {{ values.image }}: a}}", [("error", "MI401")]),
    "a mount without a volume": (container("    volumeMounts: [{name: tmp, mountPath: /tmp}]"), [("warning", "MI709")]),
    "a mount with its volume": (container("    volumeMounts: [{name: tmp, mountPath: /tmp}]", "volumes: [{name: tmp, emptyDir: {}}]"), []),
    "a mount of what is a value": (container("    volumeMounts: [{name: {{ mesh_name }}, mountPath: /tmp}]"), []),
    "a mount where volumes are values": (
        container("    volumeMounts: [{name: tmp, mountPath: /tmp}]", "volumes: [{name: {{ app_ports }}, emptyDir: {}}]"), []),
    "no name servers": (container() + "\ndnsPolicy: None", [("warning", "MI709")]),
    "name servers": (container() + "\ndnsPolicy: None\ndnsConfig: {nameservers: [10.0.0.1]}", []),
    "a container without an image": ("containers: [{name: app, tty: true}]", [("warning", "MI709")]),
    "each of the pod's containers": ("containers:\n{% for a in container_names %}\n  - {name: {{ a }}, tty: true}\n{% endfor %}", []),
    "a key that no pod has": (container("    args: [{{ pod.metdata }}]"), [("error", "MI302")]),
    "rights at home": ("spec: {hostPID: true}", []),
    "one list": ("- a", [("error", "MI401")]),
    "nothing at all": ("", []),
}  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), OF_TEMPLATES.values(), ids=OF_TEMPLATES.keys())
def test_a_template_is_judged_branch_by_branch(text: str, expected: list[tuple[str, str]]) -> None:
    values = "values: {a: 1, b: 2, image: 'envoy:latest', list: [1], spaced: 'en voy:1', port: admin}"
    told = codes(a_mesh(values), a_template(text))
    assert [one for one in told if one[1] != "MI702"] == expected


OF_MESHES: dict[str, tuple[tuple[str, ...], list[tuple[str, str]]]] = {
    "an override without a value": (("overrides: [zone]",), [("warning", "MI701")]),
    "a value that nothing reads": (("values: {a: 1}",), [("warning", "MI702")]),
    "names that differ in case": (("values: {logLevel: a}", "overrides: [loglevel, logLevel]"),
                                  [("warning", "MI702"), ("warning", "MI701"), ("warning", "MI707")]),
    "an unknown field": (("overides: [a]",), [("error", "MI103")]),
    "a bad selector": (("injectionSelector: {podSelector: {matchExpressions: [{key: a, operator: Is}]}}",), [("error", "MI208")]),
    "another ConfigMap": (("sidecarPatchConfigMap: {name: nope}",), [("error", "MI205"), ("warning", "MI703")]),
    "another key": (("sidecarPatchConfigMap: {name: sidecar, key: nope}",), [("error", "MI207")]),
    "a mesh that is off may be incomplete": (("enableAutoInject: false", "sidecarPatchConfigMap: {name: nope}"), [("warning", "MI703")]),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "expected"), OF_MESHES.values(), ids=OF_MESHES.keys())
def test_a_mesh_is_judged(fields: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    assert sorted(codes(a_mesh(*fields), a_template(container()))) == sorted(expected)


def test_a_value_that_is_read_as_part_of_the_whole_is_used() -> None:
    for text in ("args: [{{ values|tojson }}]", "args: [{{ values['a' ~ 'b'] }}]", "args: [{{ values.ab|d('') }}]"):
        assert codes(a_mesh("values: {ab: x}"), a_template(container(f"    {text}"))) == []


def test_a_tenant_is_told_of_rights_in_any_branch_and_of_foreign_config_maps() -> None:
    text = container("    {% if mesh_name == 'x' %}", "    securityContext: {privileged: true}", "    {% endif %}")
    assert codes(a_mesh(namespace="shop"), a_template(text, "shop")) == [("error", "MI402")]
    foreign = a_mesh("sidecarPatchConfigMap: {name: sidecar, namespace: mesh-system}", namespace="shop")
    assert ("error", "MI206") in codes(foreign, a_template(container()))


def test_a_certain_tie_is_told_and_an_uncertain_one_is_not() -> None:
    text = a_template(container())
    assert codes(a_mesh(name="a"), a_mesh(name="b"), text) == [("warning", "MI704")]
    assert codes(a_mesh(name="a"), a_mesh("priority: 1", name="b"), text) == []
    assert codes(a_mesh(name="a"), a_mesh("injectionSelector: {podSelector: {matchLabels: {app: b}}}", name="b"), text) == []
    assert codes(a_mesh(name="a"), a_mesh("mode: Audit", name="b"), text) == []
    assert codes(a_mesh(name="a"), a_mesh("enableAutoInject: false", name="b"), text) == []


def test_a_template_that_no_mesh_names_is_judged_all_the_same() -> None:
    assert codes(a_template(container("    imagee: x"))) == [("warning", "MI703"), ("error", "MI401")]
    assert codes(a_template("spec: {hostPID: true}", "shop")) == [("warning", "MI703"), ("error", "MI402")]


def test_a_place_is_that_in_the_file_also_where_the_template_stands_in_quotes() -> None:
    block, quoted = (
        a_template(container("    imagee: x")),
        CONFIG_MAP.replace("NAMESPACE", "mesh-system").replace("patch: |\n", 'patch: "containers: [{name: a, imagee: x}]"\n'),
    )
    mesh = a_mesh()
    for text, line in ((block, 17), (quoted, 13)):
        (finding,) = [one for one in found(mesh, text) if one.severity is Severity.ERROR]
        assert (finding.place.source, finding.place.line) == ("all.yaml", line)


def test_the_same_thing_at_the_same_place_is_told_once() -> None:
    text = a_template(container("    args: [{{ values.nope }}]", "    imagee: x"))
    assert codes(a_mesh(name="a"), a_mesh("priority: 1", name="b"), text) == [("error", "MI302"), ("error", "MI401")]


@given(templates)
def test_any_template_of_the_language_is_judged_without_a_fault_of_ours(text: str) -> None:
    assert all(finding.place.source == "t.j2" for finding in linting.of_template(text, "t.j2"))


def test_a_hostile_template_is_judged_within_the_bounds() -> None:
    for attack in corpora.templates():
        told = linting.of_template(attack.template, "t.j2")
        assert len(told) < 1000, attack.id
        assert all(len(finding.problem.what) < 1000 for finding in told), attack.id


def test_what_is_judged_of_a_stand_in_counts_for_nothing_and_the_name_of_a_field_is_none() -> None:
    def told(line: str) -> list[str]:
        return [finding.problem.what for finding in linting.of_template(container(f"    {line}"), "t.j2")]

    assert told("ports: [{containerPort: 1, protocol: {{ mesh_name }}}]") == []
    assert told("imagee: {{ mesh_name }}") == ["`spec.containers[0].imagee`: unknown field `imagee`"]


def test_only_entries_that_a_mesh_names_are_judged_and_all_of_a_config_map_that_none_names() -> None:
    readme = "  README.md: |\n    # How to *use* {{ it }}\n"
    named = a_mesh("sidecarPatchConfigMap: {name: sidecar, key: patch}")
    assert codes(named, a_template(container()) + readme) == []
    (_, told) = found(a_template(container()) + readme)
    assert (told.problem.code, told.problem.what.startswith("ConfigMap mesh-system/sidecar, key README.md: ")) == ("MI302", True)


def test_nothing_that_is_right_is_called_unused_because_of_another_fault() -> None:
    assert codes(a_mesh("values: {image: a}"), a_template(container("    args: [{{ values.imgae }}]"))) == [("error", "MI302")]
    other = a_mesh().replace("mesh-injector.io/v1alpha1", "v1")
    assert codes(other, a_template(container())) == [("error", "MI104")]
    for whole, broken in ((a_mesh(), a_template(container())), (a_template(container()), a_mesh())):
        parsed = documents.parse(
            f"{whole}---\n{broken}---\na: [\n".replace("kind: ConfigMap" if whole == a_mesh() else "kind: Mesh", "kind: [", 1), "a"
        )
        told = linting.findings(parsed.documents, parsed.problems)
        assert {finding.problem.code for finding in told} == {"MI101"}


def test_a_template_that_stands_alone_in_a_file_gets_the_same_hints() -> None:
    (one,) = linting.of_template("spec: {containers: [{name: envoy, image: envoy}]}\n", "t.yaml")
    assert (one.severity, one.problem.code) == (Severity.WARNING, "MI705")


@pytest.mark.parametrize("containers", ["[text]", "[null, 1]"])
def test_what_is_no_container_is_told_and_not_looked_into(containers: str) -> None:
    (one,) = linting.of_template(f"spec: {{containers: {containers}}}\n", "t.yaml")[:1]
    assert one.severity is Severity.ERROR


def test_values_that_break_a_template_are_told_each_at_its_output_also_of_a_mesh_that_is_off() -> None:
    text = container("    args: [{{ app_ports }}]", "    tty: {{ values.tty }}", "    stdin: {{ values.stdin }}")
    told = [codes(a_mesh("values: {tty: fast, stdin: slow}", f"enableAutoInject: {on}"), a_template(text)) for on in ("true", "false")]
    assert [one for one in told[0] if one[0] == "error"] == [("error", "MI401")] * 2
    assert told[1] == told[0]


def test_an_override_that_is_nearly_a_value_gets_the_one_that_was_meant() -> None:
    (told,) = [
        one.problem
        for one in found(a_mesh("values: {debug: a}", "overrides: [debgu]"), a_template(container()))
        if one.problem.code == "MI701"
    ]
    assert told.fix == "did you mean `debug`? Else give it a value in `spec.values`"
    (told,) = [
        one.problem
        for one in found(a_mesh("values: {debug: a}", "overrides: [zone]"), a_template(container()))
        if one.problem.code == "MI701"
    ]
    assert told.fix == "give it a value in `spec.values`"


@pytest.mark.parametrize(
    "text",
    [
        "containers: [{name: a, image: 'En voy{{ region }}'}]",
        "containers: [{name: a, image: 'envoy:1', livenessProbe: {httpGet: {port: 'a{{ app_ports }}'}}}]",
    ],
)
def test_of_an_image_or_a_port_that_holds_a_value_no_slip_is_told(text: str) -> None:
    assert linting.of_template(text, "t.yaml") == ()
    assert linting.of_template(text.replace("{{", "").replace("}}", ""), "t.yaml")


def test_beside_an_error_in_the_branch_of_a_pod_with_ports_no_slip_of_that_branch_is_told() -> None:
    ours, other = "{name: a, image: 'en voy:1', imagee: x}", "{name: a, image: 'b:1'}"
    text = f"containers:\n{{% if container_ports %}}\n  - {ours}\n{{% else %}}\n  - {other}\n{{% endif %}}"
    assert codes(a_mesh(), a_template(text)) == [("error", "MI401")]


def test_what_was_found_elsewhere_is_a_warning_at_its_place() -> None:
    parsed = documents.parse(a_mesh(), "all.yaml")
    problem = Problem("MI709", "what", "Job a/b at all.yaml:3:9", "fix")
    (told,) = linting.warnings(parsed.documents, [problem, problem])
    assert (told.severity, told.problem, str(told.place)) == (Severity.WARNING, problem, "all.yaml:3:9")


VALUED = 'values: {port: "8686"}'
PORT = "    ports: [{containerPort: {{ values.port }}}]"
LOOP = "{% for name in container_names %}\n  - {name: {{ name }}, tty: true}\n{% endfor %}"
LABEL = "    env: [{name: A, value: {{ pod.metadata.labels.tier }}}]"


@pytest.mark.parametrize(
    "text",
    [
        container("    env: [{name: A, value: {{ pod.metadata.labels|get('a', 'b') }}}]", PORT, LOOP),
        "initContainers:\n  - {name: a, image: 'b:1', ports: [{containerPort: {{ values.port }}}]}\ncontainers:\n" + LOOP,
        container("    {% if values.port %}", PORT, "    {% endif %}", "    args: [{{ app_ports }}]"),
        container("    {% if app_ports %}", "    tty: true", "    {% endif %}", PORT),
        "containers:\n{% if app_ports %}\n  - {name: b, image: 'b:1'}\n{% endif %}\n  - {name: a, image: 'b:1', tty: {{ values.port }}}",
        container("    {% for x in values.port|int %}", "    {% endfor %}", "    args: [{{ app_ports }}]"),
    ],
)
def test_what_no_pod_can_mend_is_an_error_whatever_else_the_template_reads_of_pods(text: str) -> None:
    assert [one for one in codes(a_mesh(VALUED), a_template(text)) if one[0] != "warning"] in ([("error", "MI401")], [("error", "MI301")])


@pytest.mark.parametrize(
    "text",
    [
        container("    ports: [{containerPort: {{ pod.metadata.labels|get('port', values.port) }}}]"),
        container("    {% if pod.metadata.labels|get('a', 'b') == 'b' %}", PORT, "    {% endif %}"),
        container("    {% for one in container_ports %}", PORT, "    {% endfor %}"),
        container("    {% for one in container_names if one == 'app' %}", PORT, "    {% endfor %}"),
    ],
)
def test_what_depends_on_the_pod_is_a_note(text: str) -> None:
    assert codes(a_mesh(VALUED), a_template(text)) == [("note", "MI401")]


def test_what_pods_may_override_is_a_note() -> None:
    text = container("    args: [{{ app_ports }}]", PORT)
    assert codes(a_mesh(VALUED, "overrides: [port]"), a_template(text)) == [("note", "MI401")]


@pytest.mark.parametrize("path", ["pod.metadata.labels.tier", "pod.spec.nodeName", "namespace.labels['a/b']"])
def test_what_a_pod_may_lack_hides_nothing_behind_it(path: str) -> None:
    text = f"containers:\n  - name: a\n    args: [{{{{ {path} }}}}]\n    image: {{{{ values.image }}}}\n{PORT}"
    mesh = a_mesh('values: {port: "8686", image: "a:latest"}')
    assert codes(mesh, a_template(text)) == [("note", "MI302"), ("warning", "MI705"), ("error", "MI401")]


@pytest.mark.parametrize("path", ["pod.metadata.labels.app.x", "pod.metadata.labels.app.x.y"])
def test_what_stands_below_a_text_can_be_given_by_no_pod_and_is_told(path: str) -> None:
    (told,) = found(a_mesh(VALUED), a_template(container(f"    args: [{{{{ {path} }}}}]", PORT)))
    assert (told.severity, told.problem.code) == (Severity.WARNING, "MI302")


def test_what_is_no_yaml_for_some_pods_is_told() -> None:
    text = "{% if virtual_node_name is defined %}\nx: [\n{% endif %}\n" + container()
    assert codes(a_mesh(), a_template(text)) == [("warning", "MI304")]


def test_a_rendering_that_stops_at_what_the_pod_brings_is_told_as_one_that_was_not_looked_at() -> None:
    (told,) = found(a_mesh(VALUED), a_template(container("    args: [{{ pod.metadata.labels.app > 1 }}]", PORT)))
    assert told.severity is Severity.WARNING
    assert told.problem.what.endswith("; what else is wrong was not looked for (for a stand-in pod)")
