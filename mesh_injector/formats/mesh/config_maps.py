"""The ConfigMaps that hold templates: which ones do, the entry that a Mesh names, and its text with its place in a file."""

from collections.abc import Iterable
from typing import Final

from mesh_injector.documents import Document
from mesh_injector.engine.template import Source
from mesh_injector.engine.template.values import nearest
from mesh_injector.errors import InjectionError, printable
from mesh_injector.formats.mesh.spec import ConfigMapRef
from mesh_injector.reasons import Reason

TEMPLATE_LABEL: Final = "mesh-injector.io/template"

TemplateKey = tuple[str, str, str]

SUGGESTIONS: Final = 64
"""So many wrong names of a load are likened, each to so many that are there: that takes up to 3 ms each."""
LIKENED: Final = 32


def is_template(document: Document) -> bool:
    """Whether a ConfigMap carries our label, without which no Mesh can name it."""
    labels = (document.body.get("metadata") or {}).get("labels")
    return isinstance(labels, dict) and labels.get(TEMPLATE_LABEL) == "true"


class Names:
    """The names of the ConfigMaps that hold templates, to find the one that was meant."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._left = SUGGESTIONS
        self._known: dict[str, list[str]] = {}
        for document in documents:
            if is_template(document):
                self._known.setdefault(document.namespace or "default", []).append(document.name)

    def meant(self, namespace: str, name: str) -> str:
        """Ask whether the nearest name of a namespace was meant; empty where none is near."""
        known = [one for one in self._known.get(namespace, ()) if abs(len(one) - len(name)) <= 3][:LIKENED]
        if not known or self._left <= 0:
            return ""
        self._left -= 1
        close = nearest(name, known)
        return f"did you mean `{close}`? Else " if close else ""


def unlabelled(document: Document, name: str) -> InjectionError:
    """Make the error of a ConfigMap without our label: the place where that goes, and what stands there instead."""
    place = document.locate(("metadata", "labels"))
    what = f"the ConfigMap {name} does not carry our label{slip(document)}"
    where, fix = f"{place}, metadata.labels", f'add `{TEMPLATE_LABEL}: "true"` to its `metadata.labels`'
    return InjectionError(Reason.CONFIG_MAP_MISSING, what, where=where, fix=fix, excerpt=document.excerpt(place))


def slip(document: Document) -> str:
    """Say what a ConfigMap has in the place of our label; empty where it has nothing of the kind."""
    labels = (document.body.get("metadata") or {}).get("labels")
    for key, value in labels.items() if isinstance(labels, dict) else ():
        if str(key).startswith("mesh-injector"):
            written = f"{value!r}" if not isinstance(value, bool) else str(value).lower()
            unquoted = ", a boolean without quotes" if isinstance(value, bool) else ""
            return printable(f", but `{key!s:.80}: {written:.40}`{unquoted}")
    return ""


def source_of(key: TemplateKey, document: Document) -> Source:
    """Name the text of a ConfigMap's entry, and its place in the file."""
    namespace, name, entry = key
    return Source(document.body["data"][entry], f"ConfigMap {namespace}/{name}, key {entry}", document.block_line(("data", entry)))


def entry(document: Document, ref: ConfigMapRef) -> str:
    """Find the entry that holds the template: the named one, or the only one."""
    data = document.body.get("data") or {}
    name = f"ConfigMap {document.namespace or 'default'}/{document.name}"
    where = "spec.sidecarPatchConfigMap.key"
    keys = sorted(data) if isinstance(data, dict) else []
    if ref.key is None and len(keys) != 1:
        what = f"{name} has {len(keys)} entries and the mesh names none of them"
        fix = f"name one as `key`: {', '.join(keys)}" if keys else "put the template under `data`"
        raise InjectionError(Reason.CONFIG_MAP_KEY_MISSING, what, where=where, fix=fix)
    key = ref.key or keys[0]
    if key not in keys or not isinstance(data[key], str):
        fix = f"its entries are {', '.join(keys)}" if keys else "put the template under `data`"
        raise InjectionError(Reason.CONFIG_MAP_KEY_MISSING, f"{name} has no text entry `{key}`", where=where, fix=fix)
    return key
