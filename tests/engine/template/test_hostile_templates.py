"""What is just within the bounds, and what is not written out for a message; the attacks themselves are in corpora/."""

from mesh_injector.engine.template import PatchTemplate, Source
from tests import corpora

VALUES = corpora.data()
LONG = VALUES["long"]


def test_a_hostile_key_is_not_written_out_for_a_message() -> None:
    found = PatchTemplate(Source("a: {{ values[values.texts] is defined }}", "t")).render({"values": VALUES})
    assert found.body == {"spec": {"a": False}}


def test_what_is_just_within_the_bounds_renders() -> None:
    text = "a: [{% for i in range(9000) %}{{ i }},{% endfor %}]\nb: '{{ values.long }}'"
    found = PatchTemplate(Source(text, "t")).render({"values": VALUES})
    assert found.body == {"spec": {"a": list(range(9000)), "b": LONG}}


def test_a_template_as_deep_as_is_allowed_compiles() -> None:
    text = f"a: {{{{ {'[' * 20}1{']' * 20} }}}}\nb: {{{{ 'x'{'|lower' * 46} }}}}\n{'{% for x in [1] %}' * 15}c: 1\n{'{% endfor %}' * 15}"
    assert PatchTemplate(Source(text, "t")).render({}).body["spec"]["b"] == "x"
