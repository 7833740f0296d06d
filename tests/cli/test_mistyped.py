"""A pod whose value has the wrong type is told with its place, and what to write there."""

import pytest

from mesh_injector import documents
from mesh_injector.cli import mistyped
from mesh_injector.engine.pod import Pod
from mesh_injector.errors import ReviewError
from mesh_injector.workloads import find

POD = """apiVersion: v1
kind: Pod
metadata:
  name: a
  labels: {{one: "x", app: {label}}}
spec:
  containers:
    - name: a
      image: b
      ports: [{{containerPort: {port}}}]
"""
CRON = """apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  jobTemplate:
    spec:
      template:
        metadata:
          labels:
            app: n
        spec: {containers: [{name: a, image: b}]}
"""


@pytest.mark.parametrize(
    ("text", "place", "what", "fix"),
    [
        (
            POD.format(label="true", port=80),
            "pod.yaml:5:27",
            "`metadata.labels.app` is true or false, and must be text",
            "put it in quotes",
        ),
        (
            POD.format(label="web", port='"80"'),
            "pod.yaml:10:31",
            "`spec.containers[0].ports[0].containerPort` is text, and must be a whole number",
            "write it as a number, without quotes",
        ),
        (
            CRON,
            "pod.yaml:10:18",
            "`spec.jobTemplate.spec.template.metadata.labels.app` is true or false, and must be text",
            "put it in quotes",
        ),
        (
            POD.format(label="web", port=80).replace("name: a\n  labels", "name: 5\n  labels"),
            "pod.yaml:4:9",
            "`metadata.name`",
            "put it in quotes",
        ),
        (
            POD.format(label="web", port=80).replace("metadata:\n  name: a\n", "metadata:\n  name: a\n  annotations: [x]\n"),
            "pod.yaml:5:16",
            "`metadata.annotations` is a list, and must be a map",
            "write a map",
        ),
    ],
)
def test_a_value_of_the_wrong_type_is_told_with_its_place_and_how_to_write_it(text: str, place: str, what: str, fix: str) -> None:
    (document,) = documents.parse(text, "pod.yaml").documents
    workload = find(document.body)
    assert workload is not None
    with pytest.raises(ReviewError) as caught:
        Pod.from_document(workload.pod)
    found = mistyped.problem(caught.value.problem, document)
    assert (found.where, found.fix) == (place, fix)
    assert found.what.startswith(what)
    assert "^" in found.excerpt
