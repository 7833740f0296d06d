"""`manifests`: what is to be installed on a cluster, as YAML: the files of `config/`, which come with the program.

Nothing is asked of a cluster; `kubectl apply -f -` reads the output.
"""

import re
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from mesh_injector import documents
from mesh_injector.cli import exits, flags, kustomization, shipped
from mesh_injector.cli.flags import flag
from mesh_injector.cli.terminal import Terminal

HOME: Final = "mesh-system"
"""The namespace that the files name."""
_IMAGE: Final = re.compile(r"[a-z0-9][a-zA-Z0-9._:/-]*(@sha256:[0-9a-f]{64})?")
_NAMESPACE: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class Variant(StrEnum):
    """What can be had beside the default, each a folder of `config/`."""

    CERT_MANAGER = "cert-manager"
    PROMETHEUS = "prometheus"
    GRAFANA = "grafana"


def _image(given: str) -> str:
    if given and not _IMAGE.fullmatch(given):
        raise typer.BadParameter(f"{given!r} is no image; write it as in a pod: example.com/mesh-injector:1.0.0")
    return given


def _namespace(given: str) -> str:
    if not _NAMESPACE.fullmatch(given):
        raise typer.BadParameter(f"{given!r} is no name of a namespace: at most 63 of a-z, 0-9 and -, which is not first or last")
    return given


def manifests(
    namespace: Annotated[
        str, flag("-n", "--namespace", metavar="NAME", callback=_namespace, help="The injector's own namespace, home of its Meshes.")
    ] = HOME,
    image: Annotated[
        str,
        flag("--image", metavar="IMAGE", callback=_image, help="The image that the replicas run. Default: mesh-injector of this release."),
    ] = "",
    variant: Annotated[
        list[Variant] | None, flag("--variant", help="Also what makes the certificate, scrapes metrics and shows them; repeatable.")
    ] = None,
    replicas: Annotated[
        int, flag("--replicas", min=1, max=100, help="How many replicas; with one, an upgrade is still without a gap.")
    ] = 2,
    quiet: flags.Quiet = False,
) -> int:
    """Print what is to be installed on a cluster. It is YAML for kubectl apply.

    The files are those of config/ for kustomize, and a Helm chart has the same objects. With another namespace than mesh-system it
    stands wherever it is named.

    Examples:

      mesh-injector manifests --image example.com/mesh-injector:0.1.0

      mesh-injector manifests -n injection --variant prometheus --variant grafana --replicas 3
    """
    config = shipped.config()
    objects = kustomization.build(config / "default")
    for each in dict.fromkeys(variant or ()):
        objects = kustomization.build(config / each, objects)
    made = [_placed(_sized(one, image, replicas), namespace) for one in objects]
    terminal = Terminal(quiet=quiet)
    terminal.data("---\n".join(documents.dump(one) for one in made))
    if not image:
        terminal.say("the image is `mesh-injector` without a registry: name one that your nodes can pull by --image", style="yellow")
    return exits.DONE


def _sized(one: dict[str, Any], image: str, replicas: int) -> dict[str, Any]:
    """Give the Deployment its image and its number of replicas."""
    for container in kustomization.containers(one):
        container["image"] = image or container["image"]
        one["spec"]["replicas"] = replicas
    return one


def _placed(value: Any, namespace: str) -> Any:
    """Put another namespace wherever ours stands, whole or as the end of a Service's name."""
    if isinstance(value, dict):
        return {key: _placed(item, namespace) for key, item in value.items()}
    if isinstance(value, list):
        return [_placed(item, namespace) for item in value]
    if value == HOME:
        return namespace
    return value.removesuffix(f".{HOME}.svc") + f".{namespace}.svc" if str(value).endswith(f".{HOME}.svc") else value
