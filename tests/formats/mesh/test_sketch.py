"""Values that stand in for those of a pod, and templates of too many branches."""

from mesh_injector.documents import Origin
from mesh_injector.engine import schema
from mesh_injector.engine.template import PatchTemplate, Source
from mesh_injector.formats.mesh import sketch


def template(text: str) -> PatchTemplate:
    return PatchTemplate(Source(text, "t", Origin("t", 1, 1)))


def test_an_object_stands_in_with_what_it_must_have() -> None:
    assert sketch.stand_in(schema.definition("ContainerPort"), 3) == {"containerPort": 4}


WRONG = "spec: {unknownField: 1}\nmetadata: {labels: {a: {% if values.v %}x{% else %}y{% endif %}}}\n"


def test_what_is_wrong_in_every_branch_is_found_and_not_sought_in_a_text_that_is_too_long() -> None:
    assert sketch.in_every_branch(template(WRONG), privileged=True) is not None
    assert sketch.in_every_branch(template(f"{WRONG}# {'x' * sketch.CHARACTERS}\n"), privileged=True) is None
