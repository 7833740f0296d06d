"""Patches that are kept beside a test file, to be read in a diff of the repository: each is the last one that a person accepted."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mesh_injector import documents, reasons
from mesh_injector.documents import goyaml
from mesh_injector.documents.mistakes import Misread
from mesh_injector.engine import address, record
from mesh_injector.engine.rules import Operation
from mesh_injector.errors import ConfigError, Problem

_HEADER = "# Patches by the names of tests; `mesh-injector test --update` writes them anew. Look at the diff.\n"
_RECORD = f"/metadata/annotations/{address.escape(record.ANNOTATION)}"


def file_of(test_file: str) -> Path:
    """Where the snapshots of a test file stand."""
    return Path(test_file).with_suffix(".snap")


def read(test_file: str) -> dict[str, Any]:
    """Read the snapshots of a test file by the names of its cases; none where there is no file. Raises ConfigError."""
    file = file_of(test_file)
    try:
        found = goyaml.load(file.read_text(encoding="utf-8")).value
    except FileNotFoundError:
        return {}
    except (Misread, OSError, UnicodeDecodeError) as error:
        what = f"the snapshots cannot be read: {error}"
        raise ConfigError(Problem(reasons.UNREADABLE, what, str(file), "write them anew by `mesh-injector test --update`")) from error
    return found if isinstance(found, dict) else {}


def write(test_file: str, patches: Mapping[str, Any]) -> None:
    """Write the snapshots of a test file; without any there is no file. Raises ConfigError for a link: it may lead anywhere."""
    file = file_of(test_file)
    if file.is_symlink():
        raise ConfigError(
            Problem(reasons.UNREADABLE, "the snapshots are a symbolic link", str(file), "remove it; `--update` writes a file")
        )
    if patches:
        file.write_text(_HEADER + documents.dump(patches), encoding="utf-8")
    else:
        file.unlink(missing_ok=True)


def of(operations: Sequence[Operation]) -> list[Operation]:
    """Make the snapshot of a patch: without our record, which names the template's digest and would change with every comment."""
    kept = []
    for operation in operations:
        value = operation.get("value")
        if operation["path"] == "/metadata/annotations" and isinstance(value, Mapping):
            value = {key: text for key, text in value.items() if key != record.ANNOTATION}
            if not value:
                continue
            kept.append({**operation, "value": value})
        elif operation["path"] != _RECORD:
            kept.append(dict(operation))
    return kept
