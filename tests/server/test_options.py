"""Where API servers find the webhook, as flags say it."""

import pytest

from mesh_injector.errors import ConfigError
from mesh_injector.kube.entries import Target
from mesh_injector.server import Names

HOME = "mesh-system"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("mesh-injector", Target("mesh-injector", HOME, 443)),
        ("other/hook", Target("hook", "other", 443)),
        ("other/hook:8443", Target("hook", "other", 8443)),
        ("hook:1", Target("hook", HOME, 1)),
    ],
)
def test_a_service_is_at_home_and_at_443_unless_it_says_otherwise(written: str, expected: Target) -> None:
    assert Names(service=written).target(HOME, b"") == expected


@pytest.mark.parametrize("written", ["", "a/b/c", "a:0", "a:65536", "A", "a b", "a:", "../a", "a\n", "a:99999"])
def test_a_service_that_no_api_server_would_take_is_refused_with_how_to_write_it(written: str) -> None:
    with pytest.raises(ConfigError, match="--service; write NAME"):
        Names(service=written).target(HOME, b"")


@pytest.mark.parametrize(
    "written", ["http://a", "https://", "https://u@a", "https://a?b=c", "https://a/#b", "https://a/ b", "a", "https://a\n"]
)
def test_a_url_that_no_api_server_would_take_is_refused_with_how_to_write_it(written: str) -> None:
    with pytest.raises(ConfigError, match="--webhook-url; write https"):
        Names(url=written).target(HOME, b"")
    assert Names(url="https://10.0.0.1:8443/under").target(HOME, b"ca").client_config("/mutate") == {
        "url": "https://10.0.0.1:8443/under/mutate",
        "caBundle": "Y2E=",
    }
