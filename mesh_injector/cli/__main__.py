"""`python -m mesh_injector.cli` is the command line too."""

from mesh_injector.cli import main

main()
