import pytest

from mesh_injector.engine.template import PatchTemplate, Source
from mesh_injector.errors import InjectionError
from mesh_injector.reasons import Reason

NEEDED = {
    "": ("", ""),
    "a: 1": ("", ""),
    "{{ region }}": ("region", "region"),
    "{{ 'a' ~ region|lower }}": ("region", "region"),
    "{{ region is defined }}": ("region", ""),
    "{{ region is undefined }}": ("region", ""),
    "{{ region is none }}": ("region", "region"),
    "{{ region|default('x') }}": ("region", ""),
    "{{ region|d('x') }}": ("region", ""),
    "{{ region|default(mesh_name) }}": ("region mesh_name", "mesh_name"),
    "{{ region|lower|default('x') }}": ("region", "region"),
    "{{ values|get('a') }}": ("values", ""),
    "{{ values.a|default('x') }}": ("values", "values"),
    "{{ values[region] }}": ("values region", "values region"),
    "{{ [region, mesh_name][0:1] }}": ("region mesh_name", "region mesh_name"),
    "{{ {'a': region} }}": ("region", "region"),
    "{{ 'a'|replace('a', region) }}": ("region", "region"),
    "{{ [1]|map(attribute=region) }}": ("region", "region"),
    "{% if region is defined %}{{ region }}{% endif %}": ("region", ""),
    "{% if region is defined and region == 'a' %}{{ region }}{% endif %}": ("region", ""),
    "{% if mesh_name and region is defined %}{{ region }}{% endif %}": ("mesh_name region", "mesh_name"),
    "{% if region is defined or mesh_name %}{{ region }}{% endif %}": ("region mesh_name", "region mesh_name"),
    "{% if region is undefined or region == 'a' %}{% endif %}": ("region", ""),
    "{% if region is undefined %}a{% else %}{{ region }}{% endif %}": ("region", ""),
    "{% if not region is defined %}a{% else %}{{ region }}{% endif %}": ("region", ""),
    "{% if region is not defined %}a{% else %}{{ region }}{% endif %}": ("region", ""),
    "{% if region is defined %}{{ region }}{% else %}{{ region }}{% endif %}": ("region", "region"),
    "{% if 1 == 2 %}a{% elif region is defined %}{{ region }}{% else %}b{% endif %}": ("region", ""),
    "{% if region is undefined %}a{% elif region == 'a' %}{{ region }}{% endif %}": ("region", ""),
    "{% if 1 == 2 %}a{% elif region is undefined %}b{% else %}{{ region }}{% endif %}": ("region", ""),
    "{% if 1 == 2 %}a{% elif region is undefined %}b{% elif region == 'c' %}{{ region }}{% endif %}": ("region", ""),
    "{{ region if region is defined else 'x' }}": ("region", ""),
    "{{ 'x' if region is undefined else region }}": ("region", ""),
    "{{ 'x' if region is defined else region }}": ("region", "region"),
    "{% for p in container_ports %}{{ p }}{{ loop.index }}{% else %}{{ region }}{% endfor %}": (
        "container_ports region",
        "container_ports region",
    ),
    "{% for k, v in values|items if v == region %}{{ k }}{% endfor %}": ("values region", "values region"),
    "{% set x = region %}{{ x }}": ("region", "region"),
    "{% set x = 1 %}{% set x = x + 1 %}{{ x }}": ("", ""),
    "{% if mesh_name == 'a' %}{% set x = 1 %}{% else %}{% set x = 2 %}{% endif %}{{ x }}": ("mesh_name", "mesh_name"),
    "{{ range(3) }}{{ container_ports[0] }}": ("container_ports", "container_ports"),
    "{{ MeshName }}{{ VirtualNodeName }}{{ AwsRegion }}{{ AppPort }}": (names := "MeshName VirtualNodeName AwsRegion AppPort", names),
}


@pytest.mark.parametrize(("text", "named", "needed"), [(text, *expected) for text, expected in NEEDED.items()])
def test_a_template_knows_which_variables_it_names_and_which_it_needs(text: str, named: str, needed: str) -> None:
    template = PatchTemplate(Source(text, "t"))
    assert template.named == set(named.split())
    assert template.needed == set(needed.split())


UNKNOWN = {
    "a: 1\nb: {{ mesh_nam }}": ("`mesh_nam` is not defined", "t, line 2, column 7", "did you mean `mesh_name`?"),
    "{{ x }}": ("`x` is not defined", "t, line 1, column 4", "there are `app_ports`, `container_names`"),
    "{{- if .Values.debug }}": ("`if` is not defined", "t, line 1, column 5", "not Go's templates: write `{% if … %}`"),
    "{{ end }}": ("`end` is not defined", "t, line 1, column 4", "not Go's templates: write `{% endif %}`"),
    "{% set sidecar = 1 %}{{ sidecr }}": ("`sidecr` is not defined", "t, line 1, column 25", "did you mean `sidecar`?"),
    "{% for x in [1] %}{% endfor %}{{ x }}": ("`x` is not defined", "t, line 1, column 34", ""),
    "{% for x in [1] %}{% set y = 1 %}{% endfor %}{{ y }}": ("`y` is not defined", "", ""),
    "{% for x in x %}{% endfor %}": ("`x` is not defined", "", ""),
    "{% set x = x %}": ("`x` is not defined", "", ""),
    "{{ loop.index }}": ("`loop` is not defined", "", ""),
    "{% for x in [1] if loop.index %}{% endfor %}": ("`loop` is not defined", "", ""),
    "{% for x in [1] %}{% for y in [1] if loop.first %}{% endfor %}{% endfor %}": ("`loop` is not defined", "", ""),
    "{% for x in [1] %}{% else %}{{ loop.index }}{% endfor %}": ("`loop` is not defined", "", ""),
    "{{ envoy is defined }}": ("`envoy` is not defined", "", ""),
    "{{ envoy|default('a') }}": ("`envoy` is not defined", "", ""),
}


@pytest.mark.parametrize(("text", "what", "where", "fix"), [(text, *told) for text, told in UNKNOWN.items()])
def test_a_name_that_nothing_defines_is_found_at_load(text: str, what: str, where: str, fix: str) -> None:
    with pytest.raises(InjectionError) as caught:
        PatchTemplate(Source(text, "t"))
    problem = caught.value.problem
    assert (caught.value.reason, problem.what) == (Reason.UNDEFINED_VARIABLE, what)
    assert where in problem.where
    assert fix in problem.fix
    assert "^" in problem.excerpt
