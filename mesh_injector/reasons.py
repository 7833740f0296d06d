"""The one vocabulary of reasons, shared by metrics, logs, audit annotations and `explain`, and the code of every message.

A reason says why a pod got the answer it got; a code is what a user types into a search box.
"""

from enum import StrEnum
from typing import Final


class Reason(StrEnum):
    """Why a pod got its answer. The values are public: dashboards and scripts depend on them.

    What those mean that are errors, messages.py says.
    """

    INJECTED = "Injected"
    """The pod gets what the template renders to."""
    ALREADY_INJECTED = "AlreadyInjected"
    """The pod carries our record, and everything that it would get is in it: nothing is changed."""
    REINJECTED = "Reinjected"
    """The pod carries our record, and got what has changed since, with a warning."""
    NO_MESH_MATCHED = "NoMeshMatched"
    """No Mesh selects the pod."""
    AUTO_INJECT_OFF = "AutoInjectOff"
    """Only Meshes whose `enableAutoInject` is false select the pod."""
    OPTED_OUT_BY_POD = "OptedOutByPod"
    """The pod has the label `mesh-injector.io/inject: "false"`."""
    OPTED_OUT_BY_NAMESPACE = "OptedOutByNamespace"
    """The pod's namespace has the label `mesh-injector.io/inject: disabled`."""
    NAMESPACE_EXCLUDED = "NamespaceExcluded"
    """The pod is in the injector's own namespace or in one of the cluster's: `kube-system`, `kube-public`, `kube-node-lease`."""
    HOST_NETWORK = "HostNetwork"
    """The pod is on the network of its node, whose traffic a sidecar would take."""
    MIRROR_POD = "MirrorPod"
    """The pod only mirrors one that a kubelet runs from a file."""
    NOT_A_POD = "NotAPod"
    AUDIT_MODE = "AuditMode"
    """A Mesh whose `mode` is `Audit` selects the pod: what it would get is reported, and nothing is changed."""
    NOTHING_TO_INJECT = "NothingToInject"
    """The template renders to nothing for this pod, or to what it has already."""
    OUTRANKED = "Outranked"
    """Said of a Mesh by `explain`, never of a pod: it selects the pod, and another Mesh comes first."""
    VIRTUAL_NODE_LABEL_MISSING = "VirtualNodeLabelMissing"
    REGION_MISSING = "RegionMissing"
    CONTAINER_PORT_MISSING = "ContainerPortMissing"
    SEVERAL_MESHES_MATCHED = "SeveralMeshesMatched"
    CONFIG_MAP_MISSING = "ConfigMapMissing"
    CONFIG_MAP_FORBIDDEN = "ConfigMapForbidden"
    CONFIG_MAP_KEY_MISSING = "ConfigMapKeyMissing"
    SELECTOR_INVALID = "SelectorInvalid"
    OVERRIDE_INVALID = "OverrideInvalid"
    TEMPLATE_INVALID = "TemplateInvalid"
    UNDEFINED_VARIABLE = "UndefinedVariable"
    RENDER_LIMIT = "RenderLimit"
    RENDERED_NOT_YAML = "RenderedNotYaml"
    RENDERED_INVALID_POD = "RenderedInvalidPod"
    FIELD_NOT_ALLOWED = "FieldNotAllowed"
    NAME_COLLISION = "NameCollision"
    NAMESPACE_UNKNOWN = "NamespaceUnknown"
    MESH_UNKNOWN = "MeshUnknown"
    NOT_READY = "NotReady"
    OVERLOADED = "Overloaded"
    INTERNAL = "Internal"


CODES: Final[dict[Reason, str]] = {
    Reason.VIRTUAL_NODE_LABEL_MISSING: "MI201",
    Reason.REGION_MISSING: "MI202",
    Reason.CONTAINER_PORT_MISSING: "MI203",
    Reason.SEVERAL_MESHES_MATCHED: "MI204",
    Reason.CONFIG_MAP_MISSING: "MI205",
    Reason.CONFIG_MAP_FORBIDDEN: "MI206",
    Reason.CONFIG_MAP_KEY_MISSING: "MI207",
    Reason.SELECTOR_INVALID: "MI208",
    Reason.OVERRIDE_INVALID: "MI209",
    Reason.MESH_UNKNOWN: "MI210",
    Reason.NAMESPACE_UNKNOWN: "MI211",
    Reason.TEMPLATE_INVALID: "MI301",
    Reason.UNDEFINED_VARIABLE: "MI302",
    Reason.RENDER_LIMIT: "MI303",
    Reason.RENDERED_NOT_YAML: "MI304",
    Reason.RENDERED_INVALID_POD: "MI401",
    Reason.FIELD_NOT_ALLOWED: "MI402",
    Reason.NAME_COLLISION: "MI403",
    Reason.NOT_A_POD: "MI502",
    Reason.OVERLOADED: "MI503",
    Reason.NOT_READY: "MI504",
    Reason.INTERNAL: "MI900",
}
"""The message code of every reason that is an error: 2xx mesh and pod, 3xx the template, 4xx what it renders to, 5xx the server, 900 our
own bug. NotAPod is an error only where a creation of a pod holds none."""

NOT_YAML: Final = "MI101"
"""A document that is not YAML or JSON."""
NOT_A_MANIFEST: Final = "MI102"
"""A document that is YAML but no Kubernetes object."""
FIELD_UNKNOWN: Final = "MI103"
"""A field that the resource does not have."""
FIELD_WRONG: Final = "MI104"
"""A field whose value is of the wrong type or out of bounds."""
NOTHING_FOUND: Final = "MI105"
"""A file, a folder or a source that holds nothing of what was asked for."""
UNREADABLE: Final = "MI106"
"""A file or folder that cannot be opened or is not UTF-8."""
DUPLICATE: Final = "MI107"
"""Two documents that describe the same object."""
OVERRIDE_WITHOUT_VALUE: Final = "MI701"
"""`lint`: an override that names no value of the Mesh."""
VALUE_UNUSED: Final = "MI702"
"""`lint`: a value that no template of the Mesh reads."""
TEMPLATE_UNUSED: Final = "MI703"
"""`lint`: a template ConfigMap that no Mesh names."""
CERTAIN_TIE: Final = "MI704"
"""`lint`: two Meshes that tie for every pod they select."""
IMAGE_NOT_PINNED: Final = "MI705"
"""`lint`: an image without a tag, or with `latest`."""
FALLBACK_NEEDED: Final = "MI706"
"""`lint`: a fallback that makes its own variable needed."""
NAMES_ALIKE: Final = "MI707"
"""`lint`: names that differ only in case."""
VALUE_MISSING: Final = "MI708"
"""`lint`: a value that some branches read and the Mesh lacks."""
LEFT_TO_THE_POD: Final = "MI709"
"""`lint`: half of something that a pod must complete to be injected."""
IMAGE_INVALID: Final = "MI710"
"""`lint`: an image that no container runtime can read."""
PORT_UNKNOWN: Final = "MI711"
"""`lint`: a probe or lifecycle handler of a port that its container does not name."""
NEVER_FINISHES: Final = "MI712"
"""`lint`: an ordinary container that is added to a Job, which waits for it."""
NOT_A_REVIEW: Final = "MI501"
"""A request body that is not an AdmissionReview."""
CERTIFICATE_INVALID: Final = "MI601"
"""A serving certificate or key that cannot be used."""
CANNOT_LISTEN: Final = "MI602"
"""A host and port on which the server cannot listen."""
TRACING_MISSING: Final = "MI603"
"""Tracing that is asked for and not installed."""
CLUSTER_UNREACHABLE: Final = "MI801"
"""An API server that cannot be found or reached, or answers what no API server answers."""
CLUSTER_FORBIDDEN: Final = "MI802"
"""Something in the cluster that these credentials may not do."""
CLUSTER_REFUSED: Final = "MI803"
"""A request that the API server refuses for another reason."""
NOT_REGISTERED: Final = "MI811"
"""The webhook configuration is not there, or does not hold what it should: no API server asks about pods."""
NO_ROOM: Final = "MI812"
"""The webhook configuration has no room for another entry."""
