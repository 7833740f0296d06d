"""What is said where a right is missing: the one command that grants it."""

import re
from typing import Final

from mesh_injector.errors import ClusterError, InjectionError
from mesh_injector.reasons import Reason

ROLE: Final = "mesh-injector-templates"
"""The ClusterRole of the installation that may read ConfigMaps; a RoleBinding grants it in one namespace."""
_USER: Final = re.compile(r'User "([^"\s]{1,300})"')
_ACCOUNT: Final = re.compile(r"system:serviceaccount:([a-z0-9-]+):([a-z0-9.-]+)")


def unread(namespace: str, error: ClusterError | None) -> InjectionError:
    """What it means for a Mesh that the ConfigMaps of the namespace it names cannot be read."""
    where = "spec.sidecarPatchConfigMap"
    if error is None or error.status != 403:
        why = f": {error.problem.what}" if error else ""
        fix = "wait; it is tried again"
        return InjectionError(
            Reason.NOT_READY, f"the ConfigMaps of namespace {namespace} have not been read yet{why}", where=where, fix=fix
        )
    user = _USER.search(error.problem.what)
    fix = f"grant it: kubectl create rolebinding {ROLE} -n {namespace} --clusterrole={ROLE} {_subject(user[1] if user else '')}"
    what = f"mesh-injector may not read the ConfigMaps of namespace {namespace}"
    return InjectionError(Reason.CONFIG_MAP_FORBIDDEN, what, where=where, fix=fix)


def _subject(user: str) -> str:
    if account := _ACCOUNT.fullmatch(user):
        return f"--serviceaccount={account[1]}:{account[2]}"
    return f"--user={user}" if user else "--serviceaccount=mesh-system:mesh-injector"
