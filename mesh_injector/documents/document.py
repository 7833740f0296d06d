"""A Kubernetes object with the place it came from, which finds the line of any of its fields when a message needs it.

Positions cost nothing until they are asked for: then the document's own text is composed once more (see `places`).
"""

from dataclasses import dataclass
from typing import Any

import yaml

from mesh_injector import reasons
from mesh_injector.documents import origin as origins
from mesh_injector.documents import places
from mesh_injector.documents.origin import Origin
from mesh_injector.documents.places import Path
from mesh_injector.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True)
class Document:
    """One object: its JSON-like `body`, the place of its first field, and its own `text` as it was written, comments included.

    `text` is empty for an object of the cluster and for an item of a List, which has no text that could stand alone.
    """

    body: dict[str, Any]
    origin: Origin
    text: str = ""
    inside: "tuple[Document, Path] | None" = None

    @property
    def kind(self) -> str:
        """The kind, or empty."""
        return _text(self.body, "kind")

    @property
    def api_version(self) -> str:
        """Group and version as `apiVersion` has them, or empty."""
        return _text(self.body, "apiVersion")

    @property
    def name(self) -> str:
        """The name in the metadata, or empty."""
        return _text(self.body.get("metadata"), "name")

    @property
    def namespace(self) -> str:
        """The namespace in the metadata, or empty."""
        return _text(self.body.get("metadata"), "namespace")

    def locate(self, path: Path, *, key: bool = False) -> Origin:
        """Where the value at `path` begins (its key, if that is asked for), or the key (or list item) of its nearest ancestor that
        exists; the document's own origin if it has no text."""
        if self.inside:
            return self.inside[0].locate(self.inside[1] + path, key=key)
        known = places.of(self.text)
        if known is None:
            return self.origin
        _, value, name = known.find(path)
        return self._place(name if key else value)

    def excerpt(self, origin: Origin) -> str:
        """The lines around a place of this document with a caret under it, or empty if the place is not in its text."""
        if self.inside:
            return self.inside[0].excerpt(origin)
        known = places.of(self.text)
        start = self._start()
        if known is None or origin.source != start.source:
            return ""
        above, window = known.window(origin.line - start.line)
        return origins.excerpt(Origin(start.source, start.line + above, 1 if above else start.column), window, origin)

    def block_line(self, path: Path) -> Origin | None:
        """The first line of a literal block (`|`) and the column where its text begins, so that line n of the text is line
        `origin.line + n - 1` of the file and its column c is `origin.column + c - 1`; None if the value is written otherwise."""
        if self.inside:
            return self.inside[0].block_line(self.inside[1] + path)
        known = places.of(self.text)
        node, index, _ = known.find(path) if known else (None, 0, 0)
        if not isinstance(node, yaml.ScalarNode) or node.style != "|":
            return None
        first = self.text.find("\n", index) + 1
        return Origin(self.origin.source, self._place(first).line, 1 + _indentation(self.text[first:], node.value))

    def _start(self) -> Origin:
        """Where the text begins: its first field is at `origin`."""
        known = places.of(self.text)
        if known is None:
            return self.origin
        above, _ = known.position(known.first)
        return Origin(self.origin.source, self.origin.line - above, 1 if above else self.origin.column - known.first)

    def _place(self, index: int) -> Origin:
        known, start = places.of(self.text), self._start()
        line, column = known.position(index) if known else (0, 0)
        return Origin(start.source, start.line + line, column + (1 if line else start.column))


def expand(document: Document) -> tuple[Document, ...]:
    """The items of a List (also of a PodList and its like, whose items take their kind from it), Lists among them expanded too; any
    other document alone.

    Raises ConfigError for an item that is no object.
    """
    items = document.body.get("items")
    if document.kind == "List" and items is None:
        return ()
    if not document.kind.endswith("List") or not isinstance(items, list):
        return (document,)
    return tuple(inner for at in range(len(items)) for inner in expand(_item(document, at)))


def _item(document: Document, at: int) -> Document:
    """Kind and version of a typed list's item come from the list, as in the API machinery's decoder of unstructured lists."""
    path: Path = ("items", at)
    body = document.body["items"][at]
    typed = {"apiVersion": document.api_version, "kind": document.kind.removesuffix("List")} if document.kind != "List" else {}
    if not isinstance(body, dict) or not all((typed | body).get(key) for key in ("apiVersion", "kind")):
        place = document.locate(path)
        what = f"item {at} of the {document.kind} is no Kubernetes object"
        fix = "give each item `apiVersion` and `kind`"
        raise ConfigError(Problem(reasons.NOT_A_MANIFEST, what, str(place), fix, document.excerpt(place)))
    return Document(typed | body, document.origin, "", (document, path))


def _indentation(lines: str, value: str) -> int:
    """How far the text of a block is indented: the spaces its first line with text has in the file, less those it has in the value."""
    for line, text in zip(lines.split("\n"), value.split("\n"), strict=False):
        if text.strip():
            return len(line) - len(line.lstrip(" ")) - (len(text) - len(text.lstrip(" ")))
    return 0


def _text(mapping: Any, key: str) -> str:
    value = mapping.get(key) if isinstance(mapping, dict) else None
    return value if isinstance(value, str) else ""
