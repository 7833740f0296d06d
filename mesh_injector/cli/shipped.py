"""The files that come with the program, `config/`: samples, and what is to be installed on a cluster."""

from pathlib import Path


def config() -> Path:
    """Find them: inside the installed package, or in the checkout that it runs from."""
    package = Path(__file__).parent.parent
    installed = package / "config"
    return installed if installed.is_dir() else package.parent / "config"
