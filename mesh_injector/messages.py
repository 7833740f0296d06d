"""What every message code means and what to do about it: the help texts of `lint -o sarif`; `make reference` writes them into docs/."""

from dataclasses import dataclass
from typing import Final

from mesh_injector import reasons
from mesh_injector.reasons import CODES, Reason


@dataclass(frozen=True, slots=True)
class Meaning:
    """A code's name (its reason, where it has one), what it means, and how to fix it."""

    name: str
    what: str
    fix: str


_OF_REASONS: Final[dict[Reason, tuple[str, str]]] = {
    Reason.VIRTUAL_NODE_LABEL_MISSING: (
        "The template names `virtual_node_name`, and the pod lacks the label that `virtualNodeLabel` names, or it is empty.",
        "Label the pod (in a workload under `spec.template.metadata.labels`), or guard the name by `is defined`.",
    ),
    Reason.REGION_MISSING: (
        "The template names the region, and the Mesh has none.",
        "Set `spec.region`, or write `region|default('…')`.",
    ),
    Reason.CONTAINER_PORT_MISSING: (
        "The template names the pod's ports, and a container names none: its traffic would bypass the proxy.",
        "Name its `containerPort`, or set `requireContainerPorts: false`.",
    ),
    Reason.SEVERAL_MESHES_MATCHED: (
        "Several meshes select the pod at the same rank.",
        "Give one a higher `priority`, or choose one by the pod's label `mesh-injector.io/mesh`.",
    ),
    Reason.CONFIG_MAP_MISSING: (
        "The Mesh names no ConfigMap, one that does not exist, or one without our label.",
        'Create it, or label it `mesh-injector.io/template: "true"`.',
    ),
    Reason.CONFIG_MAP_FORBIDDEN: (
        "A Mesh outside the injector's home namespace names a ConfigMap of another namespace.",
        "Copy the ConfigMap to the Mesh's namespace, or move the Mesh home.",
    ),
    Reason.CONFIG_MAP_KEY_MISSING: (
        "The ConfigMap has no such entry, or several of which none is named.",
        "Name the entry in `sidecarPatchConfigMap.key`.",
    ),
    Reason.SELECTOR_INVALID: (
        "A selector is missing or wrong, so the Mesh selects nothing.",
        "Write a `podSelector` or a `namespaceSelector`; `{}` as one of them selects all.",
    ),
    Reason.OVERRIDE_INVALID: (
        "A pod overrides a value by text that does not fit the type of the Mesh's value.",
        "Change the annotation, or remove it.",
    ),
    Reason.MESH_UNKNOWN: (
        "The pod's label chooses a mesh that is unknown or does not match.",
        "Correct the label `mesh-injector.io/mesh`, or remove it.",
    ),
    Reason.NAMESPACE_UNKNOWN: (
        "The pod's namespace does not exist.",
        "Create it first.",
    ),
    Reason.TEMPLATE_INVALID: (
        "The template is not in the template language, or an expression cannot be evaluated.",
        "The message says what to write instead; docs/templates.md has the whole language.",
    ),
    Reason.UNDEFINED_VARIABLE: (
        "A name or a key is not defined.",
        "Correct it, or make it optional by `default`, `get` or `is defined`.",
    ),
    Reason.RENDER_LIMIT: (
        "The template would do or make more than the bounds allow.",
        "Make loops, texts or values smaller; docs/templates.md lists the bounds.",
    ),
    Reason.RENDERED_NOT_YAML: (
        "What the template renders to is not YAML, or uses more of YAML than JSON's types.",
        "Check the indentation; quote texts that hold `: ` or ` #`; write out what anchors, tags and merge keys stand for.",
    ),
    Reason.RENDERED_INVALID_POD: (
        "What the template renders to is no valid part of a pod: an unknown field, a wrong type, a name twice, a null.",
        "The message names the field, the line of the template and what Kubernetes wants there.",
    ),
    Reason.FIELD_NOT_ALLOWED: (
        "The template gives a pod more rights than its author had, which only a Mesh and ConfigMap of the home namespace may.",
        "Remove the field, or move both to the home namespace.",
    ),
    Reason.NAME_COLLISION: (
        "The pod has a different container or volume of the same name.",
        "Rename one of them.",
    ),
    Reason.NOT_A_POD: (
        "A review's object cannot be read as a pod: a wrong type at some path, or nested too deeply.",
        "Send a v1 Pod; the message names the path.",
    ),
    Reason.OVERLOADED: (
        "More reviews came than can be answered in time, or this one came too late to be answered.",
        "Try again; if it stays, run more replicas.",
    ),
    Reason.NOT_READY: (
        "The server has not read its configuration yet, or does not know yet what the API server knows of a mesh or a namespace.",
        "Try again; `/readyz` and the log say what is missing.",
    ),
    Reason.INTERNAL: (
        "A bug of mesh-injector; the message has a reference.",
        "Report it with the reference.",
    ),
}
_OTHERS: Final[dict[str, Meaning]] = {
    reasons.NOT_YAML: Meaning("NotYaml", "A document is not YAML or JSON.", "Correct it at the place that is named."),
    reasons.NOT_A_MANIFEST: Meaning("NotAManifest", "A document is YAML and no Kubernetes object.", "Give it `apiVersion` and `kind`."),
    reasons.FIELD_UNKNOWN: Meaning("FieldUnknown", "The resource has no such field.", "Correct its name."),
    reasons.FIELD_WRONG: Meaning("FieldWrong", "A field is of the wrong type or out of bounds.", "Write what the message asks for."),
    reasons.NOTHING_FOUND: Meaning("NothingFound", "A file, folder or source holds nothing of what was asked for.", "Name another one."),
    reasons.UNREADABLE: Meaning("Unreadable", "A file or folder cannot be opened, or is not UTF-8.", "Check its path and permissions."),
    reasons.DUPLICATE: Meaning("Duplicate", "Two documents describe the same object.", "Remove one of them."),
    reasons.NOT_A_REVIEW: Meaning("NotAReview", "A request body is no AdmissionReview.", "Only an API server should call this path."),
    reasons.CERTIFICATE_INVALID: Meaning("CertificateInvalid", "A certificate or key cannot be used.", "Replace both files together."),
    reasons.CANNOT_LISTEN: Meaning(
        "CannotListen", "The server cannot listen on the host and port.", "Choose another port; 0 picks a free one."
    ),
    reasons.TRACING_MISSING: Meaning(
        "TracingMissing", "`--tracing` needs libraries that are not installed.", "Install the extra `tracing`, or leave the flag out."
    ),
    reasons.CLUSTER_UNREACHABLE: Meaning(
        "ClusterUnreachable",
        "No cluster can be found, or its API server cannot be reached or is none.",
        "Check that it runs, and name the right `--kubeconfig` and `--context`.",
    ),
    reasons.CLUSTER_FORBIDDEN: Meaning(
        "ClusterForbidden", "The credentials may not do what is needed.", "Use others, or have it granted; the message says what."
    ),
    reasons.CLUSTER_REFUSED: Meaning(
        "ClusterRefused", "The API server refuses a request.", "The message is its own; if it is overloaded, try again."
    ),
    reasons.NOT_REGISTERED: Meaning(
        "NotRegistered",
        "The webhook configuration is not there or does not hold the entry of the Mesh, so the API server asks about none of its pods.",
        "Apply the installation's MutatingWebhookConfiguration again; its entries are then filled in.",
    ),
    reasons.NO_ROOM: Meaning(
        "NoRoom",
        "The webhook configuration has no room for the entry of the Mesh: too many home meshes, or selectors that are too long.",
        "Let one Mesh select what several do, by one label.",
    ),
    reasons.OVERRIDE_WITHOUT_VALUE: Meaning(
        "OverrideWithoutValue",
        "An override names no value of the Mesh, so a pod may set any text, and the template has none without it.",
        "Give it a value in `spec.values`.",
    ),
    reasons.VALUE_UNUSED: Meaning("ValueUnused", "The template never reads a value of the Mesh.", "Remove it, or correct its name."),
    reasons.TEMPLATE_UNUSED: Meaning("TemplateUnused", "A template ConfigMap is named by no Mesh.", "Name it in a Mesh, or remove it."),
    reasons.CERTAIN_TIE: Meaning(
        "CertainTie", "Two meshes have the same selectors and the same rank, so every pod they select is refused.", "Change one `priority`."
    ),
    reasons.IMAGE_NOT_PINNED: Meaning(
        "ImageNotPinned", "An image has no tag, or `latest`: pods of one workload may run different proxies.", "Name a tag or a digest."
    ),
    reasons.FALLBACK_NEEDED: Meaning(
        "FallbackNeeded",
        "A variable in the argument of `default` is needed even where the fallback is not.",
        "Write `a if a is defined else b`.",
    ),
    reasons.NAMES_ALIKE: Meaning("NamesAlike", "Names of values or overrides differ only in case.", "Use one spelling."),
    reasons.VALUE_MISSING: Meaning(
        "ValueMissing", "Some branches of the template read a value that the Mesh lacks.", "Add it, or guard it by `is defined`."
    ),
    reasons.LEFT_TO_THE_POD: Meaning(
        "LeftToThePod",
        "The template needs something that it does not bring: the volume of a mount, a container's image, name servers. "
        "Pods without it are refused.",
        "Add it, or correct the name; nothing is wrong where every selected pod has it.",
    ),
    reasons.IMAGE_INVALID: Meaning(
        "ImageInvalid",
        "An image is no image reference: a space, upper case in the repository, a digest that is none. Nodes cannot pull it.",
        "Write `registry/repository:tag`, the repository in lower case.",
    ),
    reasons.PORT_UNKNOWN: Meaning(
        "PortUnknown",
        "A probe or lifecycle handler names a port that its container does not have, so it always fails.",
        "Name one of the container's `ports`, or write a number.",
    ),
    reasons.NEVER_FINISHES: Meaning(
        "NeverFinishes",
        "A Job or CronJob that is linted beside the Mesh gets a container that may run on when the work is done, and then never finishes.",
        "Write it under `initContainers` with `restartPolicy: Always`; leave it where it ends by itself.",
    ),
}
MEANINGS: Final[dict[str, Meaning]] = dict(
    sorted(({CODES[reason]: Meaning(reason.value, *texts) for reason, texts in _OF_REASONS.items()} | _OTHERS).items())
)
"""Every code with its meaning, in the order of the codes."""
