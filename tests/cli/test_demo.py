import subprocess
import sys


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mesh_injector", "demo", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_the_demo_shows_the_whole_path_and_ends_by_itself() -> None:
    result = demo()
    assert result.returncode == 0
    assert "at https://127.0.0.1:" in result.stderr
    table, diff, patch, following = sections(result.stdout)
    assert "cart-b7678ff4b-*" in table
    assert "ContainerPortMissing" in table
    assert "+  - name: envoy" in diff
    assert "add     /spec/containers/-" in patch
    assert "inject -f" in following


def sections(text: str) -> list[str]:
    """Split at the four titles, which are ruled lines."""
    parts = [""]
    for line in text.splitlines(keepends=True):
        if line.rstrip().endswith("───"):
            parts.append("")
        parts[-1] += line
    return parts[1:]


def test_colour_is_for_those_who_ask_for_it() -> None:
    assert "\x1b[" not in demo().stdout
    assert "\x1b[32m+" in demo("--color", "always").stdout
