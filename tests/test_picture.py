"""The picture in the README is what the demo shows today, and fetches nothing."""

import re
import xml.etree.ElementTree as ET

from scripts import draw_picture

PICTURE = draw_picture.PICTURE.read_text(encoding="utf-8")


def test_the_picture_is_drawn_from_what_the_demo_shows() -> None:
    assert draw_picture.draw(draw_picture.shown()) == PICTURE, "run `make picture`"


def test_the_picture_is_svg_that_names_no_font_or_script_from_elsewhere() -> None:
    ET.fromstring(PICTURE)
    assert re.findall(r"url\((?!#)|<script|href=", PICTURE) == []
