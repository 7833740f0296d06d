"""Questions about a template that is tried with a stand-in pod, asked once for all meshes in which they have the same answer.

Many meshes may name one template, and most of them differ in nothing that it reads.
"""

import functools
import hashlib
from collections.abc import Callable
from typing import Any, Final, TypeVar
from weakref import WeakKeyDictionary

from mesh_injector.engine.pod import Pod
from mesh_injector.engine.template import PatchTemplate, bounds
from mesh_injector.engine.template.names import Names
from mesh_injector.errors import InjectionError
from mesh_injector.formats.mesh import sketch, variables
from mesh_injector.formats.mesh.mesh import Mesh

_Answer = TypeVar("_Answer")
_Question = Callable[[Mesh, PatchTemplate], _Answer]

KEPT: Final = 256
"""Answers that are kept of one template and question; a problem with its excerpt has some kilobytes."""
EVALUATIONS: Final = 4
"""So many evaluations of a rendering cost as much as a character of what it renders to."""
FAILED: Final = bounds.WORK // EVALUATIONS
"""What a rendering counts as which fails: nobody knows how far it came."""


def once(question: _Question[_Answer]) -> _Question[_Answer]:
    """Remember the answers to a question that depends on what a stand-in pod's rendering reads, `privileged` and `overrides` alone.

    An answer is kept as long as its template, so it must not hold that.
    """
    kept: WeakKeyDictionary[PatchTemplate, dict[bytes, _Answer]] = WeakKeyDictionary()

    @functools.wraps(question)
    def asked(mesh: Mesh, template: PatchTemplate) -> _Answer:
        key = key_of(mesh, template)
        if not key:
            return question(mesh, template)
        known = kept.setdefault(template, {})
        if key not in known:
            if len(known) >= KEPT:
                known.clear()
            known[key] = question(mesh, template)
        return known[key]

    return asked


def key_of(mesh: Mesh, template: PatchTemplate) -> bytes:
    """Digest all that an answer depends on; where the stand-in pod lacks what the template needs that is the mesh. Empty where values are
    nested so deeply that they cannot be written, so that nothing is remembered of them."""
    body, namespace = sketch.stand_in_pod(mesh)
    try:
        given = variables.of(mesh, template, Pod.from_document(body), namespace)
    except InjectionError as error:
        return repr((str(mesh), mesh.privileged, str(error))).encode("utf-8", "surrogatepass")
    read = [(name, _read(name, value, template.names)) for name, value in given.items()]
    try:
        written = repr((mesh.privileged, mesh.spec.overrides, read))
    except RecursionError:
        return b""
    return hashlib.sha256(written.encode("utf-8", "surrogatepass")).digest()


def _read(name: str, value: Any, names: Names) -> Any:
    """Find what a template reads of a variable: the values of some keys, and of all keys the names, which messages liken to each other."""
    if name in names.whole or not isinstance(value, dict):
        return value
    return list(value), [(key, value[key]) for variable, key in names.read if variable == name and key in value]


@once
def cost(mesh: Mesh, template: PatchTemplate) -> int:
    """Measure what questions about a rendering for a stand-in pod cost: the characters of what it renders to, and the evaluations that it
    takes, also of what it does not write."""
    try:
        rendered = sketch.render(mesh, template)
    except InjectionError:
        return FAILED
    return len(repr(rendered.body)) + rendered.spent // EVALUATIONS
