"""A spec and its containers as they will be once an overlay is placed."""

from mesh_injector.engine import merged
from mesh_injector.engine.pod import Pod


def test_a_merged_spec_is_a_mapping_of_the_members_that_are_there() -> None:
    pod = Pod.from_document({"spec": {"containers": [{"name": "app"}], "hostname": "own", "nodeName": None, "priority": 0, "newer": 1}})
    spec = merged.spec_of(pod, {"hostname": "ours", "priority": 5, "subdomain": "s", "containers": [{"name": "app", "tty": True}]})
    assert dict(spec) == {"containers": [{"name": "app", "tty": True}], "hostname": "own", "priority": 5, "subdomain": "s"}
    assert (len(spec), spec.get("nodeName")) == (4, None)
