"""Fill a skeleton with the values of one rendering: a lone mark takes the value with its type, everything else is text.

The schema's node goes down with it, because where Kubernetes wants text a number or boolean becomes text.
"""

import math
from collections.abc import Mapping as Values
from collections.abc import Sequence as Given
from typing import Any

from mesh_injector.engine import schema
from mesh_injector.engine.template.bounds import TEXT_CHARACTERS, limit
from mesh_injector.engine.template.skeleton import Literal, Mapping, Mark, Mixed, Sequence, Skeleton, key_text
from mesh_injector.engine.template.source import Fault
from mesh_injector.engine.template.values import Structure, as_text
from mesh_injector.reasons import Reason

Node = schema.Node | None


def fill(skeleton: Skeleton, values: Given[Any], node: Node) -> Any:
    """Return plain JSON values; raise `Fault` with the *rendered* character where a value cannot stand."""
    try:
        if isinstance(skeleton, Literal):
            return _literal(skeleton, node)
        if isinstance(skeleton, Mapping):
            return _mapping(skeleton, values, node)
        if isinstance(skeleton, Sequence):
            item = node.item() if node else None
            return [fill(child, values, item) for child in skeleton.items]
        if isinstance(skeleton, Mark):
            return deliver(values[skeleton.index], node)
        return _text(skeleton, values)
    except Fault as fault:
        fault.line = fault.line or skeleton.at
        raise


def _mapping(skeleton: Mapping, values: Given[Any], node: Node) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    for part, child in skeleton.pairs:
        text = key(part, values)
        if text in filled:
            fix = "give the entries different keys"
            raise Fault(Reason.RENDERED_INVALID_POD, f"two keys of one mapping become `{text:.80}`", line=part.at, fix=fix)
        filled[text] = fill(child, values, node.field(text) if node else None)
    return filled


def key(part: Literal | Mark | Mixed, values: Given[Any] | Values[int, Any]) -> str:
    """Return a key as text."""
    if isinstance(part, Literal):
        return key_text(part)
    return as_text(values[part.index]) if isinstance(part, Mark) else _text(part, values)


def _text(mixed: Mixed, values: Given[Any] | Values[int, Any]) -> str:
    texts = [part if isinstance(part, str) else as_text(values[part]) for part in mixed.parts]
    if sum(map(len, texts)) > TEXT_CHARACTERS:
        raise limit(f"a text of more than {TEXT_CHARACTERS:,} characters")
    return "".join(texts)


def _literal(literal: Literal, node: Node) -> Any:
    value = literal.value
    if value.__class__ is str:
        return value
    if node is not None and node.wants_text and isinstance(value, bool | int | float):
        return literal.spelling
    if (isinstance(value, float) and not math.isfinite(value)) or (isinstance(value, int) and not -(2**63) <= value < 2**64):
        raise Fault(Reason.RENDERED_INVALID_POD, f"the number {literal.spelling} is too large", fix="quote it where it is text")
    return value


def deliver(value: Any, node: Node) -> Any:
    """Give a value that stands alone the form that its place wants: itself, or text where Kubernetes wants text."""
    if node is not None and node.wants_text:
        return _deliver_text(value)
    if isinstance(value, Structure):
        return deliver(value.value, node)
    if isinstance(value, Values):
        return {key: deliver(item, node.field(key) if node else None) for key, item in value.items()}
    if isinstance(value, list | tuple):
        item_node = node.item() if node else None
        return [deliver(item, item_node) for item in value]
    return value


def _deliver_text(value: Any) -> Any:
    if isinstance(value, Structure):
        inner = value.value
        return value.text if isinstance(inner, Values | list | tuple) else _deliver_text(inner)
    return as_text(value) if isinstance(value, bool | int | float) else deliver(value, None)
