from collections.abc import Callable
from typing import Any

import pytest

from mesh_injector.engine.template import PatchTemplate, Rendered, Source
from mesh_injector.errors import InjectionError

Render = Callable[..., Any]
Refuse = Callable[..., InjectionError]


def rendered(text: str, **variables: Any) -> Rendered:
    return PatchTemplate(Source(text, "the template")).render(variables)


@pytest.fixture(scope="session")
def render() -> Render:
    """Render a template and return the partial pod; of a bare PodSpec the spec alone."""

    def body(text: str, **variables: Any) -> Any:
        found = rendered(text, **variables)
        return found.body.get("spec", {}) if found.bare else found.body

    return body


@pytest.fixture(scope="session")
def value() -> Render:
    """Evaluate an expression: what `v: {{ expression }}` becomes."""

    def evaluated(expression: str, **variables: Any) -> Any:
        return rendered(f"v: {{{{ {expression} }}}}", **variables).body["spec"]["v"]

    return evaluated


@pytest.fixture(scope="session")
def refuse() -> Refuse:
    """Return the error of a template that must be refused, when it is loaded or when it is rendered."""

    def error(text: str, **variables: Any) -> InjectionError:
        with pytest.raises(InjectionError) as caught:
            rendered(text, **variables)
        return caught.value

    return error
