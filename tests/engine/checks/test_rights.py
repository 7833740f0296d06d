"""What only a template at home may bring: every right by the value that gives it, and the values that give none."""

from typing import Any

import pytest

from mesh_injector.engine import checks
from mesh_injector.engine.checks import rights
from mesh_injector.reasons import Reason

Json = dict[str, Any]


def container(**fields: Any) -> Json:
    return {"spec": {"containers": [{"name": "envoy", "image": "envoy:1", **fields}]}}


HOME_ONLY: list[tuple[str, Json]] = [
    ("metadata.ownerReferences", {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "y"}]}}),
    ("metadata.finalizers", {"metadata": {"finalizers": ["example.com/x"]}}),
    *((f"spec.{name}", {"spec": {name: True}}) for name in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace")),
    *(
        (f"spec.{name}", {"spec": {name: "x"}})
        for name in ("nodeName", "serviceAccountName", "serviceAccount", "priorityClassName", "runtimeClassName")
    ),
    ("spec.priority", {"spec": {"priority": 5}}),
    ("spec.volumes[0].hostPath", {"spec": {"volumes": [{"name": "a", "hostPath": {"path": "/"}}]}}),
    ("spec.securityContext.seccompProfile.type", {"spec": {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}}),
    ("spec.securityContext.appArmorProfile.type", {"spec": {"securityContext": {"appArmorProfile": {"type": "Unconfined"}}}}),
    ("spec.containers[0].securityContext.privileged", container(securityContext={"privileged": True})),
    ("spec.containers[0].securityContext.capabilities.add", container(securityContext={"capabilities": {"add": ["NET_ADMIN"]}})),
    ("spec.containers[0].securityContext.procMount", container(securityContext={"procMount": "Unmasked"})),
    ("spec.containers[0].securityContext.seccompProfile.type", container(securityContext={"seccompProfile": {"type": "Unconfined"}})),
    ("spec.containers[0].securityContext.appArmorProfile.type", container(securityContext={"appArmorProfile": {"type": "Unconfined"}})),
    ("spec.containers[0].securityContext.capabilities.add", container(securityContext={"capabilities": {"add": ["ALL"]}})),
    ("spec.containers[0].securityContext.seLinuxOptions.type", container(securityContext={"seLinuxOptions": {"type": "spc_t"}})),
    ("spec.securityContext.seLinuxOptions.user", {"spec": {"securityContext": {"seLinuxOptions": {"user": "root"}}}}),
    ("spec.securityContext.seLinuxOptions.role", {"spec": {"securityContext": {"seLinuxOptions": {"role": "sysadm_r"}}}}),
    ("spec.securityContext.sysctls[0].name", {"spec": {"securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}}),
    ("spec.securityContext.sysctls[0].name", {"spec": {"securityContext": {"sysctls": [{"name": "net/core/somaxconn", "value": "1"}]}}}),
    ("spec.containers[0].securityContext.windowsOptions.hostProcess", container(securityContext={"windowsOptions": {"hostProcess": True}})),
    (
        "spec.containers[0].securityContext.windowsOptions.gmsaCredentialSpecName",
        container(securityContext={"windowsOptions": {"gmsaCredentialSpecName": "admin"}}),
    ),
    (
        "spec.securityContext.windowsOptions.gmsaCredentialSpec",
        {"spec": {"securityContext": {"windowsOptions": {"gmsaCredentialSpec": "{}"}}}},
    ),
    ("spec.containers[0].ports[0].hostPort", container(ports=[{"containerPort": 1, "hostPort": 1}])),
    ("spec.containers[0].livenessProbe.httpGet.host", container(livenessProbe={"httpGet": {"port": 80, "host": "169.254.169.254"}})),
    (
        "spec.containers[0].lifecycle.postStart.tcpSocket.host",
        container(lifecycle={"postStart": {"tcpSocket": {"port": 80, "host": "db"}}}),
    ),
    (
        "spec.containers[0].volumeMounts[0].mountPropagation",
        {
            "spec": {
                "containers": [{"name": "app", "volumeMounts": [{"name": "a", "mountPath": "/a", "mountPropagation": "Bidirectional"}]}]
            }
        },
    ),
    *(
        (f"metadata.annotations.{key}", {"metadata": {"annotations": {key: "unconfined"}}})
        for key in (
            "container.apparmor.security.beta.kubernetes.io/app",
            "container.seccomp.security.alpha.kubernetes.io/app",
            "seccomp.security.alpha.kubernetes.io/pod",
        )
    ),
    ("metadata.annotations.kubernetes.io/config.mirror", {"metadata": {"annotations": {"kubernetes.io/config.mirror": ""}}}),
    ("spec.containers[0].securityContext.privileged", {"spec": {"containers": [{"name": "app", "securityContext": {"privileged": True}}]}}),
    (
        "spec.initContainers[0].securityContext.privileged",
        {"spec": {"initContainers": [{"name": "a", "securityContext": {"privileged": True}}]}},
    ),
]


@pytest.mark.parametrize(("field", "body"), HOME_ONLY)
def test_fields_that_give_rights_are_for_templates_at_home(field: str, body: Json) -> None:
    findings = checks.of_overlay(body, privileged=False)
    assert [(checks.field_name(finding.path), finding.reason) for finding in findings] == [(field, Reason.FIELD_NOT_ALLOWED)]
    assert checks.of_overlay(body, privileged=True) == []


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"ownerReferences": [], "finalizers": []}},
        {"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/app": "runtime/default"}}},
        {"spec": {"securityContext": {"sysctls": [{"name": "net.ipv4.tcp_syncookies", "value": "1"}]}}},
        {
            "spec": {
                "securityContext": {"seLinuxOptions": {"type": "container_t", "level": "s0:c1"}, "windowsOptions": {"hostProcess": False}}
            }
        },
        {"spec": {"automountServiceAccountToken": True, "imagePullSecrets": [{"name": "x"}], "tolerations": [{"operator": "Exists"}]}},
        container(ports=[{"containerPort": 1, "hostPort": 0}], livenessProbe={"httpGet": {"port": 80, "host": ""}}),
        container(securityContext={"runAsUser": 0, "seccompProfile": {"type": "Localhost", "localhostProfile": "x"}}),
        {"spec": {"hostNetwork": False, "shareProcessNamespace": False, "serviceAccountName": "", "priority": 0}},
        {"spec": {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}},
        container(securityContext={"privileged": False, "capabilities": {"drop": ["ALL"], "add": []}, "procMount": "Default"}),
    ],
)
def test_rights_are_judged_by_value(body: Json) -> None:
    assert checks.of_overlay(body, privileged=False) == []


def test_every_right_has_a_case() -> None:
    shown = {field.replace("[0]", "").rpartition(".")[2] for field, _ in HOME_ONLY}
    assert {field.rpartition(".")[2] for field in rights.FIELDS} <= shown


@pytest.mark.parametrize(
    "body",
    [
        container(securityContext={"Privileged": True}),
        container(securityContext={"privileged": "true"}),
        container(securityContext={"privileged": 1}),
        container(securityContext=None),
        container(securityContext={"seccompProfile": {"type": "unconfined"}}),
        container(securityContext={"procMount": "unmasked"}),
        {"spec": {"HostNetwork": True}},
        {"spec": {"hostNetwork": "yes"}},
        {"spec": {"volumes": [{"name": "a", "hostpath": {"path": "/"}}]}},
        {"spec": {"ephemeralContainers": [{"name": "a", "securityContext": {"privileged": True}}]}},
        {"spec": {"$patch": "replace", "hostNetwork": True}},
        {"metadata": {"OwnerReferences": []}},
    ],
)
def test_no_other_spelling_leads_around_a_right(body: Json) -> None:
    assert checks.of_overlay(body, privileged=True) != []


def test_rights_are_found_in_every_container_and_all_are_told() -> None:
    privileged = {"securityContext": {"privileged": True}}
    body = {"spec": {kind: [{"name": f"{kind}-{n}".lower(), **privileged} for n in (1, 2)] for kind in ("containers", "initContainers")}}
    assert [checks.field_name(finding.path) for finding in checks.of_overlay(body, privileged=False)] == [
        f"spec.{kind}[{n}].securityContext.privileged" for kind in ("containers", "initContainers") for n in (0, 1)
    ]
