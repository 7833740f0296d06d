"""The errors carry what their catcher decides by."""

from mesh_injector import reasons
from mesh_injector.errors import ClusterError, Problem


def test_the_error_of_a_cluster_has_the_status_of_the_answer_or_none() -> None:
    problem = Problem(reasons.CLUSTER_REFUSED, "no", "the API server", "ask")
    assert (ClusterError(problem, 403).status, ClusterError(problem).status, ClusterError(problem).problem) == (403, 0, problem)
