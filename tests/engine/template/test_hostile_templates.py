"""What is just within the bounds, and what is not written out for a message; the attacks themselves are in corpora/."""

from typing import Any

import pytest

from mesh_injector.engine.template import PatchTemplate, Source
from mesh_injector.engine.template.bounds import NODES, STRUCTURE
from mesh_injector.errors import InjectionError
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


@pytest.mark.parametrize(
    "text",
    [
        "a: [{% for i in range(9999) %}{{ i }},{% endfor %}]",
        "a: [{% for i in range(9999) %}'{{ mesh_name|upper }}-{% if loop.last %}z{% endif %}',{% endfor %}]",
        "{% for i in range(9999) %}{% if i > 9000 %}k{{ i }}: {{ i + 1 }}\n{% endif %}{% endfor %}",
        "a: {{ range(9998) }}",
        "a: '{{ range(5000)|tojson }}'",
        "a: '{{ range(9000)|map('string')|join('-') }}'",
        "metadata:\n  annotations:\n" + "".join(f"    key-{at}: {'x' * 40}\n" for at in range(4500)),
        "metadata:\n  annotations:\n    text: |\n" + "      line {{ mesh_name }}\n" * 400 + f"      {'x' * 250}\n" * 900,
        "containers:\n- name: a\n  env:\n" + "".join(f"  - {{name: v{at}, value: {'x' * 100}}}\n" for at in range(1500)),
    ],
)
def test_a_large_template_without_malice_renders(text: str) -> None:
    assert PatchTemplate(Source(text, "t")).render({"mesh_name": "shop"}).body


@pytest.mark.parametrize(
    ("expression", "items"),
    [
        ("values.x|tojson|startswith('q')", [[[]]] * 3000),
        ("values.x|tojson|startswith('q')", [1.5] * 9000),
        ("values.x == values.x", [[[]]] * 3000),
        ("values.x|sort|length", [f"{at * 7919 % 9000:05d}" for at in range(9000)]),
        ("values.x|unique|length", list(range(9000))),
        ("values.x|map('sha256')|list|length", list(range(9000))),
        ("values.x|map('dns_label')|list|length", ["-a" * 32] * 3000),
        ("values.x|map('get', 'a')|list|length", [{"b": 1}] * 4500),
        ("values.x|map(attribute='a')|list|length", [{"b": 1}] * 4500),
        ("values.x|join|length", [1.5] * 9000),
    ],
)
def test_what_looks_at_all_values_again_and_again_is_cut_where_each_costs_what_it_takes(expression: str, items: list[Any]) -> None:
    template = PatchTemplate(Source(f"{{% for i in range(19) %}}{{% if {expression} %}}{{% endif %}}{{% endfor %}}", "t"))
    with pytest.raises(InjectionError, match="evaluations"):
        template.render({"values": {"x": items}})


def test_a_rendered_list_or_mapping_counts_as_three_values() -> None:
    def sized(count: int) -> PatchTemplate:
        return PatchTemplate(Source(f"a: [{'[],' * count}]", "t"))

    fits = (NODES - 2 * STRUCTURE - 1) // STRUCTURE
    assert len(sized(fits).render({}).body["spec"]["a"]) == fits
    with pytest.raises(InjectionError, match="keys and values"):
        sized(fits + 1).render({})


def test_a_template_as_deep_as_is_allowed_compiles() -> None:
    text = f"a: {{{{ {'[' * 20}1{']' * 20} }}}}\nb: {{{{ 'x'{'|lower' * 46} }}}}\n{'{% for x in [1] %}' * 15}c: 1\n{'{% endfor %}' * 15}"
    assert PatchTemplate(Source(text, "t")).render({}).body["spec"]["b"] == "x"
