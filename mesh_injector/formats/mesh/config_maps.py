"""The ConfigMaps that hold templates: which ones do, the entry that a Mesh names, and its text with its place in a file."""

from typing import Final

from mesh_injector.documents import Document
from mesh_injector.engine.template import Source
from mesh_injector.errors import InjectionError, printable
from mesh_injector.formats.mesh.spec import ConfigMapRef
from mesh_injector.reasons import Reason

TEMPLATE_LABEL: Final = "mesh-injector.io/template"

TemplateKey = tuple[str, str, str]


def is_template(document: Document) -> bool:
    """Whether a ConfigMap carries our label, without which no Mesh can name it."""
    labels = (document.body.get("metadata") or {}).get("labels")
    return isinstance(labels, dict) and labels.get(TEMPLATE_LABEL) == "true"


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
