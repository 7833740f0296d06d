"""`uninject`: take exactly what the record lists out of pods and workloads, offline; no source is read, since the record says all."""

from mesh_injector.cli import changes, flags, subjects
from mesh_injector.cli.changes import Output
from mesh_injector.cli.terminal import Terminal
from mesh_injector.engine import uninjection
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.rules import Namespace
from mesh_injector.engine.uninjection import Uninjection


def uninject(  # noqa: PLR0913 # the parameters are the command's flags
    files: flags.Files,
    output: changes.OutputFlag = Output.YAML,
    namespace: flags.NamespaceFlag = "",
    all_namespaces: flags.AllNamespaces = False,
    labels: flags.Labels = "",
    color: flags.ColorFlag = flags.Color.AUTO,
    quiet: flags.Quiet = False,
) -> int:
    """Take out of pods and workloads exactly what was injected. Their record lists it.

    Every document comes out, in order; those without a record unchanged. A report is on stderr. Exit 1 when an annotation is no
    record, 3 when a document cannot be read.

    Examples:

      kubectl get deploy cart -o yaml | mesh-injector uninject -f - | kubectl replace -f -

      mesh-injector uninject -f injected.yaml -o diff
    """
    terminal, within = Terminal(color, quiet=quiet), subjects.scope(namespace, labels, all_namespaces=all_namespaces)
    return changes.tell(output, *subjects.read(files, within, _decide), terminal)


def _decide(pod: Pod, namespace: str) -> tuple[Namespace, Uninjection]:
    return Namespace(namespace), uninjection.uninject(pod)
