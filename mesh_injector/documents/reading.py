"""What a source holds at one moment, wherever it is read: files, folders, or a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mesh_injector.documents.document import Document
from mesh_injector.errors import InjectionError, Problem


@dataclass(frozen=True, slots=True)
class Reading:
    """What was found: the documents in order, what is wrong in single files, the names of all files and of the broken ones.

    A file is broken where something in it cannot be read, and where it holds nothing at all, as one does that is being written.

    `unread` are namespaces whose ConfigMaps cannot be read (now), each with what that means for a Mesh that names one there.
    `ok` is False where there is nothing to go by (the path is gone, the folder is empty): whoever serves keeps the last good reading.
    """

    documents: tuple[Document, ...]
    problems: tuple[Problem, ...] = ()
    files: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    unread: Mapping[str, InjectionError] = field(default_factory=dict)
    ok: bool = True


def together(readings: "tuple[Reading, ...]") -> Reading:
    """Several readings as one; it is not `ok` where one of them is not."""
    return Reading(
        tuple(document for each in readings for document in each.documents),
        tuple(problem for each in readings for problem in each.problems),
        tuple(file for each in readings for file in each.files),
        tuple(file for each in readings for file in each.broken),
        {namespace: error for each in readings for namespace, error in each.unread.items()},
        all(each.ok for each in readings),
    )
