"""The forms in which `lint` tells its findings: text for people, JSON for editors, SARIF for code scanning, GitHub's commands."""

import hashlib
import os
import urllib.parse
from collections.abc import Sequence
from typing import Any, Final

from mesh_injector import __version__, errors
from mesh_injector.cli.terminal import json_text
from mesh_injector.formats.mesh.linting import Finding, Severity
from mesh_injector.messages import MEANINGS, Meaning

SARIF_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_COMMANDS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
_UNKNOWN: Final = Meaning("Other", "See the message.", "See the message.")


def as_json(findings: Sequence[Finding]) -> str:
    """Give every finding as an object; `line` and `column` count from 1, and are 0 where only the file is known."""
    items = [
        {
            "code": finding.problem.code,
            "severity": finding.severity.value,
            "file": finding.place.source,
            "line": finding.place.line,
            "column": finding.place.column,
            "what": finding.problem.what,
            "where": finding.problem.where,
            "fix": finding.problem.fix,
            "excerpt": finding.problem.excerpt,
        }
        for finding in findings
    ]
    return json_text({"items": items}, indent=2)


def as_github(findings: Sequence[Finding]) -> str:
    """Write workflow commands, which the runner shows beside the lines of a change.

    Source: https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions; in messages `%` and line ends are escaped,
    in properties also `:` and `,`, as @actions/core does it.
    """
    return "".join(f"{_command(finding)}\n" for finding in findings)


def _command(finding: Finding) -> str:
    place, problem = finding.place, finding.problem
    properties = {"file": errors.printable(place.source)} | ({"line": str(place.line), "col": str(place.column)} if place.line else {})
    properties["title"] = f"{problem.code} {MEANINGS.get(problem.code, _UNKNOWN).name}"
    told = ",".join(f"{name}={_escaped(value, properties=True)}" for name, value in properties.items())
    return f"::{_COMMANDS[finding.severity]} {told}::{_escaped(_message(finding))}"


def _escaped(text: str, *, properties: bool = False) -> str:
    for character in "%\r\n" + (":," if properties else ""):
        text = text.replace(character, f"%{ord(character):02X}")
    return text


def _message(finding: Finding) -> str:
    what, fix = errors.printable(finding.problem.what), errors.printable(finding.problem.fix)
    return what + (f"; fix: {fix}" if fix else "")


def as_sarif(findings: Sequence[Finding]) -> str:
    """Write SARIF 2.1.0, with a rule and its help for every code that was found."""
    codes = sorted({finding.problem.code for finding in findings})
    driver = {"name": "mesh-injector", "version": __version__, "rules": [_rule(code) for code in codes]}
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, codes.index(finding.problem.code)) for finding in findings],
    }
    return json_text({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(code: str) -> dict[str, Any]:
    meaning = MEANINGS.get(code, _UNKNOWN)
    return {
        "id": code,
        "name": meaning.name,
        "shortDescription": {"text": meaning.what},
        "fullDescription": {"text": meaning.what},
        "help": {"text": f"{meaning.what} {meaning.fix}", "markdown": f"{meaning.what}\n\n**Fix:** {meaning.fix}"},
    }


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    place, problem = finding.place, finding.problem
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(place.source)}}
    if place.line:
        location["region"] = {"startLine": place.line, "startColumn": max(place.column, 1)}
    identity = f"{problem.code}\0{place.source}\0{problem.what}".encode("utf-8", "surrogatepass")
    return {
        "ruleId": problem.code,
        "ruleIndex": rule,
        "level": finding.severity.value,
        "message": {"text": _message(finding)},
        "locations": [{"physicalLocation": location}],
        "partialFingerprints": {"meshInjector/v1": hashlib.sha256(identity).hexdigest()},
    }


def _uri(path: str) -> str:
    """Make a URI reference of a path: relative to the current folder where it is below it, since code scanning wants that."""
    here = os.path.relpath(path) if os.path.isabs(path) else path  # noqa: PTH117 # pathlib cannot go up
    if here.startswith(".."):
        return f"file://{urllib.parse.quote(os.path.abspath(path))}"  # noqa: PTH100 # the file need not be there
    return urllib.parse.quote(here.removeprefix("./"))
