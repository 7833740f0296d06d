"""Let Kubernetes' own code judge the cases of our checks anew, and write down what we find: tests/engine/checks/kubernetes_cases.json.

    python scripts/judge_cases.py

Each case is a template, and may have the spec of a `pod`; what Kubernetes judges is that pod, or a plain one, with the template's fields
in it. To add a case, add its `template` to the file and run this; a test fails where the two disagree.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from mesh_injector.engine import checks, merged, schema
from mesh_injector.engine.pod import Pod
from mesh_injector.engine.union import Union

HERE: Final = Path(__file__).parent
CASES: Final = HERE.parent / "tests" / "engine" / "checks" / "kubernetes_cases.json"
PLAIN: Final[dict[str, Any]] = {"containers": [{"name": "app", "image": "app:1"}]}


def main() -> None:
    """Rewrite the file in place, for the release of the bundled schema."""
    version = schema.KUBERNETES_VERSION
    cases = json.loads(CASES.read_bytes())["cases"]
    pods = "".join(json.dumps(pod_of(case)) + "\n" for case in cases)
    command = [sys.executable, str(HERE / "go_pods" / "run.py"), "--version", version, "judge"]
    answers = subprocess.run(command, input=pods.encode(), stdout=subprocess.PIPE, check=True).stdout.splitlines()
    judged = [
        {
            **{key: case[key] for key in ("pod", "template") if key in case},
            "kubernetes": [told(error) for error in json.loads(answer)["errors"]],
            "found": found(case),
        }
        for case, answer in zip(cases, answers, strict=True)
    ]
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in judged)
    CASES.write_text(f'{{"kubernetes": "{version}", "cases": [\n{lines}\n]}}\n', "utf-8")
    print(f"{len(judged)} cases, {sum(bool(case['kubernetes']) for case in judged)} of which Kubernetes {version} refuses")


def pod_of(case: dict[str, Any]) -> dict[str, Any]:
    """The case's pod, or a plain one, with the template's fields in it."""
    template = case["template"]
    spec = merged.together(case.get("pod", PLAIN), template.get("spec", {}), schema.definition("PodSpec"), "spec")
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "cart", **template.get("metadata", {})}, "spec": spec}


def found(case: dict[str, Any]) -> list[str]:
    """What our checks find, in the template and in its union with the pod."""
    template, pod = case["template"], Pod.from_document({"metadata": {}, "spec": case.get("pod", PLAIN)})
    findings = checks.of_overlay(template, privileged=True) or list(Union(template.get("spec", {}), template.get("metadata")).find(pod))
    return [f"{checks.field_name(finding.path)}: {finding.what}; {finding.fix}" for finding in findings]


def told(error: dict[str, str]) -> str:
    """An error of Kubernetes on one line, cut where it repeats a long value."""
    return f"{error['field']}: {error['message']}"[:200]


if __name__ == "__main__":
    main()
