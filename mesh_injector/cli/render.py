"""`render`: what a mesh's template becomes for a pod, before it is placed, and which variables it gets."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from mesh_injector import documents
from mesh_injector.cli import exits, flags, source, subjects
from mesh_injector.cli.flags import flag
from mesh_injector.cli.screen import Part
from mesh_injector.cli.subjects import Scope
from mesh_injector.cli.terminal import Terminal
from mesh_injector.engine import overlay
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace
from mesh_injector.engine.template import PatchTemplate, names
from mesh_injector.errors import ConfigError, InjectionError
from mesh_injector.formats.mesh import variables
from mesh_injector.formats.mesh.mesh import Mesh
from mesh_injector.kube.credentials import Credentials
from mesh_injector.store import Snapshot

_SHOWN: Final = 2000
"""So many characters of a value a table shows."""


class Output(StrEnum):
    """The forms of the output."""

    YAML = "yaml"
    JSON = "json"


def render(  # noqa: PLR0913 # the parameters are the command's flags
    mesh: Annotated[str, flag("--mesh", metavar="[NAMESPACE/]NAME", help="The Mesh whose template to render.")],
    files: flags.OptionalFiles = None,
    sources: flags.Sources = None,
    kubeconfig: flags.Kubeconfig = "",
    context: flags.Context = "",
    show_vars: Annotated[bool, flag("--vars", help="List the variables: which the template names and needs, and their values.")] = False,
    output: Annotated[Output, flag("-o", "--output", help="yaml or json.")] = Output.YAML,
    namespace: flags.NamespaceFlag = "",
    all_namespaces: flags.AllNamespaces = False,
    labels: flags.Labels = "",
    home_namespace: flags.Home = "mesh-system",
    color: flags.ColorFlag = flags.Color.AUTO,
    quiet: flags.Quiet = False,
) -> int:
    """Render a mesh's template for pods. Without a file it is rendered for a stand-in pod.

    Selectors are not asked: this shows the template, `inject` and `explain` show the decision. Exit 1 when it does not render.

    Examples:

      mesh-injector render --mesh payments --source mesh/

      mesh-injector render --mesh payments -f pod.yaml --source mesh/ --vars
    """
    terminal = Terminal(color, quiet=quiet)
    snapshot = source.load(sources, home_namespace, terminal, Credentials(kubeconfig, context))
    found = _find(mesh, snapshot)
    within = subjects.scope(namespace, labels, all_namespaces=all_namespaces)
    pods = _pods(files, within, snapshot) if files else [(_stand_in(found, terminal), snapshot.namespace(namespace or "default"))]
    try:
        _tell(found, pods, output, terminal, show_vars=show_vars)
    except InjectionError as error:
        terminal.problem(error.problem)
        return exits.NO
    return exits.DONE


def _tell(mesh: Mesh, pods: Sequence[tuple[Pod, Namespace]], output: Output, terminal: Terminal, *, show_vars: bool) -> None:
    """Print the rendering for each pod, or its variables. Raises InjectionError."""
    template = _template(mesh)
    collected = [(pod, variables.of(mesh, template, pod, where)) for pod, where in pods]
    if show_vars and output is Output.JSON:
        terminal.json({"items": [_as_json(template, pod, given) for pod, given in collected]})
    elif not show_vars:
        _print([_checked(mesh, template, given) for _, given in collected], output, terminal)
    else:
        for pod, given in collected:
            _show(template, pod, given, terminal)


def _find(name: str, snapshot: Snapshot) -> Mesh:
    """Find a mesh by `name` or `namespace/name`; a usage error lists those that there are."""
    found = [mesh for mesh in snapshot.rules.meshes if name in (mesh.name, str(mesh))]
    if len(found) == 1:
        return found[0]
    known = ", ".join(map(str, found or snapshot.rules.meshes)) or "none"
    raise typer.BadParameter(f"{'several meshes are' if found else 'no mesh is'} named {name!r}; there are {known}", param_hint="--mesh")


def _checked(mesh: Mesh, template: PatchTemplate, given: dict[str, Any]) -> dict[str, Any]:
    """Render, and check what comes out as the webhook does. Raises InjectionError."""
    rendered = template.render(given)
    overlay.make(rendered, privileged=mesh.privileged)
    return rendered.body


def _template(mesh: Mesh) -> PatchTemplate:
    """Return the mesh's template. Raises InjectionError with what is wrong with it."""
    if mesh.template is None:
        assert mesh.fault is not None  # noqa: S101 # a mesh has one of the two
        raise mesh.fault
    return mesh.template


def _pods(files: Sequence[str], within: Scope, snapshot: Snapshot) -> list[tuple[Pod, Namespace]]:
    """Read the pods of some files. Raises ConfigError with the first thing that is wrong with them."""
    judged, problems = subjects.read(files, within, subjects.injecting(snapshot))
    if problems:
        raise ConfigError(problems[0])
    return [(subject.pod, subject.namespace) for one in judged for subject in one.subjects]


def _stand_in(mesh: Mesh, terminal: Terminal) -> Pod:
    """Make a pod that has what templates ask for, so that a template can be looked at before there is a pod."""
    terminal.say("no -f: rendering for a stand-in pod `app` with port 8080 and the virtual node label", style="dim")
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "app", "labels": {"app": "app", mesh.spec.virtual_node_label: "app"}},
        "spec": {"containers": [{"name": "app", "image": "app", "ports": [{"containerPort": 8080}]}]},
    }
    return Pod.from_document(body)


def _print(bodies: Sequence[dict[str, Any]], output: Output, terminal: Terminal) -> None:
    if output is Output.JSON:
        terminal.json(bodies[0] if len(bodies) == 1 else list(bodies))
    else:
        terminal.data("---\n".join(documents.dump(body) for body in bodies))


def _show(template: PatchTemplate, pod: Pod, given: dict[str, Any], terminal: Terminal) -> None:
    """List every variable: whether the template needs or only asks for it, and what it is for this pod."""
    terminal.say(f"variables for {pod.name}", style="bold")
    terminal.table(("VARIABLE", "USE", "VALUE"), [_variable(name, shape, template, given) for name, shape in names.VARIABLES.items()])


def _variable(name: str, shape: str, template: PatchTemplate, given: dict[str, Any]) -> tuple[Part, ...]:
    value = documents.dump([given[name]]).strip()[2:] if name in given else shape if name not in template.named else "not defined"
    cut = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}… ({len(value):,} characters; `-o json` has all)"
    return name, _use(name, template), (cut, "" if name in given else "dim")


def _use(name: str, template: PatchTemplate) -> str:
    return "needed" if name in template.needed else "optional" if name in template.named else "-"


def _as_json(template: PatchTemplate, pod: Pod, given: dict[str, Any]) -> dict[str, Any]:
    """Give the variables to programs: those that the template names, with their values as they are."""
    named = {name: {"use": _use(name, template), "value": given.get(name)} for name in names.VARIABLES if name in template.named}
    return {"pod": pod.name, "variables": named}
