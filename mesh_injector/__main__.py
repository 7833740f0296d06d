"""`python -m mesh_injector` is the command line."""

from mesh_injector.cli import main

main()
