"""Placing: the contract's table row by row, and operations that any RFC 6902 implementation can apply."""

import json
from pathlib import Path
from typing import Any

import jsonpatch
import pytest

from mesh_injector.engine import address, overlay, placement
from mesh_injector.engine.placed import Placement
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.template import PatchTemplate, Source
from mesh_injector.errors import InjectionError
from mesh_injector.reasons import Reason

Json = dict[str, Any]

REVIEWS = Path(__file__).parents[2] / "config" / "samples" / "reviews"
APP: Json = {"name": "app", "image": "cart:1"}


def reviewed(name: str) -> Json:
    body: Json = json.loads((REVIEWS / f"{name}.json").read_bytes())["request"]["object"]
    return body


def pod(**spec: Any) -> Json:
    return {"metadata": {"name": "cart"}, "spec": {"containers": [APP], **spec}}


def place(body: Json, template: str, *, init_first: bool = True) -> tuple[Json, Placement]:
    """Place what a template brings: the pod as it comes out, and what was done."""
    made = overlay.make(PatchTemplate(Source(template, "the template")).render({}), privileged=True, init_first=init_first)
    done = placement.place(Pod.from_document(body), made)
    return jsonpatch.apply_patch(body, json.loads(json.dumps(done.operations))), done


def refused(body: Json, template: str) -> InjectionError:
    with pytest.raises(InjectionError) as caught:
        place(body, template)
    return caught.value


def named(items: list[Json]) -> list[str]:
    return [item["name"] for item in items]


# --- containers ---------------------------------------------------------------------------------------------------------------------


def test_a_container_with_an_image_comes_after_the_pods_own() -> None:
    after, done = place(pod(), 'spec: {containers: [{name: envoy, image: "envoy:1"}, {name: logs, image: "logs:1"}]}')
    assert named(after["spec"]["containers"]) == ["app", "envoy", "logs"]
    assert [operation["path"] for operation in done.operations] == ["/spec/containers/-", "/spec/containers/-"]
    assert (done.added, done.created, done.replaced) == (["containers[envoy]", "containers[logs]"], [], {})


@pytest.mark.parametrize(
    ("body", "template"),
    [
        (pod(), 'spec: {containers: [{name: app, image: "other:1"}]}'),
        (pod(), 'spec: {containers: [{name: app, image: "cart:1"}]}'),
        (pod(), 'spec: {initContainers: [{name: app, image: "cart:1"}]}'),
        (pod(initContainers=[{"name": "setup", "image": "s"}]), 'spec: {containers: [{name: setup, image: "s"}]}'),
        (pod(initContainers=[{"name": "setup", "image": "s"}]), 'spec: {initContainers: [{name: setup, image: "s"}]}'),
    ],
)
def test_a_container_name_that_the_pod_has_is_refused_in_one_space(body: Json, template: str) -> None:
    error = refused(body, template)
    assert error.reason is Reason.NAME_COLLISION
    assert "already: it would run without its sidecar" in str(error)
    assert error.problem.where.startswith("the template, line 1, column ")


def test_a_container_without_an_image_goes_into_the_pods_own() -> None:
    body = pod(containers=[{**APP, "env": [{"name": "A", "value": "1"}]}, {"name": "web", "image": "w"}])
    template = """
spec:
  containers:
    - {name: web, workingDir: /w}
    - {name: app, env: [{name: B, value: "2"}], ports: [{containerPort: 80}], envFrom: [{configMapRef: {name: c}}]}
"""
    after, done = place(body, template)
    assert after["spec"]["containers"] == [
        {
            **APP,
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            "ports": [{"containerPort": 80}],
            "envFrom": [{"configMapRef": {"name": "c"}}],
        },
        {"name": "web", "image": "w", "workingDir": "/w"},
    ]
    assert done.added[:3] == ["containers[web].workingDir", "containers[app].env[B]", "containers[app].ports[80/TCP]"]
    assert done.created == ["containers[app].ports", "containers[app].envFrom"]


@pytest.mark.parametrize("kind", ["containers", "initContainers"])
def test_a_container_without_an_image_that_the_pod_lacks_is_refused(kind: str) -> None:
    error = refused(pod(), f"spec: {{{kind}: [{{name: other, env: [{{name: A}}]}}]}}")
    assert error.reason is Reason.RENDERED_INVALID_POD
    assert "the pod has no container `other`, and this one has no image" in str(error)
    assert "`container_names`" in error.problem.fix


def test_a_container_without_an_image_is_not_looked_for_in_the_other_list() -> None:
    assert refused(pod(), "spec: {initContainers: [{name: app}]}").reason is Reason.RENDERED_INVALID_POD


def test_a_container_that_is_only_named_brings_nothing() -> None:
    after, done = place(pod(), "spec: {containers: [{name: app, env: [], resources: {limits: {}}}]}")
    assert (after, done.operations) == (pod(), [])


def test_of_two_containers_with_one_name_the_first_is_meant() -> None:
    after, _ = place(pod(containers=[dict(APP), dict(APP)]), "spec: {containers: [{name: app, workingDir: /w}]}")
    assert after["spec"]["containers"] == [{**APP, "workingDir": "/w"}, APP]


INIT = 'spec: {initContainers: [{name: one, image: "i"}, {name: two, image: "i"}]}'


def test_init_containers_come_first_in_their_order() -> None:
    after, done = place(pod(initContainers=[{"name": "own", "image": "o"}]), INIT)
    assert named(after["spec"]["initContainers"]) == ["one", "two", "own"]
    assert [operation["path"] for operation in done.operations] == ["/spec/initContainers/0", "/spec/initContainers/1"]


def test_init_containers_come_last_where_the_mesh_says_so() -> None:
    after, _ = place(pod(initContainers=[{"name": "own", "image": "o"}]), INIT, init_first=False)
    assert named(after["spec"]["initContainers"]) == ["own", "one", "two"]


@pytest.mark.parametrize("spec", [{}, {"initContainers": None}])
@pytest.mark.parametrize("init_first", [True, False])
def test_a_list_of_init_containers_that_is_not_there_is_created(spec: Json, init_first: bool) -> None:
    after, done = place(pod(**spec), INIT, init_first=init_first)
    assert named(after["spec"]["initContainers"]) == ["one", "two"]
    assert (done.created, len(done.operations)) == (["initContainers"], 1)


def test_an_empty_list_of_init_containers_is_kept() -> None:
    after, done = place(pod(initContainers=[]), INIT)
    assert (named(after["spec"]["initContainers"]), done.created) == (["one", "two"], [])


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_an_init_container_is_touched_rightly_while_others_are_put_before_it(order: tuple[int, int]) -> None:
    parts = ("{name: own, env: [{name: A}]}", "{name: mesh, image: m}")
    body = pod(initContainers=[{"name": "first", "image": "f"}, {"name": "own", "image": "o"}])
    after, _ = place(body, f"spec: {{initContainers: [{', '.join(parts[at] for at in order)}]}}")
    assert after["spec"]["initContainers"] == [
        {"name": "mesh", "image": "m"},
        {"name": "first", "image": "f"},
        {"name": "own", "image": "o", "env": [{"name": "A"}]},
    ]


def test_a_native_sidecar_is_an_init_container_of_the_pod_like_any_other() -> None:
    after, _ = place(reviewed("native-sidecar"), "spec: {initContainers: [{name: mesh, image: m, restartPolicy: Always}]}")
    assert named(after["spec"]["initContainers"]) == ["mesh", "logs"]


# --- items with a key ---------------------------------------------------------------------------------------------------------------


def test_an_equal_volume_is_left_and_others_come_after_the_pods() -> None:
    body = pod(volumes=[{"name": "tmp", "emptyDir": {"medium": ""}}])
    after, done = place(body, "spec: {volumes: [{name: tmp, emptyDir: {}}, {name: more, emptyDir: {}}]}")
    assert after["spec"]["volumes"] == [{"name": "tmp", "emptyDir": {"medium": ""}}, {"name": "more", "emptyDir": {}}]
    assert (done.added, done.warnings) == (["volumes[more]"], [])


@pytest.mark.parametrize(
    "theirs",
    [{"name": "tmp", "hostPath": {"path": "/"}}, {"name": "tmp", "emptyDir": {"medium": "Memory"}}, {"name": "tmp"}],
)
def test_a_different_volume_of_that_name_is_refused(theirs: Json) -> None:
    error = refused(pod(volumes=[theirs]), "spec: {volumes: [{name: tmp, emptyDir: {medium: Disk}}]}")
    assert error.reason is Reason.NAME_COLLISION
    assert "the pod has another volume `tmp`: our mount would read the user's volume" in str(error)


@pytest.mark.parametrize("theirs", [{"name": "tmp"}, {"name": "tmp", "emptyDir": {}}, {"name": "tmp", "emptyDir": None}])
def test_a_volume_without_a_source_is_an_empty_dir(theirs: Json) -> None:
    for ours in ("{name: tmp}", "{name: tmp, emptyDir: {}}"):
        after, done = place(pod(volumes=[theirs]), f"spec: {{volumes: [{ours}]}}")
        assert (after["spec"]["volumes"], done.operations) == ([theirs], [])


def test_a_volume_without_a_source_never_equals_a_users_host_path() -> None:
    error = refused(pod(volumes=[{"name": "tmp", "hostPath": {"path": "/"}}]), "spec: {volumes: [{name: tmp}]}")
    assert error.reason is Reason.NAME_COLLISION


def test_an_item_without_a_key_that_stands_twice_is_placed_once_as_the_first_is_written() -> None:
    after, _ = place(pod(), "spec: {hostAliases: [{ip: 10.0.0.1}, {ip: 10.0.0.1, hostnames: []}]}")
    assert after["spec"]["hostAliases"] == [{"ip": "10.0.0.1"}]


def test_an_empty_dir_does_not_equal_a_users_host_path() -> None:
    assert refused(pod(volumes=[{"name": "tmp", "hostPath": {"path": "/"}}]), "spec: {volumes: [{name: tmp, emptyDir: {}}]}")


KEPT = [
    ("env", [{"name": "A", "value": "1"}], '[{name: A, value: "2"}]', "env[A]"),
    ("env", [{"name": "A", "value": ""}], '[{name: A, value: "2"}]', "env[A]"),
    ("volumeMounts", [{"name": "own", "mountPath": "/x"}], "[{name: data, mountPath: /x}]", "volumeMounts[/x]"),
    ("ports", [{"containerPort": 80, "name": "web"}], "[{containerPort: 80, name: http}]", "ports[80/TCP]"),
]


@pytest.mark.parametrize(("field", "theirs", "ours", "told"), KEPT)
def test_an_item_of_a_container_that_differs_is_kept_with_a_warning(field: str, theirs: Any, ours: str, told: str) -> None:
    body = pod(containers=[{**APP, field: theirs}], volumes=[{"name": "data"}])
    after, done = place(body, f"spec: {{containers: [{{name: app, {field}: {ours}}}]}}")
    assert (after, done.operations) == (body, [])
    assert done.warnings == [f"kept the pod's containers[app].{told}, which differs from the template's"]


@pytest.mark.parametrize(
    ("field", "theirs", "ours"),
    [
        ("env", [{"name": "B"}, {"name": "A", "value": "1"}], '[{name: A, value: "1"}]'),
        ("env", [{"name": "A"}], '[{name: A, value: ""}]'),
        ("volumeMounts", [{"name": "data", "mountPath": "/x", "readOnly": True}], "[{name: data, mountPath: /x}]"),
        ("ports", [{"containerPort": 80, "protocol": "TCP"}], "[{containerPort: 80}]"),
        ("envFrom", [{"prefix": "", "configMapRef": {"name": "c"}}], "[{configMapRef: {name: c}}]"),
    ],
)
def test_an_equal_item_of_a_container_is_left_without_a_warning(field: str, theirs: Any, ours: str) -> None:
    body = pod(containers=[{**APP, field: theirs}], volumes=[{"name": "data"}])
    after, done = place(body, f"spec: {{containers: [{{name: app, {field}: {ours}}}]}}")
    assert (after, done.warnings) == (body, [])


def test_a_port_of_another_protocol_is_another_port() -> None:
    body = pod(containers=[{**APP, "ports": [{"containerPort": 53, "protocol": "UDP"}]}])
    after, _ = place(body, "spec: {containers: [{name: app, ports: [{containerPort: 53}]}]}")
    assert after["spec"]["containers"][0]["ports"] == [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53}]


def test_a_pull_secret_is_added_once() -> None:
    after, done = place(pod(imagePullSecrets=[{"name": "a"}]), "spec: {imagePullSecrets: [{name: a}, {name: b}]}")
    assert (after["spec"]["imagePullSecrets"], done.added) == ([{"name": "a"}, {"name": "b"}], ["imagePullSecrets[b]"])


@pytest.mark.parametrize(
    ("field", "theirs", "ours", "count"),
    [
        ("hostAliases", [{"ip": "10.0.0.1", "hostnames": ["a"]}], "[{ip: 10.0.0.1, hostnames: [a]}]", 1),
        ("hostAliases", [{"ip": "10.0.0.1", "hostnames": ["a"]}], "[{ip: 10.0.0.1, hostnames: [b]}]", 2),
        ("tolerations", [{"key": "a", "operator": "Exists", "value": ""}], "[{key: a, operator: Exists}]", 1),
        ("tolerations", [{"key": "a", "operator": "Exists", "effect": "NoSchedule"}], "[{key: a, operator: Exists}]", 2),
    ],
)
def test_items_without_a_key_are_equal_only_whole_and_else_appended(field: str, theirs: Any, ours: str, count: int) -> None:
    after, done = place(pod(**{field: theirs}), f"spec: {{{field}: {ours}}}")
    assert (len(after["spec"][field]), after["spec"][field][:1], done.warnings) == (count, theirs, [])


def test_affinity_is_merged_field_by_field_and_its_terms_appended() -> None:
    term = {"topologyKey": "zone"}
    required = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}
    body = pod(
        affinity={
            "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required},
            "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]},
        }
    )
    template = """
spec:
  affinity:
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: b, operator: Exists}]}]}
      preferredDuringSchedulingIgnoredDuringExecution: [{weight: 1, preference: {}}]
    podAntiAffinity:
      requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone}, {topologyKey: host}]
"""
    after, done = place(body, template)
    assert after["spec"]["affinity"] == {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": required,
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": {}}],
        },
        "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term, {"topologyKey": "host"}]},
    }
    node = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution"
    assert done.warnings == [f"kept the pod's {node}.nodeSelectorTerms, which differs from the template's"]


# --- maps, scalars and lists that mean one thing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("half", ["labels", "annotations"])
def test_labels_and_annotations_of_the_pod_are_kept(half: str) -> None:
    body = {"metadata": {half: {"a": "1", "same": "s"}}, "spec": {"containers": [APP]}}
    after, done = place(body, f'metadata: {{{half}: {{a: "2", same: s, "x.io/b": c}}}}')
    assert after["metadata"][half] == {"a": "1", "same": "s", "x.io/b": "c"}
    assert done.operations == [{"op": "add", "path": f"/metadata/{half}/x.io~1b", "value": "c"}]
    assert done.warnings == [f"kept the pod's {half}[a], which differs from the template's"]
    assert done.added == [f"{half}[x\\.io/b]"]


@pytest.mark.parametrize(
    ("key", "value"), [("empty", ""), ("dnsPolicy", "ClusterFirst"), ("serviceAccountName", "default"), ("priority", "0")]
)
def test_an_entry_of_a_map_has_no_default(key: str, value: str) -> None:
    body = {"metadata": {"labels": {key: value}}, "spec": {"containers": [APP], "nodeSelector": {key: value}}}
    after, done = place(body, f"metadata: {{labels: {{{key}: other}}}}\nspec: {{nodeSelector: {{{key}: other}}}}")
    assert (after, len(done.warnings)) == (body, 2)


@pytest.mark.parametrize("metadata", [{}, {"labels": None}])
def test_a_map_that_is_absent_or_null_is_added_whole(metadata: Json) -> None:
    after, done = place({"metadata": metadata, "spec": {"containers": [APP]}}, "metadata: {labels: {a/b: x}}")
    assert after["metadata"]["labels"] == {"a/b": "x"}
    assert (done.created, done.added) == (["labels"], ["labels[a/b]"])


@pytest.mark.parametrize("body", [{"spec": {"containers": [APP]}}, {"metadata": None, "spec": {"containers": [APP]}}])
def test_metadata_that_is_absent_or_null_is_created(body: Json) -> None:
    after, done = place(body, "metadata: {labels: {a: x}, annotations: {b: y}}")
    assert after["metadata"] == {"labels": {"a": "x"}, "annotations": {"b": "y"}}
    assert done.created == ["metadata", "labels", "annotations"]


def test_an_empty_map_of_the_pod_is_filled_and_not_created() -> None:
    after, done = place({"metadata": {"labels": {}}, "spec": {"containers": [APP]}}, "metadata: {labels: {a: x}}")
    assert (after["metadata"], done.created) == ({"labels": {"a": "x"}}, [])


def test_pointers_are_escaped_by_rfc_6901() -> None:
    after, done = place(pod(nodeSelector={"own": "1"}), "spec: {nodeSelector: {a/b: x}}")
    assert after["spec"]["nodeSelector"] == {"own": "1", "a/b": "x"}
    assert done.operations == [{"op": "add", "path": "/spec/nodeSelector/a~1b", "value": "x"}]


def test_owners_and_finalizers_may_be_brought() -> None:
    body = {"metadata": {"finalizers": ["x.io/a"]}, "spec": {"containers": [APP]}}
    template = "metadata: {finalizers: [x.io/a, x.io/b], ownerReferences: [{apiVersion: v1, kind: Pod, name: x, uid: y}]}"
    after, done = place(body, template)
    assert after["metadata"]["finalizers"] == ["x.io/a", "x.io/b"]
    assert after["metadata"]["ownerReferences"][0]["uid"] == "y"
    assert "ownerReferences[y]" in done.added


def test_a_security_context_is_merged_field_by_field() -> None:
    body = pod(securityContext={"runAsUser": 1, "runAsNonRoot": False})
    after, done = place(body, "spec: {securityContext: {runAsUser: 2, runAsNonRoot: true, fsGroup: 3}}")
    assert after["spec"]["securityContext"] == {"runAsUser": 1, "runAsNonRoot": False, "fsGroup": 3}
    assert (done.added, len(done.warnings)) == (["securityContext.fsGroup"], 2)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ({"tcpSocket": {"port": 1}}, "{httpGet: {port: 2}}"),
        ({"exec": {"command": ["x"]}}, "{exec: {command: [x]}, periodSeconds: 5}"),
    ],
)
def test_a_probe_means_one_thing_and_is_kept(theirs: Json, ours: str) -> None:
    body = pod(containers=[{**APP, "livenessProbe": theirs}])
    after, done = place(body, f"spec: {{containers: [{{name: app, livenessProbe: {ours}}}]}}")
    assert (after, done.warnings) == (body, ["kept the pod's containers[app].livenessProbe, which differs from the template's"])


@pytest.mark.parametrize(("theirs", "warnings"), [(["a"], 1), (["b", "a"], 1), (["a", "b"], 0)])
def test_a_list_that_means_one_thing_is_kept(theirs: list[str], warnings: int) -> None:
    body = pod(containers=[{**APP, "command": theirs}], dnsConfig={"searches": theirs})
    after, done = place(body, "spec: {containers: [{name: app, command: [a, b]}], dnsConfig: {searches: [a, b], nameservers: [1.1.1.1]}}")
    assert after["spec"]["containers"][0]["command"] == theirs
    assert after["spec"]["dnsConfig"] == {"searches": theirs, "nameservers": ["1.1.1.1"]}
    assert len(done.warnings) == 2 * warnings


def test_an_empty_list_that_means_one_thing_is_not_set() -> None:
    after, done = place(pod(containers=[{**APP, "command": []}]), "spec: {containers: [{name: app, command: [a]}]}")
    assert (after["spec"]["containers"][0]["command"], done.replaced) == (["a"], {"containers[app].command": []})


def test_a_member_that_is_added_whole_lists_what_was_created_and_its_leaves() -> None:
    template = """
spec:
  affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone}]}}
  dnsConfig: {options: [{name: ndots, value: "1"}]}
  nodeSelector: {a.b: c}
"""
    after, done = place(pod(), template)
    assert after["spec"]["affinity"]["podAffinity"] == {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}
    term = "affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution"
    assert done.created == ["affinity", "affinity.podAffinity", term, "dnsConfig", "nodeSelector"]
    assert done.added[0].startswith(f"{term}[#")
    assert done.added[1:] == ["dnsConfig.options", "nodeSelector[a\\.b]"]


@pytest.mark.parametrize(
    ("theirs", "template"),
    [
        ({"tolerations": "odd"}, "tolerations: [{key: a}]"),
        ({"affinity": "odd"}, "affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: z}]}}"),
        ({"hostname": ["odd"]}, "hostname: x"),
    ],
)
def test_a_member_of_a_wrong_type_is_kept_for_the_api_server_to_refuse(theirs: Json, template: str) -> None:
    after, done = place(pod(**theirs), f"spec: {{{template}}}")
    assert (after, len(done.warnings)) == (pod(**theirs), 1)


# --- Kubernetes' defaults -----------------------------------------------------------------------------------------------------------

DEFAULTED = [
    ("terminationGracePeriodSeconds", "60", 60),
    ("dnsPolicy", "Default", "Default"),
    ("schedulerName", "mine", "mine"),
    ("restartPolicy", "Never", "Never"),
    ("enableServiceLinks", "false", False),
    ("preemptionPolicy", "Never", "Never"),
]


@pytest.mark.parametrize(("field", "ours", "value"), DEFAULTED)
def test_a_default_of_a_real_review_counts_as_not_set_and_is_remembered(field: str, ours: str, value: Any) -> None:
    body = reviewed("bare-pod")
    after, done = place(body, f"spec: {{{field}: {ours}}}")
    assert after["spec"][field] == value
    assert done.operations == [{"op": "replace", "path": f"/spec/{field}", "value": value}]
    assert (done.replaced, done.added, done.warnings) == ({field: body["spec"][field]}, [], [])


def test_the_empty_security_context_and_resources_of_a_real_review_are_filled() -> None:
    template = (
        "spec: {securityContext: {fsGroup: 1}, containers: [{name: shell, resources: {limits: {cpu: 1}}, terminationMessagePath: /x}]}"
    )
    after, done = place(reviewed("bare-pod"), template)
    assert after["spec"]["securityContext"] == {"fsGroup": 1}
    assert after["spec"]["containers"][0]["resources"] == {"limits": {"cpu": 1}}
    assert done.replaced == {"containers[shell].terminationMessagePath": "/dev/termination-log"}


def test_an_image_pull_policy_is_never_a_default() -> None:
    after, done = place(reviewed("bare-pod"), "spec: {containers: [{name: shell, imagePullPolicy: Never}]}")
    assert (after["spec"]["containers"][0]["imagePullPolicy"], len(done.warnings)) == ("Always", 1)


def test_what_equals_a_default_changes_nothing() -> None:
    body = reviewed("bare-pod")
    after, done = place(body, "spec: {dnsPolicy: ClusterFirst, serviceAccountName: default, priority: 0, hostNetwork: false}")
    assert after["spec"] == body["spec"] | {"hostNetwork": False}
    assert done.added == ["hostNetwork"]


def test_the_service_account_follows_its_name() -> None:
    after, done = place(reviewed("bare-pod"), "spec: {serviceAccountName: mesh}")
    assert (after["spec"]["serviceAccountName"], after["spec"]["serviceAccount"]) == ("mesh", "mesh")
    assert done.replaced == {"serviceAccountName": "default", "serviceAccount": "default"}


def test_a_service_account_that_is_not_there_is_not_invented() -> None:
    after, done = place(pod(), "spec: {serviceAccountName: mesh}")
    assert (after["spec"], done.added) == ({"containers": [APP], "serviceAccountName": "mesh"}, ["serviceAccountName"])


def test_the_service_account_follows_also_where_the_name_was_absent() -> None:
    after, done = place(pod(serviceAccount="default"), "spec: {serviceAccountName: mesh}")
    assert (after["spec"]["serviceAccountName"], after["spec"]["serviceAccount"]) == ("mesh", "mesh")
    assert done.replaced == {"serviceAccount": "default"}


@pytest.mark.parametrize("spec", [{"serviceAccountName": "own", "serviceAccount": "own"}, {"serviceAccount": "own"}])
def test_a_service_account_of_the_pods_own_is_kept(spec: Json) -> None:
    after, done = place(pod(**spec), "spec: {serviceAccountName: mesh}")
    assert (after, done.warnings) == (pod(**spec), ["kept the pod's serviceAccountName, which differs from the template's"])


def test_a_template_may_say_both_names_of_the_service_account() -> None:
    after, _ = place(reviewed("bare-pod"), "spec: {serviceAccount: mesh, serviceAccountName: mesh}")
    assert (after["spec"]["serviceAccountName"], after["spec"]["serviceAccount"]) == ("mesh", "mesh")


def test_with_a_priority_class_go_priority_and_preemption_policy() -> None:
    after, done = place(reviewed("bare-pod"), "spec: {priorityClassName: high}")
    assert after["spec"]["priorityClassName"] == "high"
    assert not {"priority", "preemptionPolicy"} & set(after["spec"])
    assert done.replaced == {"priority": 0, "preemptionPolicy": "PreemptLowerPriority"}


def test_a_priority_that_comes_with_its_class_is_placed() -> None:
    after, _ = place(reviewed("bare-pod"), "spec: {priorityClassName: high, priority: 1000}")
    assert (after["spec"]["priority"], after["spec"]["priorityClassName"]) == (1000, "high")
    assert "preemptionPolicy" not in after["spec"]


@pytest.mark.parametrize("spec", [{"priorityClassName": "own", "priority": 0}, {"priority": 7}])
def test_a_priority_of_the_pods_own_is_kept(spec: Json) -> None:
    after, done = place(pod(**spec), "spec: {priorityClassName: high}")
    assert (after, done.warnings) == (pod(**spec), ["kept the pod's priorityClassName, which differs from the template's"])


def test_an_empty_priority_class_is_none() -> None:
    after, _ = place(pod(priorityClassName="", priority=0), "spec: {priorityClassName: high}")
    assert after["spec"] == {"containers": [APP], "priorityClassName": "high"}


# --- the union ----------------------------------------------------------------------------------------------------------------------


def test_a_mount_without_a_volume_anywhere_is_refused_with_its_line() -> None:
    error = refused(pod(), 'spec:\n  containers:\n    - name: envoy\n      image: "e:1"\n      volumeMounts: [{name: gone, mountPath: /x}]')
    assert error.reason is Reason.RENDERED_INVALID_POD
    assert "`spec.containers[0].volumeMounts[0]`: mounts the volume `gone`" in str(error)
    assert error.problem.where == "the template, line 5, column 7"


def test_fields_newer_than_this_program_are_not_touched() -> None:
    body = pod(newer={"deep": [None]}, containers=[{**APP, "newer": 1}])
    body["metadata"]["newer"] = {}
    after, _ = place(body, "metadata: {labels: {a: b}}\nspec: {hostname: h, containers: [{name: app, env: [{name: A}]}]}")
    assert after == {
        "metadata": {"name": "cart", "newer": {}, "labels": {"a": "b"}},
        "spec": {"newer": {"deep": [None]}, "containers": [{**APP, "newer": 1, "env": [{"name": "A"}]}], "hostname": "h"},
    }


def test_placements_are_joined_and_the_oldest_value_of_a_default_is_the_pods() -> None:
    one = Placement([{"op": "add"}], ["a"], ["b"], {"x": 1}, ["w"])
    two = Placement([{"op": "remove"}], ["c"], ["d"], {"x": 2, "y": 3}, ["v"])
    joined = one.then(two)
    assert joined == Placement([{"op": "add"}, {"op": "remove"}], ["a", "c"], ["b", "d"], {"x": 1, "y": 3}, ["w", "v"])


@pytest.mark.parametrize("kind", ["containers", "initContainers"])
@pytest.mark.parametrize(
    ("theirs", "ours", "both", "warned"),
    [
        ({"limits": {"cpu": "1"}}, "{requests: {cpu: '2'}}", {"limits": {"cpu": "1"}}, ["requests[cpu]"]),
        ({"limits": {"cpu": "1"}}, "{requests: {cpu: 1000m}}", {"limits": {"cpu": "1"}}, []),
        ({"requests": {"cpu": "1000m"}}, "{requests: {cpu: '1'}}", {"requests": {"cpu": "1000m"}}, []),
        ({"limits": {"cpu": "1"}}, "{requests: {cpu: '2', memory: 1Gi}}", {"limits": {"cpu": "1"}, "requests": {"memory": "1Gi"}},
         ["requests[cpu]"]),
        ({"limits": {"cpu": "1"}, "requests": {"cpu": "0.5"}}, "{requests: {cpu: '2'}}",
         {"limits": {"cpu": "1"}, "requests": {"cpu": "0.5"}}, ["requests[cpu]"]),
        ({"limits": {"cpu": "1"}}, "{limits: {cpu: '2', memory: 1Gi}}", {"limits": {"cpu": "1", "memory": "1Gi"}}, ["limits[cpu]"]),
        ({"requests": {"memory": "1Gi"}}, "{requests: {cpu: '1'}}", {"requests": {"memory": "1Gi", "cpu": "1"}}, []),
    ],
)  # fmt: skip
def test_a_request_that_the_api_server_makes_of_a_limit_is_the_pods_own(
    kind: str, theirs: Json, ours: str, both: Json, warned: list[str]
) -> None:
    own = {"name": "own", "image": "i", "resources": theirs}
    body = pod(**{kind: [own] if kind == "initContainers" else [APP, own]})
    after, done = place(body, f"spec: {{{kind}: [{{name: own, resources: {ours}}}]}}")
    assert after["spec"][kind][-1]["resources"] == both
    assert done.warnings == [f"kept the pod's {kind}[own].resources.{name}, which differs from the template's" for name in warned]


def test_of_the_limits_of_the_whole_pod_no_request_is_made() -> None:
    after, done = place(pod(resources={"limits": {"cpu": "1"}}), "spec: {resources: {requests: {cpu: '1', memory: 1Gi}}}")
    assert after["spec"]["resources"] == {"limits": {"cpu": "1"}, "requests": {"cpu": "1", "memory": "1Gi"}}
    assert done.warnings == []


@pytest.mark.parametrize(("ours", "warnings"), [("[a]", 1), ("[b, a]", 1), ("[a, b]", 0)])
def test_the_terms_that_a_node_must_fit_mean_one_thing_and_are_kept(ours: str, warnings: int) -> None:
    def terms(names: list[str]) -> Json:
        terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]} for name in names]
        return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}

    body = pod(affinity=terms(["a", "b"]))
    after, done = place(body, f"spec: {{affinity: {json.dumps(terms(ours.strip('[]').split(', ')))}}}")
    assert (after, len(done.warnings)) == (body, warnings)


def test_a_collision_points_at_the_item_that_collides() -> None:
    template = "spec:\n  volumes:\n    - {name: fine, emptyDir: {}}\n    - {name: data, emptyDir: {}}\n"
    error = refused(pod(volumes=[{"name": "own"}, {"name": "data", "hostPath": {"path": "/"}}]), template)
    assert error.problem.where == "the template, line 4, column 5"


def test_a_volume_of_the_same_amount_in_other_words_is_equal() -> None:
    theirs = [{"name": "tmp", "emptyDir": {"sizeLimit": "1Gi"}}]
    after, done = place(pod(volumes=theirs), "spec: {volumes: [{name: tmp, emptyDir: {sizeLimit: 1024Mi}}]}")
    assert (after["spec"]["volumes"], done.operations) == (theirs, [])


def test_an_item_without_a_key_that_differs_in_an_empty_member_only_is_there_without_a_warning() -> None:
    term = {"weight": 1, "podAffinityTerm": {"topologyKey": "zone"}}
    theirs = {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}}
    ours = {"weight": 1, "podAffinityTerm": {"topologyKey": "zone", "labelSelector": {}}}
    template = f"spec: {{affinity: {{podAffinity: {{preferredDuringSchedulingIgnoredDuringExecution: [{json.dumps(ours)}]}}}}}}"
    after, done = place(pod(affinity=theirs), template)
    assert (after["spec"]["affinity"], done.operations, done.warnings) == (theirs, [], [])


def test_a_claim_comes_to_a_container_with_limits() -> None:
    own = {"name": "own", "image": "i", "resources": {"limits": {"cpu": "1"}}}
    claims = pod(containers=[own], resourceClaims=[{"name": "gpu", "resourceClaimName": "gpu"}])
    after, _ = place(claims, "spec: {containers: [{name: own, resources: {claims: [{name: gpu}]}}]}")
    assert after["spec"]["containers"][0]["resources"] == {"limits": {"cpu": "1"}, "claims": [{"name": "gpu"}]}


def test_a_container_that_the_pod_lacks_is_pointed_at() -> None:
    error = refused(pod(), "containers:\n  - {name: app, tty: true}\n  - {name: gone, tty: true}\n")
    assert error.problem.where == "the template, line 3, column 3"


def test_the_items_of_a_list_that_is_added_whole_are_addressed_as_those_that_are_appended() -> None:
    alias = {"ip": "10.0.0.1", "hostnames": ["a"]}
    template = f"spec: {{hostAliases: [{json.dumps(alias)}], volumes: [{{name: tmp, emptyDir: {{}}}}]}}"
    _, done = place(pod(), template)
    assert done.added == [f"hostAliases[{address.item_key(alias, ())}]", "volumes[tmp]"]
    assert done.created == ["hostAliases", "volumes"]
