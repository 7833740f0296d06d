"""What the site does with a bar in the code of a table: code hosts want it escaped, Python-Markdown shows the escape.

Sources: https://github.github.com/gfm/#tables-extension- (example 200), https://python-markdown.github.io/extensions/tables/
"""

import re
from typing import Any, Final

_ROW: Final = re.compile(r"^\|.*\|$", re.MULTILINE)
_CODE: Final = re.compile(r"`[^`\n]*`")


def on_page_markdown(markdown: str, /, **_: Any) -> str:
    """The page with bars in the code of tables as Python-Markdown takes them."""
    return _ROW.sub(lambda row: _CODE.sub(lambda code: code[0].replace(r"\|", "|"), row[0]), markdown)
