"""No block of the documentation is left to itself: a test runs it, or holds it against what it names, or lists it with why not."""

import json
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
import yaml

from mesh_injector import documents
from mesh_injector.cli import app
from mesh_injector.formats.mesh import spec

ROOT = Path(__file__).parent.parent
CHART = ROOT / "charts" / "mesh-injector"
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(page for folder in ("charts", "corpora", "docs", "tests") for page in sorted((ROOT / folder).rglob("*.md"))),
]
RUN = {
    "docs/templates.md": "test_docs_templates",
    "docs/reference/commands.md": "test_reference",
    "docs/architecture.md": "test_docs_architecture",
    "docs/explain.md yaml": "test_docs_commands",
    "docs/explain.md text": "test_docs_commands",
    "docs/testing-templates.md yaml": "test_docs_commands",
    "docs/tutorial.md json": "test_docs_commands",
    "docs/testing-templates.md text": "test_docs_commands",
}
"""Pages, or their blocks of one language, that another test runs."""
SHOWN = {
    "docs/explain.md json": "the shape of an answer, with names for values",
    "docs/serving.md ": "what a server says that is not ready",
}
"""Blocks that show what nobody types."""
OUTPUT = {
    "README.md": "test_docs_commands",
    "docs/lint.md": "test_docs_commands",
    "docs/cluster.md": "e2e/test_day",
    "docs/installing.md": "e2e/test_plugin",
    "docs/operate.md": "e2e/test_check and e2e/test_status",
}
"""Pages whose console blocks show what comes out, and what runs them, or something that is as good."""
OTHERS = frozenset({"base64", "curl", "docker", "echo", "export", "git", "jq", "openssl", "pip", "vault"})
"""Programs of which nothing is held but that they are meant."""
KUBECTL = frozenset(["annotate", "apply", "create", "delete", "diff", "get", "krew", "label", "patch", "replace", "rollout", "run", "wait"])
KINDS = frozenset({"Pod", "ConfigMap", "Deployment", "Job", "CronJob", "Namespace"})


@dataclass(frozen=True)
class Block:
    """A fenced block: its page, where it begins, its language and its text."""

    page: str
    line: int
    language: str
    text: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def is_run(self) -> bool:
        of_a_story = self.page.startswith("docs/howto/") or self.page in ("docs/tutorial.md", "docs/values.md")
        return self.page in RUN or f"{self.page} {self.language}" in RUN or (of_a_story and self.language in ("yaml", "console"))


def blocks(page: str, text: str) -> Iterator[Block]:
    for found in re.finditer(r"^```([^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield Block(page, text.count("\n", 0, found.start()) + 1, found[1], found[2])


ALL = [block for page in PAGES for block in blocks(str(page.relative_to(ROOT)), page.read_text(encoding="utf-8"))]
YAML = [block for block in ALL if block.language == "yaml" and not block.is_run]
COMMANDS = [
    (block, line.removeprefix("$ "))
    for block in ALL
    if block.language in ("console", "sh")
    for line in block.text.splitlines()
    if block.language == "sh" or line.startswith("$ ")
]


INLINE = [
    (f"{page.relative_to(ROOT)}", found)
    for page in PAGES
    for found in re.findall(r"`(?:kubectl )?mesh-injector ((?:" + "|".join(app.COMMANDS) + r") [^`]+)`", page.read_text(encoding="utf-8"))
]
"""Commands of ours in the middle of a sentence."""


def is_held(block: Block) -> bool:
    return block.is_run or block.language in ("yaml", "console", "sh") or f"{block.page} {block.language}" in SHOWN


def test_every_block_is_run_or_held_or_listed() -> None:
    assert len(ALL) > 100
    assert [block.where for block in ALL if not is_held(block)] == []


def test_what_commands_print_is_shown_only_where_a_test_looks_at_it() -> None:
    printed = {block.page for block in ALL if block.language == "console" and re.search(r"^(?!\$ )", block.text.rstrip(), re.MULTILINE)}
    assert printed - {block.page for block in ALL if block.is_run} == set(OUTPUT)


def test_a_block_that_nobody_knows_is_told() -> None:
    found = list(blocks("docs/new.md", "# New\n\n```python\nprint()\n```\n\n```\nanything\n```\n"))
    assert [(block.line, is_held(block)) for block in found] == [(3, False), (7, False)]


def test_every_fence_is_one_of_a_block() -> None:
    fences = sum(len(re.findall(r"^\s*```", page.read_text(encoding="utf-8"), re.MULTILINE)) for page in PAGES)
    assert fences == 2 * len(ALL)


def test_what_is_listed_is_there() -> None:
    known = {f"{block.page} {block.language}" for block in ALL} | {block.page for block in ALL}
    assert [entry for entry in (*RUN, *SHOWN) if entry not in known] == []
    assert [name for name in RUN.values() if not (ROOT / "tests" / f"{name}.py").is_file()] == []


# YAML


def mesh(document: documents.Document) -> None:
    assert spec.parse(document)[1] == ()


def kubernetes(document: documents.Document) -> None:
    assert "name" in document.body["metadata"]


def values(given: Any) -> None:
    """Values of the chart, against its schema."""
    jsonschema_rs.validator_for(json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))).validate(given)


def application(document: documents.Document) -> None:
    source = document.body["spec"]["source"]
    assert (ROOT / source["path"] / "Chart.yaml").is_file()
    values(source["helm"]["valuesObject"])


def release(document: documents.Document) -> None:
    assert (ROOT / document.body["spec"]["chart"]["spec"]["chart"] / "Chart.yaml").is_file()
    values(document.body["spec"]["values"])


BY_KIND: dict[str, Callable[[documents.Document], None]] = {
    "Mesh": mesh,
    "Application": application,
    "HelmRelease": release,
    **dict.fromkeys(KINDS, kubernetes),
}


def kustomization(body: Any) -> None:
    paths = [re.sub(r"^https://[^/]+/[^/]+//|\?.*", "", path) for path in (*body["resources"], *body["components"])]
    assert [path for path in paths if not (ROOT / path / "kustomization.yaml").is_file()] == []
    shipped = (ROOT / "config/deployment/deployment.yaml").read_text(encoding="utf-8")
    assert [image["name"] for image in body["images"] if f"image: {image['name']}" not in shipped] == []


def pre_commit(body: Any) -> None:
    known = {hook["id"] for hook in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))}
    assert {hook["id"] for repository in body["repos"] for hook in repository["hooks"]} <= known


def argo(body: Any) -> None:
    """The key by which Argo CD finds a script of health is group and kind: https://argo-cd.readthedocs.io/en/stable/operator-manual/health/"""
    assert list(body) == [f"resource.customizations.health.{spec.GROUP}_Mesh"]


BY_FIELD: dict[str, Callable[[Any], None]] = {"resources": kustomization, "repos": pre_commit}
"""What has no kind, by its first field."""


@pytest.mark.parametrize("block", YAML, ids=lambda block: block.where)
def test_yaml_that_is_shown_is_what_whoever_reads_it_takes(block: Block) -> None:
    if "apiVersion:" not in block.text:
        body = yaml.safe_load(block.text)
        BY_FIELD.get(next(iter(body)), argo)(body)
        return
    parsed = documents.parse(block.text, block.where)
    assert parsed.problems == ()
    for document in parsed.documents:
        BY_KIND[document.kind](document)


# Commands


def stages(line: str) -> Iterator[list[str]]:
    """The commands of a pipeline, each as words; what is redirected stays with its command."""
    words: list[str] = []
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|")
    lexer.whitespace_split = True
    for word in lexer:
        if word == "|":
            yield words
            words = []
        else:
            words.append(word)
    yield words


def ours(words: list[str]) -> None:
    """A command of ours with its flags, as it would be parsed; nothing is run."""
    words = [word for word, before in zip(words, ["", *words], strict=False) if not word.startswith(">") and before != ">"]
    app.command(words[0]).make_context(words[0], words[1:])


def make(words: list[str]) -> None:
    rules = re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert [word for word in words if "=" not in word and word not in rules] == []


def kubectl(words: list[str]) -> None:
    if words[0] == "mesh-injector":
        return ours(words[1:])
    assert words[0] in KUBECTL
    files = [word for flag, word in pairwise(words) if flag in ("-f", "-k") and re.match(r"(config|templates|crds)/", word)]
    assert [file for file in files if not (ROOT / file).exists()] == []
    return None


def helm(words: list[str]) -> None:
    assert words[0] in ("upgrade", "uninstall")
    assert [word for word in words if word.startswith("charts/") and not (ROOT / word / "Chart.yaml").is_file()] == []
    known = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    for flag, setting in pairwise(words):
        if flag == "--set":
            here = known
            for key in setting.partition("=")[0].split("."):
                here = here[key]


PROGRAMS: dict[str, Callable[[list[str]], None]] = {
    "mesh-injector": ours,
    "kubectl": kubectl,
    "make": make,
    "helm": helm,
    **dict.fromkeys(OTHERS, lambda _: None),
}


@pytest.mark.parametrize(("block", "line"), COMMANDS, ids=lambda part: part.where if isinstance(part, Block) else part[:40])
def test_a_command_that_is_shown_is_one_that_there_is(block: Block, line: str) -> None:
    for program, *words in stages(line):
        PROGRAMS[program](words)


@pytest.mark.parametrize(("page", "line"), INLINE)
def test_a_command_in_a_sentence_is_one_that_there_is(page: str, line: str) -> None:
    ours(next(stages(line.replace(r"\|", "/").replace("…", ""))))


@pytest.mark.parametrize(
    "line", ["mesh-injector explian", "mesh-injector explain --sauce mesh", "make brew", "kubectl apply -k config/nowhere", "rm -r /"]
)
def test_a_command_that_there_is_not_is_told(line: str) -> None:
    with pytest.raises(Exception):  # noqa: B017, PT011 # each program has its own
        test_a_command_that_is_shown_is_one_that_there_is(ALL[0], line)
