"""The documentation as a whole: every page is on the site, and every link and anchor of every page of the project leads somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SITE = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
DOCS = sorted((ROOT / "docs").rglob("*.md"))
PAGES = [*sorted(ROOT.glob("*.md")), *DOCS, *sorted(ROOT.glob("corpora/**/*.md")), *sorted(ROOT.glob("charts/**/*.md"))]


def prose(page: Path) -> str:
    """A page without its code: a link in an example is no link."""
    return re.sub(r"```.*?```|`[^`\n]*`(?!\]\()", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts and the site make them."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def leads_nowhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    return not target.exists() or (anchor != "" and anchor not in anchors(target))


def test_every_page_is_in_the_navigation_once() -> None:
    navigation = SITE.partition("\nnav:\n")[2]
    assert sorted(re.findall(r"[\w/-]+\.md", navigation)) == sorted(str(page.relative_to(ROOT / "docs")) for page in DOCS)


def test_every_decision_is_in_their_table_under_its_title() -> None:
    listed = re.findall(
        r"^\| (\d{4}) \| \[(.+)\]\((.+\.md)\) \|$", (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    files = sorted((ROOT / "docs/decisions").glob("0*.md"))
    titles = [file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ").partition(": ") for file in files]
    assert listed == [(number, title[0].upper() + title[1:], file.name) for (number, _, title), file in zip(titles, files, strict=True)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!\w+:)([^)\s]+)\)", prose(page))
    assert [link for link in links if leads_nowhere(page, link)] == []


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("built") / "site"
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_on_the_site(site: Path) -> None:
    made = {str(page.relative_to(site).with_suffix(".md")) for page in site.rglob("*.html")}
    assert {str(page.relative_to(ROOT / "docs")).replace("README", "index") for page in DOCS} <= made


def test_every_row_of_a_table_has_its_cells_and_shows_no_escape(site: Path) -> None:
    tables = [
        table for page in site.rglob("*.html") for table in re.findall(r"<table>.*?</table>", page.read_text(encoding="utf-8"), re.DOTALL)
    ]
    widths = [{len(re.findall(r"<t[dh][ >]", row)) for row in re.findall(r"<tr>.*?</tr>", table, re.DOTALL)} for table in tables]
    assert len(tables) > 50
    assert [table[:200] for table, width in zip(tables, widths, strict=True) if len(width) != 1] == []
    assert [code for table in tables for code in re.findall(r"<code>(.*?)</code>", table) if r"\|" in code] == []
