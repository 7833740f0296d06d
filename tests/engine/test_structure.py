"""What is wrong with the structure of a partial pod, and what may have been meant."""

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_injector.engine import schema, structure

SIDECAR = """
metadata:
  labels: {mesh: payments}
  annotations: {prometheus.io/port: "9901"}
  finalizers: [example.com/drain]
  ownerReferences: [{apiVersion: v1, kind: Node, name: a, uid: b, controller: true}]
spec:
  initContainers:
    - name: proxy-init
      image: proxy-init:1
      securityContext: {capabilities: {add: [NET_ADMIN, NET_RAW], drop: [ALL]}, runAsUser: 0, runAsNonRoot: false, privileged: false}
    - name: native
      image: native:1
      restartPolicy: Always
      startupProbe: {exec: {command: [ready]}, failureThreshold: 30}
  containers:
    - name: envoy
      image: envoyproxy/envoy:v1.36.2
      imagePullPolicy: IfNotPresent
      command: [envoy]
      args: [-c, /etc/envoy.yaml]
      ports: [{name: admin, containerPort: 9901, protocol: TCP}, {containerPort: 15001}]
      env:
        - {name: REGION, value: eu-west-1}
        - {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
        - {name: CPUS, valueFrom: {resourceFieldRef: {resource: limits.cpu, divisor: "1"}}}
        - {name: TOKEN, valueFrom: {secretKeyRef: {name: s, key: k, optional: true}}}
      envFrom: [{prefix: A_, configMapRef: {name: c}}]
      readinessProbe: {httpGet: {path: /ready, port: admin, httpHeaders: [{name: a, value: b}]}, periodSeconds: 5}
      livenessProbe: {tcpSocket: {port: 9901}, initialDelaySeconds: 10}
      startupProbe: {grpc: {port: 9901, service: x}}
      lifecycle: {preStop: {sleep: {seconds: 5}}, postStart: {exec: {command: [pilot-agent, wait]}}}
      resources: {requests: {cpu: 100m, memory: 64Mi}, limits: {cpu: 0.5, memory: 268435456}}
      volumeMounts: [{name: config, mountPath: /etc/envoy, readOnly: true, subPath: x}]
    - name: app
      env: [{name: HTTP_PROXY, value: "http://localhost:15001"}]
"""
VOLUMES = """
spec:
  volumes:
    - {name: a, configMap: {name: c, defaultMode: 420, items: [{key: k, path: p, mode: 256}]}}
    - {name: b, secret: {secretName: s, optional: false}}
    - {name: c, emptyDir: {medium: Memory, sizeLimit: 64Mi}}
    - {name: d, hostPath: {path: /run/x, type: Socket}}
    - {name: e, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
    - {name: f, persistentVolumeClaim: {claimName: c, readOnly: true}}
    - {name: g, projected: {sources: [{serviceAccountToken: {path: token, audience: x, expirationSeconds: 3600}}, {secret: {name: s}}]}}
    - {name: h, csi: {driver: secrets.csi.x-k8s.io, readOnly: true, volumeAttributes: {provider: vault}}}
    - {name: i, nfs: {server: s, path: /}}
    - {name: j, image: {reference: "example.com/i:1", pullPolicy: Always}}
    - name: k
      ephemeral:
        volumeClaimTemplate: {metadata: {labels: {a: b}}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}
    - {name: l, emptyDir: {}}
"""
SCHEDULING = """
spec:
  affinity:
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: a, operator: In, values: [b]}]}]}
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - {weight: 100, podAffinityTerm: {topologyKey: zone, labelSelector: {matchLabels: {app: a}}}}
  tolerations: [{key: a, operator: Exists, effect: NoSchedule, tolerationSeconds: 30}]
  topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]
  hostAliases: [{ip: 127.0.0.1, hostnames: [mesh.local]}]
  imagePullSecrets: [{name: registry}]
  nodeSelector: {disk: ssd}
  dnsConfig: {nameservers: [10.0.0.1], options: [{name: ndots, value: "2"}]}
  securityContext: {fsGroup: 1337, sysctls: [{name: net.core.somaxconn, value: "1024"}], seccompProfile: {type: RuntimeDefault}}
  serviceAccountName: mesh
  terminationGracePeriodSeconds: 60
  shareProcessNamespace: true
"""


def container(**fields):
    return {"spec": {"containers": [{"name": "app", **fields}]}}


def told(body):
    return [(violation.message, violation.suggestion) for violation in structure.violations(body)]


def paths(body):
    return [violation.path for violation in structure.violations(body)]


@pytest.mark.parametrize("text", [SIDECAR, VOLUMES, SCHEDULING, "{}", "{metadata: {}, spec: {}}", "{spec: {containers: []}}"])
def test_a_good_template_has_no_violation(text):
    assert structure.violations(yaml.safe_load(text)) == []


@pytest.mark.parametrize(
    ("body", "suggestion"),
    [
        (container(volumeMount=[]), "did you mean `volumeMounts`?"),
        (container(imagee="x"), "did you mean `image`?"),
        (container(port=80), "did you mean `ports`?"),
        (container(volumes=[]), "`volumes` belongs in `spec`"),
        (container(runAsUser=0), "`runAsUser` belongs in `securityContext` of a container"),
        (container(securityContext={"fsGroup": 1}), "`fsGroup` belongs in `spec.securityContext`"),
        ({"spec": {"volumeMounts": []}}, "`volumeMounts` belongs in a container"),
        ({"spec": {"volumeMount": []}}, "did you mean `volumeMounts`? It belongs in a container"),
        ({"spec": {"nodeAffinity": {}}}, "did you mean `affinity`? `nodeAffinity` belongs in `spec.affinity`"),
        ({"labels": {}}, "`labels` belongs in `metadata`"),
        (container(flavour="x"), "Kubernetes v1.37 knows no such field; a newer field needs a newer mesh-injector"),
    ],
)
def test_an_unknown_field_is_told_with_what_it_may_have_meant(body, suggestion):
    (violation,) = structure.violations(body)
    assert violation.message == f"unknown field `{violation.path[-1]}`"
    assert violation.suggestion == suggestion


@pytest.mark.parametrize(
    ("body", "name", "suggestion"),
    [
        ({"metadata": {"name": "x"}}, "name", "only annotations, finalizers, labels, ownerReferences may stand here"),
        ({"status": {}}, "status", "only metadata, spec may stand here"),
        ({"spec": {"ephemeralContainers": []}}, "ephemeralContainers", "Kubernetes refuses it when a pod is created"),
    ],
)
def test_a_field_that_no_template_may_bring_is_not_called_unknown(body, name, suggestion):
    assert told(body) == [(f"`{name}` cannot come from a template", suggestion)]


@pytest.mark.parametrize(
    ("value", "message", "suggestion"),
    [
        ("8080", 'expected an integer, found the text "8080"', "write `8080` or `{{ x|int }}`"),
        ("0400", 'expected an integer, found the text "0400"', "write 256 (decimal)"),
        ("0o17", 'expected an integer, found the text "0o17"', "write 15 (decimal)"),
        ("0x1F", 'expected an integer, found the text "0x1F"', "write 31 (decimal)"),
        ("http", 'expected an integer, found the text "http"', "write an integer"),
        (80.0, "expected an integer, found the number 80.0", "write `80` or `{{ x|int }}`"),
        (80.5, "expected an integer, found the number 80.5", "write an integer"),
        (True, "expected an integer, found the boolean true", "write an integer"),
        (None, "expected an integer, found null", "write an integer"),
        (2**31, "2147483648 is out of range", "write an integer from -2147483648 to 2147483647"),
        (-(2**31) - 1, "-2147483649 is out of range", "write an integer from -2147483648 to 2147483647"),
    ],
)
def test_what_is_no_integer_is_told_with_how_to_write_one(value, message, suggestion):
    assert told(container(ports=[{"containerPort": value}])) == [(message, suggestion)]


def test_an_integer_too_large_to_write_is_told_without_its_digits():
    assert told(container(image=10**5000)) == [("expected text, found the integer …", "write it in quotes")]


@pytest.mark.parametrize(("text", "truth"), [("yes", "true"), ("True", "true"), ("on", "true"), ("off", "false"), ("no", "false")])
def test_text_where_a_boolean_is_wanted_is_told_how_to_write_it(text, truth):
    message = f'expected true or false, found the text "{text}"'
    assert told(container(tty=text)) == [(message, f"write {truth}, without quotes, or `{{{{ x|bool }}}}`")]


@pytest.mark.parametrize(
    ("body", "message", "suggestion"),
    [
        (container(tty="perhaps"), 'expected true or false, found the text "perhaps"', "write true or false"),
        (container(tty=1), "expected true or false, found the integer 1", "write true or false"),
        (container(image=1.5), "expected text, found the number 1.5", "write it in quotes"),
        (container(image=True), "expected text, found the boolean true", "write it in quotes"),
        (container(args=[{"a": 1}]), 'expected text, found the map {"a": 1}', "`|tojson` makes text of it"),
        (container(args="x"), 'expected a list, found the text "x"', "write a list, also for one item: `[…]`"),
        (container(env={"A": "b"}), 'expected a list, found the map {"A": "b"}', "write a list, with `- ` before each item"),
        (container(resources=["a"]), 'expected a map, found the list ["a"]', "write a map, without `- `"),
        ({"metadata": {"labels": ["a"]}}, 'expected a map, found the list ["a"]', "write a map, without `- `"),
        (container(resources={"limits": {"cpu": True}}), "expected a quantity, found the boolean true", "write a quantity"),
        (
            container(livenessProbe={"tcpSocket": {"port": 1.5}}),
            "expected an integer or text, found the number 1.5",
            "write an integer or text",
        ),
    ],
)
def test_a_wrong_type_is_told_with_what_was_found(body, message, suggestion):
    assert told(body) == [(message, suggestion)]


def test_text_is_fine_where_an_integer_or_text_is_wanted():
    assert told(container(livenessProbe={"tcpSocket": {"port": "8080"}})) == []


def test_a_word_that_kubernetes_does_not_know_is_told_with_those_it_knows():
    assert told(container(imagePullPolicy="always")) == [('"always" is none of Always, Never, IfNotPresent', "did you mean `Always`?")]
    newer = "Kubernetes v1.37 knows no other; a newer word needs a newer mesh-injector"
    assert told({"spec": {"dnsPolicy": "Mesh"}}) == [('"Mesh" is none of ClusterFirstWithHostNet, ClusterFirst, Default, None', newer)]
    (told_signal,) = told(container(lifecycle={"stopSignal": "SIGTEMR"}))
    assert told_signal == (
        '"SIGTEMR" is none of SIGABRT, SIGALRM, SIGBUS, SIGCHLD, SIGCLD, SIGCONT, SIGFPE, SIGHUP and 57 others',
        "did you mean `SIGTERM`?",
    )


@pytest.mark.parametrize("word", ["", "Always", "Never", "IfNotPresent"])
def test_the_words_of_a_field_and_empty_text_are_fine(word):
    assert told(container(imagePullPolicy=word)) == []


def test_a_long_value_is_cut_to_forty_characters():
    ((message, _),) = told(container(tty="x" * 1000))
    assert message == 'expected true or false, found the text "' + "x" * 37 + '…"'


def test_a_field_name_cannot_break_the_line_of_its_message():
    assert told(container(**{"a\nb": 1}))[0][0] == "unknown field `a\\nb`"


@pytest.mark.parametrize(
    ("body", "path", "name"),
    [
        ({"spec": {"containers": [{"image": "x"}]}}, ("spec", "containers", 0), "name"),
        (container(ports=[{"name": "x"}]), ("spec", "containers", 0, "ports", 0), "containerPort"),
        (container(env=[{"value": "x"}]), ("spec", "containers", 0, "env", 0), "name"),
        ({"spec": {"volumes": [{"emptyDir": {}}]}}, ("spec", "volumes", 0), "name"),
    ],
)
def test_a_missing_field_is_told_at_the_object_that_lacks_it(body, path, name):
    assert structure.violations(body) == [structure.Violation(path, f"`{name}` is required", "write it, or leave out what needs it")]


def test_every_violation_is_told_once_in_the_order_of_the_paths():
    body = {"spec": {"volumes": [{"name": 1}], "containers": [{"tty": "yes"}, {"name": "b", "stdin": 1}]}, "metadata": {"labels": {"a": 1}}}
    assert paths(body) == [
        ("metadata", "labels", "a"),
        ("spec", "containers", 0),
        ("spec", "containers", 0, "tty"),
        ("spec", "containers", 1, "stdin"),
        ("spec", "volumes", 0, "name"),
    ]


def test_a_body_that_is_wrong_everywhere_is_told_up_to_the_limit():
    assert len(structure.violations({"metadata": {"labels": dict.fromkeys(map(str, range(5000)), 1)}})) == structure.MOST_VIOLATIONS


def test_a_place_of_any_kind_takes_everything():
    anything = schema.node_of({"type": "object", "additionalProperties": {}})
    assert list(structure._walk(anything, {"a": None, "b": {"c": [1]}, "d": True}, ())) == []


SCALARS = st.none() | st.booleans() | st.integers(-(2**33), 2**33) | st.floats(allow_nan=False) | st.text(max_size=3)
JUNK = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(st.sampled_from(["name", "x"]), SCALARS, max_size=2)
RIGHT = {"text": st.text(max_size=3), "boolean": st.booleans(), "integer": st.integers(0, 9), "quantity": st.just("1Gi")}


@st.composite
def bodies(draw, place=schema.POD):
    """A value for a place of the schema that is mostly right, with something else here and there."""
    if draw(st.integers(0, 19)) == 19:
        return draw(JUNK)
    if place.kind == "object":
        names = draw(st.sets(st.sampled_from([*place.fields, "unknown"]), max_size=3)).union(place.required)
        return {name: draw(JUNK if name == "unknown" else bodies(place.field(name))) for name in sorted(names)}
    if place.kind == "map":
        return {name: draw(bodies(place.inner)) for name in draw(st.sets(st.sampled_from(["a", "b"])))}
    if place.kind == "list":
        return [draw(bodies(place.item())) for _ in range(draw(st.integers(0, 2)))]
    return draw(st.sampled_from([*place.words, "odd"]) if place.words else RIGHT.get(place.kind, st.just(80)))


@settings(max_examples=100)
@given(bodies())
def test_the_fast_judge_and_the_words_agree(body):
    assert structure._judge().is_valid(body) == (not list(structure._walk(schema.POD, body, ())))


def test_a_misspelt_field_is_told_and_not_also_that_it_is_missing() -> None:
    found = structure.violations({"spec": {"containers": [{"nmae": "a", "image": "a"}]}})
    assert [(one.message, one.suggestion) for one in found] == [("unknown field `nmae`", "did you mean `name`?")]
    both = structure.violations({"spec": {"containers": [{"zzz": "a", "image": "a"}]}})
    assert [one.message for one in both] == ["`name` is required", "unknown field `zzz`"]
