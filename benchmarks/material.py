"""What is sent and what it meets: reviews like those of a real API server, in the sizes of the table, and meshes with a template.

The pods of one Deployment differ as real ones do: uid, times in managedFields, and the token volume that the API server adds.
"""

import copy
import json
from pathlib import Path
from typing import Any, Final

from mesh_injector import documents, store
from mesh_injector.store import Snapshot

SAMPLE: Final = Path(__file__).parent.parent / "config" / "samples" / "reviews" / "deployment.json"
"""A review that a real API server sent; the benchmark's are made of it."""

TEN_KB: Final = 10_500
THIRTY_KB: Final = 30_000
NAMESPACE: Final = "shop"

SIDECAR: Final = """\
spec:
  initContainers:
    - name: proxy-init
      image: example.com/proxy-init:1.4.0
      env:
        - {name: APP_PORTS, value: {{ app_ports }}}
        - {name: PROXY_PORT, value: 15001}
        - {name: IGNORED_UID, value: 1337}
      securityContext:
        capabilities:
          add: [NET_ADMIN]
  containers:
    - name: envoy
      image: {{ values.image }}
      args: ["--log-level", {{ values.logLevel }}, "--concurrency", "2"]
      env:
        - name: VIRTUAL_NODE
          value: mesh/{{ mesh_name }}/virtualNode/{{ virtual_node_name }}
        - {name: REGION, value: {{ region }}}
        {% if values.logLevel == 'debug' %}
        - {name: DEBUG, value: "true"}
        {% endif %}
      ports:
        - {name: proxy, containerPort: 15001}
        - {name: admin, containerPort: 9901}
      resources: {{ values.resources }}
      readinessProbe:
        httpGet: {path: /ready, port: 9901}
        periodSeconds: 5
      volumeMounts:
        - {name: envoy-tmp, mountPath: /tmp/envoy}
  volumes:
    - name: envoy-tmp
      emptyDir: {sizeLimit: 64Mi}
metadata:
  annotations:
    prometheus.io/port: "9901"
  labels:
    mesh: {{ mesh_name }}
"""
TOUCHING: Final = """\
spec:
  containers:
  {% for name in container_names %}
    - name: {{ name }}
      env:
        - {name: PROXY_ADDRESS, value: "127.0.0.1:15001"}
        - {name: PROXY_MESH, value: {{ mesh_name }}}
      volumeMounts:
        - {name: proxy-socket, mountPath: /run/proxy}
  {% endfor %}
    - name: envoy
      image: {{ values.image }}
      volumeMounts:
        - {name: proxy-socket, mountPath: /run/proxy}
  volumes:
    - name: proxy-socket
      emptyDir: {}
"""
NAMES_POD: Final = SIDECAR.replace("value: {{ region }}", "value: {{ pod.metadata.generateName }}")

_CONFIG: Final = """\
apiVersion: mesh-injector.io/v1alpha1
kind: Mesh
metadata: {{name: mesh-{number}, namespace: mesh-system}}
spec:
  enableAutoInject: true
  region: eu-west-1
  injectionSelector:
    podSelector: {{matchLabels: {{app: {app}}}}}
    namespaceSelector: {{matchLabels: {{team: shop}}}}
  sidecarPatchConfigMap: {{name: template}}
  values:
    image: envoyproxy/envoy:v1.36.2
    logLevel: info
    resources: {{requests: {{cpu: 50m, memory: 64Mi}}, limits: {{memory: 128Mi}}}}
"""
_SHARED: Final = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: shop}}
"""


def snapshot(template: str, meshes: int = 1) -> Snapshot:
    """Load some meshes, of which the last selects the benchmark's pods, with one template."""
    config = "---\n".join(
        _CONFIG.format(number=number, app="cart" if number == meshes else f"other-{number}") for number in range(1, meshes + 1)
    )
    map_ = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "template", "namespace": "mesh-system", "labels": {"mesh-injector.io/template": "true"}},
        "data": {"patch.yaml.j2": template},
    }
    text = "---\n".join((config, _SHARED, json.dumps(map_)))
    loaded = store.load(documents.parse(text, "benchmark").documents)
    if loaded.problems:
        raise ValueError(str(loaded.problems[0]))
    return loaded


def reviews(size: int, *, selected: bool = True, env: int = 0, count: int = 64) -> list[bytes]:
    """Make reviews of at least `size` bytes: pods of one ReplicaSet. `env` more variables stand in the first container."""
    made = json.loads(SAMPLE.read_bytes())
    pod = made["request"]["object"]
    pod["metadata"]["labels"]["app"] = "cart" if selected else "somebody-else"
    variables = pod["spec"]["containers"][0].setdefault("env", [])
    variables += [_variable(number) for number in range(env)]
    while len(_encoded(made)) < size:
        variables.append(_variable(len(variables)))
        _own(pod, variables[-1]["name"])
    return [_replica(made, number) for number in range(count)]


def review_of(app: str, node: str) -> bytes:
    """Make the review of a pod with these labels: `app`, which the meshes select by, and the virtual node, which templates name."""
    made = json.loads(SAMPLE.read_bytes())
    made["request"]["object"]["metadata"]["labels"] |= {"app": app, "mesh-injector.io/virtual-node": node}
    return _encoded(made)


def _variable(number: int) -> dict[str, str]:
    return {"name": f"APPLICATION_SETTING_{number}", "value": f"https://service-{number}.shop.svc.cluster.local:8443/v1"}


def _own(pod: dict[str, Any], name: str) -> None:
    """Note a variable in managedFields, as the API server does: it is a third of a real pod."""
    fields = pod["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:containers"]['k:{"name":"cart"}']["f:env"]
    fields[f'k:{{"name":"{name}"}}'] = {".": {}, "f:name": {}, "f:value": {}}


def _replica(made: dict[str, Any], number: int) -> bytes:
    review = copy.deepcopy(made)
    review["request"]["uid"] = f"74447024-f0c7-4a82-8b04-{number:012}"
    pod = review["request"]["object"]
    pod["metadata"]["managedFields"][0]["time"] = f"2026-11-21T00:56:{number % 60:02}Z"
    return _encoded(review).replace(b"kube-api-access-", f"kube-api-access-{number:x}".encode())


def _encoded(review: dict[str, Any]) -> bytes:
    return json.dumps(review, separators=(",", ":")).encode()
