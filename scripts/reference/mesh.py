"""The page of the Mesh: every field of spec and status with its type, bounds and default, and the rules beside them, from the CRD."""

from collections.abc import Iterator
from typing import Any

from scripts import generate_crd
from scripts.reference.markdown import code, one_line, table

_BOUNDS = {
    "maxLength": "at most {} characters",
    "maxItems": "at most {}",
    "maxProperties": "at most {}",
    "minimum": "from {}",
    "maximum": "to {}",
}
Schema = dict[str, Any]


def page() -> str:
    """The fields of `spec`, the rules of the API server, the fields of `status`, and what `kubectl get` shows."""
    version = generate_crd.definition()["spec"]["versions"][0]
    schema = version["schema"]["openAPIV3Schema"]
    spec, status = (schema["properties"][name] for name in ("spec", "status"))
    columns = (
        [column["name"], "`-o wide`" if column.get("priority") else "", code(column["jsonPath"]), column["description"]]
        for column in version["additionalPrinterColumns"]
    )
    return (
        f"## spec\n\n{_fields(spec)}\n"
        f"## Rules\n\nThe API server refuses a Mesh that breaks one, with this message:\n\n{_rules(schema)}\n"
        f"## status\n\nOnly the injector writes it.\n\n{_fields(status)}\n"
        f"## Columns\n\n{table(('column', 'shown by', 'field', 'what'), columns)}"
    )


def _fields(schema: Schema) -> str:
    rows = ([code(path), _type(inner), _bounds(inner), _default(inner), one_line(inner["description"])] for path, inner in _places(schema))
    return table(("field", "type", "bounds", "default", "meaning"), rows)


def _places(schema: Schema, above: str = "") -> Iterator[tuple[str, Schema]]:
    """Every field below, with its path."""
    for name, inner in schema.get("properties", {}).items():
        yield f"{above}{name}", inner
        yield from _places(inner, f"{above}{name}.")
        if "items" in inner:
            yield from _places(inner["items"], f"{above}{name}[].")


def _type(schema: Schema) -> str:
    kind = schema["type"]
    if "items" in schema:
        return f"list of {_type(schema['items'])}s"
    if values := schema.get("additionalProperties"):
        return f"map of {_type(values)}s"
    return "map of anything" if "x-kubernetes-preserve-unknown-fields" in schema else str(kind)


def _bounds(schema: Schema) -> str:
    """What a value may be; what its items may be where it is a list."""
    within = schema.get("items") or schema.get("additionalProperties") or {}
    said = [text.format(schema[key]) for key, text in _BOUNDS.items() if key in schema]
    said += [f"one of {', '.join(map(code, schema['enum']))}"] if "enum" in schema else []
    said += [f"matches {code(schema['pattern'])}"] if "pattern" in schema else []
    inner = _bounds(within) if within and "properties" not in within else ""
    return ", ".join(said) + (f"; each {inner}" if inner else "")


def _default(schema: Schema) -> str:
    default = schema.get("default")
    return "" if default in (None, {}) else code(str(default).lower() if isinstance(default, bool) else str(default))


def _rules(schema: Schema, path: str = "") -> str:
    return "".join(f"* {code(where)}: {message}\n" for where, message in dict.fromkeys(_messages(schema, path)))


def _messages(schema: Schema, path: str) -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-kubernetes-validations", ()):
        yield f"{path}{rule['fieldPath']}".lstrip("."), rule["message"]
    for name, inner in schema.get("properties", {}).items():
        yield from _messages(inner, f"{path}.{name}")
    if "items" in schema:
        yield from _messages(schema["items"], f"{path}[]")
