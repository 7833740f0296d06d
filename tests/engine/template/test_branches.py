"""What a template can render to, told without running it."""

from mesh_injector.engine.template import PatchTemplate, Source, branches
from mesh_injector.engine.template.state import MARKER


def texts(text: str) -> list[str]:
    return [MARKER.sub("?", branch.text) for branch in PatchTemplate(Source(text, "t")).branches()]


def test_a_template_without_conditions_has_one_text() -> None:
    assert texts("a: {{ region }}\nb: '{{ mesh_name }}-{{ app_ports }}'") == ["a: ?\nb: '?-?'"]


def test_each_branch_is_taken_with_its_own_conditions_and_no_others() -> None:
    text = "{% if region == 'a' %}A{% elif mesh_name == 'b' %}B{% else %}C{% endif %}{% if app_ports %}D{% endif %}"
    assert sorted(texts(text)) == ["A", "B", "C", "CD"]


def test_branches_inside_branches_and_loops_are_taken() -> None:
    text = "{% for p in container_ports %}{% if loop.first %}A{% if region %}B{% endif %}{% endif %}-{% endfor %}"
    assert sorted(texts(text)) == ["-", "A-", "AB-"]


def test_a_condition_is_the_same_wherever_it_stands() -> None:
    text = "{% if region is defined %}A{% endif %}{% if region is undefined %}B{% endif %}{% if not region is defined %}C{% endif %}"
    assert sorted(texts(text)) == ["A", "BC"]


def test_a_branch_that_contradicts_itself_is_left_out() -> None:
    assert sorted(texts("{% if region == 'a' %}A{% if region != 'a' or region == 'a' %}B{% endif %}{% endif %}")) == ["", "A", "AB"]
    assert sorted(texts("{% if region == 'a' %}A{% elif region == 'a' %}B{% endif %}")) == ["", "A"]
    assert sorted(texts("{% if region %}A{% elif not region %}B{% else %}C{% endif %}")) == ["A", "B"]


def test_a_text_knows_the_lines_of_the_template() -> None:
    *_, branch = PatchTemplate(Source("a: 1\n{% if region %}\nb: {{ region }}\n{% endif %}\nc: 1\n", "t")).branches()
    assert [branch.line(branch.text.index(key) + 1) for key in "abc"] == [1, 3, 5]
    assert {1, 3, 5} <= branch.lines


def test_no_more_branches_are_looked_at_than_the_bound() -> None:
    text = "".join(f"{{% if {number} %}}{number}{{% endif %}}" for number in range(branches.BRANCHES + 20))
    assert len(texts(text)) == branches.BRANCHES
