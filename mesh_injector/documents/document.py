"""A Kubernetes object with the place it came from, which finds the line of any of its fields when a message needs it.

Positions cost nothing until they are asked for: then the document's own text is composed once more and its nodes are walked.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeAlias

import yaml

from mesh_injector import reasons
from mesh_injector.documents import origin as origins
from mesh_injector.documents import scalar
from mesh_injector.documents.origin import Origin
from mesh_injector.errors import ConfigError, Problem

Path: TypeAlias = tuple[str | int, ...]

_PLAIN: Final = "plain"
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")


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
        root = _root(self.text)
        if root is None:
            return self.origin
        _, value, name = _find(root, path)
        return self._place(name if key else value)

    def excerpt(self, origin: Origin) -> str:
        """The lines around a place of this document with a caret under it, or empty if the place is not in its text."""
        if self.inside:
            return self.inside[0].excerpt(origin)
        start = self._start()
        return origins.excerpt(start, self.text, origin) if start and origin.source == start.source else ""

    def block_line(self, path: Path) -> Origin | None:
        """The first line of a literal block (`|`) and the column where its text begins, so that line n of the text is line
        `origin.line + n - 1` of the file and its column c is `origin.column + c - 1`; None if the value is written otherwise."""
        if self.inside:
            return self.inside[0].block_line(self.inside[1] + path)
        root = _root(self.text)
        node = _find(root, path)[0] if root else None
        if not isinstance(node, yaml.ScalarNode) or node.style != "|":
            return None
        first = self.text.find("\n", _index(node)) + 1
        return Origin(self.origin.source, self._place(first).line, 1 + _indentation(self.text[first:], node.value))

    def _start(self) -> Origin | None:
        """Where the text begins: its first field is at `origin`."""
        root = _root(self.text)
        if root is None:
            return None
        above = self.text.count("\n", 0, _index(root))
        return Origin(self.origin.source, self.origin.line - above, 1 if above else self.origin.column - _index(root))

    def _place(self, index: int) -> Origin:
        start = self._start()
        return origins.moved(start, self.text, index) if start else self.origin


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


class _Composer(yaml.CSafeLoader):
    """Tells a plain scalar from others by its tag, since Go and PyYAML differ in what a plain key means."""

    def resolve(self, kind: Any, _value: Any, implicit: Any) -> str:
        return _PLAIN if kind is yaml.ScalarNode and implicit[0] else scalar.STR


@lru_cache(maxsize=16)
def _root(text: str) -> yaml.Node | None:
    """The nodes of a text; None if it has none. Only texts that were read before come here, so their depth is bounded.

    Two escapes for one character, which JSON has and YAML has not, give way to other escapes of the same length.
    """
    try:
        return _Composer(_SURROGATE.sub(r"\\u0020", text)).get_single_node()
    except yaml.YAMLError:
        return None


def _find(root: yaml.Node, path: Path) -> tuple[yaml.Node | None, int, int]:
    """The node at a path, its index and its key's; for a path that is not there None and twice the index of the nearest ancestor's key."""
    node, known = root, _index(root)
    for step in path:
        found = next(((index, child) for key, index, child in _children(node) if key == step), None)
        if found is None:
            return None, known, known
        known, node = found
    return node, _index(node), known


def _children(node: yaml.Node) -> Iterator[tuple[str | int, int, yaml.Node]]:
    """Key, index of the key and value of each entry; index and value of each item. What `<<` brings comes last."""
    if isinstance(node, yaml.SequenceNode):
        yield from ((at, _index(item), item) for at, item in enumerate(node.value))
    if not isinstance(node, yaml.MappingNode):
        return
    merged = [value for key, value in node.value if key.tag == _PLAIN and key.value == "<<"]
    yield from ((_key(key), _index(key), value) for key, value in node.value)
    for value in merged:
        for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            yield from _children(source)


def _key(node: yaml.Node) -> str:
    value: str = node.value
    return scalar.key(scalar.plain(value) if node.tag == _PLAIN else scalar.tagged(node.tag, value))


def _index(node: yaml.Node) -> int:
    return int(node.start_mark.index)


def _indentation(lines: str, value: str) -> int:
    """How far the text of a block is indented: the spaces its first line with text has in the file, less those it has in the value."""
    for line, text in zip(lines.split("\n"), value.split("\n"), strict=False):
        if text.strip():
            return len(line) - len(line.lstrip(" ")) - (len(text) - len(text.lstrip(" ")))
    return 0


def _text(mapping: Any, key: str) -> str:
    value = mapping.get(key) if isinstance(mapping, dict) else None
    return value if isinstance(value, str) else ""
