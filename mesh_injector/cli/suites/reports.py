"""Results as people, programs and CI servers read them: what failed with what was expected and found, JSON, JUnit XML."""

import difflib
from collections.abc import Iterator, Sequence
from typing import Any, Final
from xml.etree import ElementTree as ET

from mesh_injector import documents, errors
from mesh_injector.cli.screen import Part
from mesh_injector.cli.suites.expectation import Failure
from mesh_injector.cli.suites.running import Result
from mesh_injector.cli.terminal import Terminal
from mesh_injector.errors import Problem

_NOTHING: Final = "(nothing)"


def show(results: Sequence[Result], terminal: Terminal) -> None:
    """Show every test under its file, what failed in full, and the sums."""
    file = ""
    for result in results:
        if result.suite.file != file:
            file = result.suite.file
            terminal.out.line((file, "bold"))
        terminal.out.line("  ", *_head(result))
        for failure in result.failures:
            _show(failure, terminal)
    files = list(dict.fromkeys(result.suite.file for result in results))
    if len(files) > 1:
        terminal.out.line()
        terminal.table(("FILE", "TESTS", "PASSED", "FAILED"), [_row(file, results) for file in files])
    terminal.out.line(*_sums(results))


def _head(result: Result) -> tuple[Part, ...]:
    if result.failures:
        return ("✗ ", "red"), (result.case.name, "bold"), (f"  {result.suite.file}:{result.suite.line(result.case)}", "dim")
    return ("✓ ", "green"), result.case.name


def _show(failure: Failure, terminal: Terminal) -> None:
    where = (f"  {failure.where}", "dim") if failure.where else ""
    terminal.out.line("      ", (failure.field, "cyan"), where)
    for line in _lines(failure):
        style = {"-": "red", "+": "green"}.get(line[0], "dim")
        terminal.out.line("      ", (line, style))
    if failure.hint:
        terminal.out.line("        ", (failure.hint, "yellow"))


def _lines(failure: Failure) -> Iterator[str]:
    """Write what was expected and found in two lines, or as a diff where one of them takes several lines."""
    expected, found = _yaml(failure.expected), _yaml(failure.found)
    if len(expected) == len(found) == 1:
        yield f"- expected  {expected[0]}"
        yield f"+ found     {found[0]}"
        return
    yield "- expected, + found"
    diff = difflib.unified_diff(expected, found, lineterm="", n=3)
    yield from (line for line in diff if not line.startswith(("---", "+++", "@@")))


def _yaml(value: Any) -> list[str]:
    if value is None:
        return [_NOTHING]
    if isinstance(value, dict | list) and value:
        return documents.dump(value).splitlines()
    return documents.dump([value]).rstrip("\n")[2:].splitlines()


def _row(file: str, results: Sequence[Result]) -> tuple[Part, ...]:
    own = [result for result in results if result.suite.file == file]
    failed = sum(bool(result.failures) for result in own)
    return file, str(len(own)), str(len(own) - failed), (str(failed), "red" if failed else "")


def _sums(results: Sequence[Result]) -> tuple[Part, ...]:
    failed = sum(bool(result.failures) for result in results)
    passed, seconds = len(results) - failed, sum(result.seconds for result in results)
    told = [(f"{passed} passed", "green")] if passed else []
    told += [(f"{failed} failed", "red")] if failed else []
    separated = [(", ", one) if number else (one,) for number, one in enumerate(told)]
    return (*(part for parts in separated for part in parts), f" in {seconds:.2f} s")


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """Give every test with its failures; `expected` and `found` are null where there is nothing."""
    return {
        "items": [
            {
                "file": result.suite.file,
                "line": result.suite.line(result.case),
                "suite": result.suite.name,
                "name": result.case.name,
                "passed": not result.failures,
                "seconds": round(result.seconds, 6),
                "failures": [
                    {name: getattr(failure, name) for name in ("field", "expected", "found", "where", "hint")}
                    for failure in result.failures
                ],
            }
            for result in results
        ]
    }


def as_junit(results: Sequence[Result], problems: Sequence[Problem] = ()) -> str:
    """Write JUnit XML as CI servers read it: a testsuite a file, a testcase a test; what is wrong with test files is an error.

    Source of the form: https://github.com/testmoapp/junitxml
    """
    root = ET.Element("testsuites", _counts(results, problems))
    for file in dict.fromkeys(result.suite.file for result in results):
        own = [result for result in results if result.suite.file == file]
        suite = ET.SubElement(root, "testsuite", {"name": _clean(own[0].suite.name), "file": _clean(file), **_counts(own)})
        for result in own:
            _case(suite, result)
    if problems:
        suite = ET.SubElement(root, "testsuite", {"name": "test files", **_counts((), problems)})
        for problem in problems:
            case = ET.SubElement(suite, "testcase", {"name": _clean(problem.where), "classname": "test files"})
            ET.SubElement(case, "error", {"message": _clean(str(problem)), "type": problem.code})
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")


def _case(suite: ET.Element, result: Result) -> None:
    attributes = {"classname": _clean(result.suite.name), "file": _clean(result.suite.file), "line": str(result.suite.line(result.case))}
    case = ET.SubElement(suite, "testcase", {"name": _clean(result.case.name), **attributes, "time": f"{result.seconds:.6f}"})
    if result.failures:
        fields = ", ".join(failure.field for failure in result.failures)
        failed = ET.SubElement(case, "failure", {"message": _clean(f"not as expected: {fields}"), "type": "expectation"})
        failed.text = "\n".join(_clean(line) for failure in result.failures for line in _told(failure))


def _told(failure: Failure) -> list[str]:
    head = failure.field + (f"  ({failure.where})" if failure.where else "")
    return [head, *(f"  {line}" for line in _lines(failure)), *([f"  {failure.hint}"] if failure.hint else [])]


def _counts(results: Sequence[Result], problems: Sequence[Problem] = ()) -> dict[str, str]:
    failed = sum(bool(result.failures) for result in results)
    seconds = f"{sum(result.seconds for result in results):.6f}"
    return {"tests": str(len(results) + len(problems)), "failures": str(failed), "errors": str(len(problems)), "time": seconds}


def _clean(text: str) -> str:
    """Replace what XML cannot hold."""
    return errors.printable(text)
