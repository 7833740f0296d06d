"""What the site does with links that leave `docs/`: the site has no such page, so the file is named instead.
A file that is not there is a warning, which ends a strict build."""

import logging
import re
from pathlib import Path
from typing import Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

_LINK: Final = re.compile(r"\[([^\]]*)\]\(((?:\.\./)+[^)#\s]+)(?:#[^)\s]*)?\)")
_LOG: Final = logging.getLogger("mkdocs.hooks.site_links")


def on_page_markdown(markdown: str, /, *, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - mkdocs passes them by name
    """The page with each link to a file outside of the documentation replaced by its text and the file's path."""
    docs = Path(config.docs_dir).resolve()
    here = (docs / page.file.src_uri).parent

    def named(link: re.Match[str]) -> str:
        target = (here / link[2]).resolve()
        if target.is_relative_to(docs):
            return link[0]
        if not target.exists():
            _LOG.warning("%s: there is no %s", page.file.src_uri, link[2])
        path = f"`{target.relative_to(docs.parent)}`"
        return path if link[1].strip("`") == path.strip("`") else f"{link[1]} ({path})"

    return _LINK.sub(named, markdown)
