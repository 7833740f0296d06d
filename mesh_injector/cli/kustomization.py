"""What `config/` installs, put together as kubectl does it: the part of kustomize that our own files use, and nothing else.

`kubectl kustomize` judges it in the tests. Source: https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import jsonpatch
import yaml

Object = dict[str, Any]
Objects = tuple[Object, ...]


def build(folder: Path, objects: Objects = ()) -> Objects:
    """Give the objects of a folder's kustomization.yaml, after those that are there already, on which a component works too.

    The files are ours, so what is wrong with them is a bug: KeyError for a field of a kustomization that is not understood.
    """
    (said,) = _read(folder / "kustomization.yaml")
    steps = {field: value for field, value in said.items() if field not in ("apiVersion", "kind")}
    for field in sorted(steps, key=tuple(_STEPS).index):
        objects = _STEPS[field](folder, steps[field], objects)
    return objects


def _read(path: Path) -> Objects:
    return tuple(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def _resources(folder: Path, names: list[str], objects: Objects) -> Objects:
    found = (build(folder / name) if (folder / name).is_dir() else _read(folder / name) for name in names)
    return (*objects, *(one for some in found for one in some))


def _config_maps(folder: Path, generators: list[Object], objects: Objects) -> Objects:
    return (*objects, *(_config_map(folder, one) for one in generators))


def _config_map(folder: Path, generator: Object) -> Object:
    metadata = {"name": generator["name"], "namespace": generator["namespace"], "labels": generator["options"]["labels"]}
    data = {name: (folder / name).read_text(encoding="utf-8") for name in generator["files"]}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def _patched(folder: Path, patches: list[Object], objects: Objects) -> Objects:
    for patch in patches:
        (said,) = _read(folder / patch["path"])
        objects = tuple(_edited(said, patch["target"], objects) if "target" in patch else _without(said, objects))
    return objects


def _edited(operations: Any, target: Object, objects: Objects) -> Iterator[Object]:
    """Apply JSON Patch (RFC 6902) to the object of a kind and name."""
    for one in objects:
        is_meant = (one["kind"], one["metadata"]["name"]) == (target["kind"], target["name"])
        yield jsonpatch.apply_patch(one, operations) if is_meant else one


def _without(gone: Object, objects: Objects) -> Iterator[Object]:
    """Leave out the object that a patch of `$patch: delete` names."""
    identity = (gone["kind"], gone["metadata"]["name"])
    return (one for one in objects if (one["kind"], one["metadata"]["name"]) != identity)


def _labelled(_: Path, labels: list[Object], objects: Objects) -> Objects:
    pairs = {name: value for each in labels for name, value in each["pairs"].items()}
    return tuple({**one, "metadata": {**one["metadata"], "labels": {**one["metadata"].get("labels", {}), **pairs}}} for one in objects)


def _tagged(_: Path, images: list[Object], objects: Objects) -> Objects:
    """Give the image of a Deployment its tag."""
    tags = {image["name"]: image["newTag"] for image in images}
    for one in objects:
        for container in containers(one):
            name = container["image"]
            container["image"] = f"{name}:{tags[name]}" if name in tags else name
    return objects


def containers(one: Object) -> list[Object]:
    """The containers that an object makes: those of a Deployment."""
    found: list[Object] = one["spec"]["template"]["spec"]["containers"] if one["kind"] == "Deployment" else []
    return found


_STEPS: Final[dict[str, Callable[[Path, Any, Objects], Objects]]] = {
    "resources": _resources,
    "configMapGenerator": _config_maps,
    "patches": _patched,
    "labels": _labelled,
    "images": _tagged,
}
"""The fields of a kustomization, in the order in which kustomize heeds them."""
