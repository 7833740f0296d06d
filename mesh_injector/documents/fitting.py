"""What does not fit a model of a resource, told as its author would want it: the field, its place in the file, and what to write.

The models are pydantic's; every resource and file of ours is read through one, so that all of them speak alike.
"""

import difflib
import typing
from collections.abc import Iterable, Iterator
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mesh_injector import reasons
from mesh_injector.documents.document import Document
from mesh_injector.documents.places import Path
from mesh_injector.errors import Problem

TOLD: Final = 20
"""So many problems of one document are told; of the others only how many there are."""
_UNKNOWN: Final = "extra_forbidden"
_FIXES: Final = {
    "string_too_long": "shorten it",
    "too_long": "leave some out",
    "twice": "remove one of them",
    "bool_type": "write true or false",
    "int_type": "write a number, such as 0",
    "string_type": "put it in quotes",
    "missing": "add it",
}


def problems(document: Document, error: ValidationError, model: type[BaseModel], top: Path = ()) -> Iterator[Problem]:
    """Iterate over what is wrong with the part of a document at `top`; misspelt fields first, since another may be missing for one."""
    details = sorted(error.errors(include_url=False), key=lambda detail: detail["type"] != _UNKNOWN)
    yield from (_explain(document, detail, model, top) for detail in details[:TOLD])
    if len(details) > TOLD:
        what = f"`{'.'.join(map(str, top)) or document.kind}` has {len(details):,} problems; the others are not told"
        yield _problem(document, top, what, "mend those above first")


def _explain(document: Document, detail: ErrorDetails, model: type[BaseModel], top: Path) -> Problem:
    path = (*top, *detail["loc"])
    name = ".".join(map(str, path))
    if detail["type"] == _UNKNOWN:
        return unknown(document, path, f"a {document.kind} has no field `{name}`", fields(model, detail["loc"][:-1]))
    fix = (detail.get("ctx") or {}).get("fix") or _FIXES.get(detail["type"], f"see the reference of the {document.kind}")
    return _problem(document, path, f"`{name}`: {_requirement(detail)}{_found(detail)}", str(fix))


def unknown(document: Document, path: Path, what: str, known: Iterable[str]) -> Problem:
    """Make the problem of a name that is not known, with the nearest one that is."""
    origin = document.locate(path, key=True)
    return Problem(reasons.FIELD_UNKNOWN, what, str(origin), meant(str(path[-1]), known), document.excerpt(origin))


def meant(name: str, known: Iterable[str]) -> str:
    """Say which known name was meant, or which there are."""
    known = sorted(known)
    close = difflib.get_close_matches(name[:100], known, n=1)
    return f"did you mean `{close[0]}`?" if close else f"the fields here are {', '.join(known)}" if known else "remove it"


def fields(model: type[BaseModel], path: Iterable[Any]) -> list[str]:
    """Name the fields of the model at a path below another one: through lists, mappings and what may be null."""
    found: type[BaseModel] | None = model
    for step in path:
        if isinstance(step, str) and found is not None:
            named = {field.alias or name: field.annotation for name, field in found.model_fields.items()}
            found = next(_models(named.get(step)), None)
    return [field.alias or name for name, field in found.model_fields.items()] if found else []


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Iterate over the models that an annotation names."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models(argument)


def _found(detail: ErrorDetails) -> str:
    value = detail["input"]
    if detail["type"] == "too_long":
        return f", found {len(value)}"
    return "" if isinstance(value, dict) else f", found {value!r:.60}"


def _requirement(detail: ErrorDetails) -> str:
    """Say what a field must be, in the words of its author."""
    context = detail.get("ctx") or {}
    words = {
        "bool_type": "must be true or false, without quotes",
        "string_type": "must be text",
        "int_type": "must be a whole number, without quotes",
        "dict_type": "must be a mapping",
        "model_type": "must be a mapping",
        "tuple_type": "must be a list",
        "missing": "is required",
        "string_pattern_mismatch": f"must match {context.get('pattern')}",
        "string_too_long": f"must have at most {context.get('max_length')} characters",
        "too_long": f"must have at most {context.get('max_length')} entries",
        "greater_than_equal": f"must be at least {context.get('ge')}",
        "less_than_equal": f"must be at most {context.get('le')}",
        "literal_error": f"must be {context.get('expected')}",
    }
    return words.get(detail["type"], detail["msg"])


def _problem(document: Document, path: Path, what: str, fix: str) -> Problem:
    origin = document.locate(path)
    return Problem(reasons.FIELD_WRONG, what, str(origin), fix, document.excerpt(origin))
