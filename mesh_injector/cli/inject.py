"""`inject`: what the webhook would do to pods and workloads, offline; every run applies its own patch and so proves it."""

from mesh_injector.cli import changes, flags, source, subjects
from mesh_injector.cli.changes import Output
from mesh_injector.cli.terminal import Terminal
from mesh_injector.kube.credentials import Credentials


def inject(  # noqa: PLR0913 # the parameters are the command's flags
    files: flags.Files,
    sources: flags.Sources = None,
    kubeconfig: flags.Kubeconfig = "",
    context: flags.Context = "",
    output: changes.OutputFlag = Output.YAML,
    namespace: flags.NamespaceFlag = "",
    all_namespaces: flags.AllNamespaces = False,
    labels: flags.Labels = "",
    home_namespace: flags.Home = "mesh-system",
    color: flags.ColorFlag = flags.Color.AUTO,
    quiet: flags.Quiet = False,
) -> int:
    """Inject pods and workloads offline, just as the webhook would.

    Every document comes out, in order; those it does not touch unchanged. A report is on stderr. Exit 1 when a pod is refused,
    3 when a document cannot be read.

    Examples:

      mesh-injector inject -f deployment.yaml --source mesh/ > injected.yaml

      kubectl get deploy -o yaml | mesh-injector inject -f - -o diff
    """
    terminal, within = Terminal(color, quiet=quiet), subjects.scope(namespace, labels, all_namespaces=all_namespaces)
    snapshot = source.load(sources, home_namespace, terminal, Credentials(kubeconfig, context))
    return changes.tell(output, *subjects.read(files, within, subjects.injecting(snapshot)), terminal)
