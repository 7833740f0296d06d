"""The record: what it says, which claims are believed, and that taking it out gives the pod as it was."""

import json
from typing import Any

import jsonpatch
import pytest

from mesh_injector.engine import address, record
from mesh_injector.engine.placed import Placement
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.record import ANNOTATION, NoRecord, Record
from mesh_injector.engine.taking import Taken
from mesh_injector.errors import InjectionError
from mesh_injector.reasons import Reason

Json = dict[str, Any]


def seal(body: Json, placement: Placement) -> Json:
    operations = record.seal(Pod.from_document(body), placement, "mesh-system/shop", "sha256:00")
    result: Json = jsonpatch.apply_patch(body, operations)
    return result


def written(body: Json) -> Json:
    found: Json = json.loads(body["metadata"]["annotations"][ANNOTATION])
    return found


def text(**parts: Any) -> str:
    return json.dumps({"version": 1, "mesh": "mesh-system/shop", "template": "sha256:00", **parts})


def carrying(body: Json, **parts: Any) -> Json:
    metadata = body.get("metadata") or {}
    annotations = {**(metadata.get("annotations") or {}), ANNOTATION: text(**parts)}
    return {**body, "metadata": {**metadata, "annotations": annotations}}


def pod(**spec: Any) -> Json:
    return {"spec": {"containers": [{"name": "app", "image": "cart:1"}], **spec}}


# --- writing ------------------------------------------------------------------------------------------------------------------------


def test_the_record_is_compact_json_with_mesh_template_and_addresses() -> None:
    body = {"metadata": {"annotations": {"a": "b"}}, **pod()}
    sealed = seal(body, Placement(added=["labels[x]"], created=["labels"], replaced={"priority": 0}))
    assert sealed["metadata"]["annotations"] == {
        "a": "b",
        ANNOTATION: '{"version":1,"mesh":"mesh-system/shop","template":"sha256:00","added":["labels[x]"],"created":["labels"],'
        '"replaced":{"priority":0}}',
    }


@pytest.mark.parametrize("metadata", [{}, {"annotations": None}])
def test_annotations_that_are_not_there_are_marked_as_created(metadata: Json) -> None:
    assert written(seal({"metadata": metadata, **pod()}, Placement(added=["hostname"])))["created"] == ["annotations"]


def test_metadata_that_is_not_there_is_marked_as_created() -> None:
    assert written(seal(pod(), Placement(added=["hostname"])))["created"] == ["metadata", "annotations"]


def test_what_placing_created_is_not_created_twice() -> None:
    operations = [{"op": "add", "path": "/metadata", "value": {}}, {"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}}]
    sealed = seal(pod(), Placement(operations, ["annotations[a]"], ["metadata", "annotations"]))
    assert written(sealed)["created"] == ["metadata", "annotations"]
    assert sealed["metadata"]["annotations"]["a"] == "b"


def test_a_forged_annotation_is_overwritten() -> None:
    sealed = seal({"metadata": {"annotations": {ANNOTATION: "forged"}}, **pod()}, Placement(added=["hostname"]))
    assert written(sealed)["added"] == ["hostname"]


def annotated(size: int) -> Json:
    return {"metadata": {"annotations": {"a": "x" * size}}, **pod()}


def test_annotations_may_be_as_large_as_kubernetes_allows_and_no_larger() -> None:
    done = Placement(added=["hostname"])
    record_size = len(seal(annotated(1), done)["metadata"]["annotations"][ANNOTATION])
    room = record.ANNOTATIONS_LIMIT - record_size - len(ANNOTATION) - len("a")
    seal(annotated(room), done)
    with pytest.raises(InjectionError, match=f"takes {record_size} bytes and all annotations 262145, of 262144 allowed") as caught:
        seal(annotated(room + 1), done)
    assert caught.value.reason is Reason.RENDERED_INVALID_POD
    assert (caught.value.problem.where, caught.value.problem.fix) == (
        f"metadata.annotations[{ANNOTATION}]",
        "bring fewer or shorter things",
    )


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/metadata/annotations", "value": {"big": "x" * 262144}},
        {"op": "add", "path": "/metadata/annotations/big", "value": "x" * 262144},
    ],
)
def test_annotations_that_the_template_brings_count_too(operation: Json) -> None:
    with pytest.raises(InjectionError, match="of 262144 allowed"):
        record.seal(Pod.from_document({"metadata": {"annotations": {}}, **pod()}), Placement([operation], ["annotations[big]"]), "m", "t")


@pytest.mark.parametrize("key", ["k" * 300, "a/b~c" * 60])
def test_the_key_of_an_annotation_that_the_template_brings_counts_too(key: str) -> None:
    operations: list[Json] = [
        {"op": "add", "path": "/metadata/annotations", "value": {"first": "w"}},
        {"op": "add", "path": f"/metadata/annotations/{address.escape(key)}", "value": "v"},
        {"op": "add", "path": "/spec/hostname", "value": "h"},
    ]
    done = Placement(operations, ["hostname"], ["annotations"])
    empty: Json = {"metadata": {}, **pod()}
    rest = sum(len(name + value) for name, value in seal(empty, done)["metadata"]["annotations"].items())
    room = record.ANNOTATIONS_LIMIT - rest
    operations[1]["value"] = "v" * (room + 1)
    seal(empty, done)
    operations[1]["value"] += "v"
    with pytest.raises(InjectionError, match="all annotations 262145, of 262144 allowed"):
        seal(empty, done)


def test_a_record_lists_at_most_so_many_things() -> None:
    seal(pod(), Placement(added=[f"labels[a{count}]" for count in range(record.ADDRESSES - 2)]))
    with pytest.raises(InjectionError, match="the template adds 2049 things to the pod, and a record holds at most 2048") as caught:
        seal(pod(), Placement(added=[f"labels[a{count}]" for count in range(record.ADDRESSES - 1)]))
    assert (caught.value.problem.where, caught.value.problem.fix) == (f"metadata.annotations[{ANNOTATION}]", "bring fewer things")


def test_a_record_of_very_many_things_is_refused_with_its_size() -> None:
    with pytest.raises(InjectionError, match=r"the record of what is added takes 35[0-9]{4} bytes"):
        seal(pod(), Placement(added=[f"containers[app].env[{'A' * 330}{count}]" for count in range(1000)]))


# --- reading ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "containers[envoy]",
        "initContainers[x]",
        "volumes[tmp]",
        "containers[app].env[FOO]",
        "containers[app].ports[8080/TCP]",
        "containers[app].command",
        "containers[app].livenessProbe",
        "containers[app].lifecycle.preStop",
        "containers[app].resources.limits[cpu]",
        "initContainers[app].securityContext.runAsUser",
        "labels[x]",
        "annotations[a\\.b/c]",
        "finalizers[#0123456789ab]",
        "tolerations[#0123456789ab]",
        "affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[#0123456789ab]",
        "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms",
        "hostname",
        "securityContext.fsGroup",
    ],
)
def test_an_address_of_a_leaf_is_believed(address: str) -> None:
    found = record.read(text(added=[address]))
    assert found == Record(1, "mesh-system/shop", "sha256:00", (address,))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "containers",
        "initContainers",
        "spec",
        "metadata",
        "status",
        "labels",
        "securityContext",
        "affinity.podAffinity",
        "containers[app].env",
        "containers[app].name",
        "containers[app].image",
        "initContainers[app].image",
        "containers[app].ports[80/TCP].containerPort",
        "containers[app].livenessProbe.httpGet",
        "containers[app].env[A].value",
        "containers[app].command[0]",
        "containers[app][image]",
        "volumes[x].emptyDir",
        "hostname.x",
        "hostname[x]",
        "securityContext[fsGroup]",
        "labels[x][y]",
        "labels.x",
        "nothing[x]",
        "[app]",
        "containers.[app]",
        "annotations[mesh-injector\\.io/status]",
        "annotations[mesh-injector.io/status]",
    ],
)
def test_an_address_that_placing_cannot_have_written_makes_it_no_record(address: str) -> None:
    assert record.read(text(added=[address])) is None
    assert record.read(text(replaced={address: ""})) is None


@pytest.mark.parametrize("address", ["metadata", "labels", "annotations", "initContainers", "containers[app].env", "affinity.podAffinity"])
def test_an_address_of_a_list_or_map_may_be_created(address: str) -> None:
    found = record.read(text(created=[address]))
    assert found is not None
    assert found.created == (address,)


@pytest.mark.parametrize("address", ["containers", "spec", "hostname", "containers[app]", "labels[x]", "volumes[x].emptyDir", ""])
def test_an_address_of_anything_else_was_not_created(address: str) -> None:
    assert record.read(text(created=[address])) is None


def test_an_item_has_no_default_that_could_be_replaced() -> None:
    assert record.read(text(replaced={"labels[x]": ""})) is None
    assert record.read(text(replaced={"dnsPolicy": "ClusterFirst"})) is not None


@pytest.mark.parametrize(
    "annotation",
    [
        "",
        "x",
        "[]",
        "null",
        "{}",
        text(version=0),
        text(version=-1),
        text(version="1"),
        text(version=None),
        text(mesh=None),
        text(added="containers[envoy]"),
        text(added=[1]),
        text(replaced=[]),
        text(added=["containers[envoy]"])[:-1],
        "[" * 100_000,
        '{"version":1,"mesh":"m","template":"t","replaced":{"hostname":' + "[" * 100_000,
    ],
)
def test_what_is_no_record_of_ours_is_none(annotation: str) -> None:
    assert record.read(annotation) is None
    assert record.strip(Pod.from_document({"metadata": {"annotations": {ANNOTATION: annotation}}, **pod()})) is None


def test_what_a_newer_version_of_this_program_adds_is_passed_over() -> None:
    assert record.read(text(newer={})) == Record(1, "mesh-system/shop", "sha256:00")


# --- versions -----------------------------------------------------------------------------------------------------------------------

GONE: Json = {"at": "containers[app].env[A]", "index": 0, "value": {"name": "A"}}


def test_each_record_is_of_the_oldest_version_that_can_say_it() -> None:
    assert written(seal(pod(), Placement(added=["hostname"])))["version"] == 1
    sealed = written(seal(pod(), Placement(taken=[Taken("containers[app].env[A]", 0, {"name": "A"})])))
    assert (sealed["version"], sealed["taken"]) == (2, [GONE])


def test_an_older_version_is_understood_and_knows_nothing_that_was_taken() -> None:
    found = record.read(text(version=1, added=["hostname"], taken=[GONE]))
    assert found is not None
    assert (found.added, found.taken, found.is_newer) == (("hostname",), (), False)


def test_of_a_newer_version_what_we_know_is_believed_and_the_rest_passed_over() -> None:
    newer = text(
        version=7,
        added=["containers[envoy]", "containers", "newField"],
        created=["labels", "spec"],
        replaced={"priority": 0, "newField": 1, "labels[x]": ""},
        taken=[GONE, {"at": "volumes[x]", "index": 0, "value": {"name": "x"}}],
        moved=[1],
    )
    found = record.read(newer)
    assert found is not None
    assert (found.added, found.created, found.replaced) == (("containers[envoy]",), ("labels",), {"priority": 0})
    assert ([taken.at for taken in found.taken], found.is_newer) == (["containers[app].env[A]"], True)


def test_a_newer_version_of_another_shape_is_no_record() -> None:
    assert record.read(text(version=7, added={"hostname": 1})) is None


@pytest.mark.parametrize("extra", [1, record.ADDRESSES])
def test_a_record_of_more_things_than_any_has_is_none(extra: int) -> None:
    assert record.read(text(version=2, added=[f"labels[{at}]" for at in range(record.ADDRESSES)], taken=[GONE] * extra)) is None


def test_a_record_of_as_many_things_as_there_may_be_is_read() -> None:
    found = record.read(text(added=[f"labels[{at}]" for at in range(record.ADDRESSES)]))
    assert found is not None
    assert found.size == record.ADDRESSES


def test_a_record_longer_than_annotations_may_be_is_none() -> None:
    assert record.read(text(newer="x" * (record.ANNOTATIONS_LIMIT - len(text(newer=""))))) is not None
    with pytest.raises(NoRecord, match="is of 262145 characters"):
        record.parse(text(newer="x" * (record.ANNOTATIONS_LIMIT + 1 - len(text(newer="")))))


def test_why_it_is_no_record_is_said() -> None:
    with pytest.raises(NoRecord, match="lists `spec` as created, which mesh-injector never writes"):
        record.parse(text(created=["spec"]))
    with pytest.raises(NoRecord, match="is nested too deeply"):
        record.parse('{"version":1,"mesh":"m","template":"t","replaced":{"hostname":' + "[" * 100_000)
    with pytest.raises(NoRecord, match="is no record: JSON is malformed"):
        record.parse("x")
    with pytest.raises(NoRecord, match="is of version 0, which there never was"):
        record.parse(text(version=0))
    with pytest.raises(NoRecord, match="lists 2049 things, and no record lists more than 2048"):
        record.parse(text(added=["hostname"] * 2049))
    with pytest.raises(NoRecord, match="leaves no container in the pod"):
        record.take_out(Pod.from_document(carrying(pod(), added=["containers[app]"])))
    with pytest.raises(NoRecord, match="is not there"):
        record.take_out(Pod.from_document(pod()))


def test_the_operations_take_out_what_the_record_lists() -> None:
    body = carrying(
        pod(volumes=[{"name": "tmp"}], dnsPolicy="None", hostname="h"),
        added=["volumes[tmp]", "hostname"],
        created=["volumes", "annotations", "metadata"],
        replaced={"dnsPolicy": "ClusterFirst", "schedulerName": ""},
    )
    stripped = record.take_out(Pod.from_document(body))
    assert stripped.body == pod(dnsPolicy="ClusterFirst", schedulerName="")
    assert jsonpatch.apply_patch(body, stripped.operations) == stripped.body
    assert [operation["op"] for operation in stripped.operations] == ["remove"] * 3 + ["replace", "add"] + ["remove"] * 3


def test_metadata_that_a_forged_record_lists_twice_is_taken_out_once() -> None:
    stripped = record.take_out(Pod.from_document(carrying(pod(), created=["metadata", "annotations", "metadata"])))
    assert stripped.body == pod()


def test_a_record_is_read_as_it_was_written() -> None:
    one = Record(1, "a/b", "sha256:1", ("labels[x]",), ("labels",), {"priority": 0})
    assert record.read(record.write(one)) == one


# --- taking it out ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [{}, {"metadata": None}, {"metadata": {}}, {"metadata": {"annotations": None}}, {"metadata": {"annotations": {}}}]
)
def test_a_pod_without_a_record_has_nothing_to_take_out(body: Json) -> None:
    assert record.strip(Pod.from_document(body)) is None


def test_what_was_added_is_taken_out_and_the_pod_itself_is_left_alone() -> None:
    body = carrying(pod(volumes=[{"name": "own"}, {"name": "tmp"}]), added=["volumes[tmp]", "containers[gone]", "labels[gone]"])
    before = json.dumps(body)
    stripped = record.strip(Pod.from_document(body))
    assert stripped is not None
    assert stripped[0] == {"metadata": {"annotations": {}}, **pod(volumes=[{"name": "own"}])}
    assert json.dumps(body) == before


def test_of_a_doubled_name_the_first_is_taken_out() -> None:
    body = pod(containers=[{"name": "app", "env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}])
    stripped = record.strip(Pod.from_document(carrying(body, added=["containers[app].env[A]"])))
    assert stripped is not None
    assert stripped[0]["spec"]["containers"][0]["env"] == [{"name": "A", "value": "2"}]


def test_what_was_created_is_taken_out_only_if_it_is_empty_at_the_end() -> None:
    body = pod(volumes=[{"name": "tmp"}], tolerations=[{"key": "a"}], affinity={"podAffinity": {}}, dnsConfig={"searches": ["x"]})
    created = ["affinity", "affinity.podAffinity", "volumes", "tolerations", "dnsConfig", "securityContext"]
    stripped = record.strip(Pod.from_document(carrying(body, added=["volumes[tmp]"], created=created)))
    assert stripped is not None
    assert stripped[0]["spec"] == pod(tolerations=[{"key": "a"}], dnsConfig={"searches": ["x"]})["spec"]


@pytest.mark.parametrize("created", [["metadata", "labels", "annotations"], ["annotations", "labels", "metadata"]])
def test_metadata_that_was_created_goes_after_all_that_was_in_it(created: list[str]) -> None:
    body = {**pod(), "metadata": {"labels": {"x": "y"}}}
    stripped = record.strip(Pod.from_document(carrying(body, added=["labels[x]"], created=created)))
    assert stripped is not None
    assert stripped[0] == pod()


def test_metadata_that_others_use_stays() -> None:
    body = {**pod(), "metadata": {"labels": {"own": "y"}}}
    stripped = record.strip(Pod.from_document(carrying(body, created=["metadata", "annotations"])))
    assert stripped is not None
    assert stripped[0] == body


@pytest.mark.parametrize(
    ("replaced", "spec"),
    [
        ({"dnsPolicy": "ClusterFirst"}, {"dnsPolicy": "ClusterFirst"}),
        ({"priority": 0}, {"dnsPolicy": "None", "priority": 0}),
        ({"dnsPolicy": ""}, {"dnsPolicy": ""}),
        ({"dnsPolicy": "Default"}, {"dnsPolicy": "None"}),
        ({"hostNetwork": True}, {"dnsPolicy": "None"}),
        ({"nodeName": "evil"}, {"dnsPolicy": "None"}),
        ({"securityContext.fsGroup": 0}, {"dnsPolicy": "None"}),
        ({"containers[gone].stdin": False}, {"dnsPolicy": "None"}),
    ],
)
def test_of_old_values_only_defaults_and_empty_ones_are_believed(replaced: Json, spec: Json) -> None:
    stripped = record.strip(Pod.from_document(carrying(pod(dnsPolicy="None"), replaced=replaced)))
    assert stripped is not None
    assert stripped[0]["spec"] == pod(**spec)["spec"]


def test_an_old_value_of_a_container_is_put_back() -> None:
    body = pod(containers=[{"name": "app", "stdin": True, "restartPolicy": "Never"}])
    stripped = record.strip(
        Pod.from_document(carrying(body, replaced={"containers[app].stdin": False, "containers[app].restartPolicy": "Always"}))
    )
    assert stripped is not None
    assert stripped[0]["spec"]["containers"] == [{"name": "app", "stdin": False, "restartPolicy": "Never"}]


def test_a_record_that_leaves_no_container_is_none() -> None:
    assert record.strip(Pod.from_document(carrying(pod(), added=["containers[app]"]))) is None
    assert record.strip(Pod.from_document(carrying({"spec": None}))) is None


def test_an_old_value_of_something_that_is_no_mapping_is_left() -> None:
    stripped = record.strip(Pod.from_document(carrying(pod(securityContext="odd"), replaced={"securityContext.fsGroup": ""})))
    assert stripped is not None
    assert stripped[0]["spec"]["securityContext"] == "odd"
