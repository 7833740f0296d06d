"""Where every field of one text is: its nodes are composed once, and each list or mapping is indexed when it is first entered.

A place then costs the depth of its path, so that a document with thousands of mistakes is told in the time of one.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

import yaml

from mesh_injector.documents import scalar

Path: TypeAlias = tuple[str | int, ...]
Entries: TypeAlias = Mapping[str | int, tuple[int, yaml.Node]]
"""Index of the key, and the value, of each entry; index of the item, and the item, of each item."""

_KEPT: Final = 4
"""Texts whose places are kept: problems are told document by document, and the nodes of a text take a hundred times its memory."""
_ABOVE: Final = 3
"""Lines above a place that an excerpt could want."""
_PLAIN: Final = "plain"
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_LINE: Final = re.compile("\n")


class _Composer(yaml.CSafeLoader):
    """Tells a plain scalar from others by its tag, since Go and PyYAML differ in what a plain key means."""

    def resolve(self, kind: Any, _value: Any, implicit: Any) -> str:
        return _PLAIN if kind is yaml.ScalarNode and implicit[0] else scalar.STR


@lru_cache(maxsize=_KEPT)
def of(text: str) -> "Places | None":
    """The places of a text; None if it has none. Only texts that were read before come here, so their depth is bounded.

    Two escapes for one character, which JSON has and YAML has not, give way to other escapes of the same length.
    """
    try:
        root = _Composer(_SURROGATE.sub(r"\\u0020", text)).get_single_node()
    except yaml.YAMLError:
        return None
    return None if root is None else Places(text, root)


class Places:
    """The nodes of a text, and where its lines begin; indices count characters from 0."""

    __slots__ = ("_entries", "_lines", "_root", "_text", "first")

    def __init__(self, text: str, root: yaml.Node) -> None:
        self._text, self._root = text, root
        self.first = _index(root)
        self._lines = [0, *(match.end() for match in _LINE.finditer(text))]
        self._entries: dict[int, Entries] = {}

    def find(self, path: Path) -> tuple[yaml.Node | None, int, int]:
        """The node at a path, its index and its key's; for what is not there None and twice the index of the nearest ancestor's key."""
        node, known = self._root, self.first
        for step in path:
            found = self._of(node).get(step)
            if found is None:
                return None, known, known
            known, node = found
        return node, _index(node), known

    def position(self, index: int) -> tuple[int, int]:
        """Line and column of a character, both from 0."""
        line = bisect_right(self._lines, index) - 1
        return line, index - self._lines[line]

    def window(self, line: int) -> tuple[int, str]:
        """The text of a line (from 0) and of a few above it, and which line is the first of them; empty if there is no such line."""
        if not 0 <= line < len(self._lines):
            return 0, ""
        above = max(line - _ABOVE, 0)
        end = self._lines[line + 1] - 1 if line + 1 < len(self._lines) else len(self._text)
        return above, self._text[self._lines[above] : end]

    def _of(self, node: yaml.Node) -> Entries:
        """The entries of a node, which lives as long as this does; the first of equal keys stands, and what `<<` brings comes last."""
        if id(node) not in self._entries:
            self._entries[id(node)] = self._items(node) if isinstance(node, yaml.SequenceNode) else self._fields(node)
        return self._entries[id(node)]

    @staticmethod
    def _items(node: yaml.SequenceNode) -> Entries:
        return {at: (_index(item), item) for at, item in enumerate(node.value)}

    def _fields(self, node: yaml.Node) -> Entries:
        if not isinstance(node, yaml.MappingNode):
            return {}
        entries: dict[str | int, tuple[int, yaml.Node]] = {}
        for key, value in node.value:
            entries.setdefault(_key(key), (_index(key), value))
        for key, value in node.value:
            if key.tag == _PLAIN and key.value == "<<":
                for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    for name, entry in self._of(source).items():
                        entries.setdefault(name, entry)
        return entries


def _key(node: yaml.Node) -> str:
    value: str = node.value
    return scalar.key(scalar.plain(value) if node.tag == _PLAIN else scalar.tagged(node.tag, value))


def _index(node: yaml.Node) -> int:
    return int(node.start_mark.index)
