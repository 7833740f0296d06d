"""The HTTPS server: reviews on one port, health on another, and the changes of source and certificate while it serves."""

from mesh_injector.server.options import Limits, Names, Options
from mesh_injector.server.process import Addresses, run, running, serve

__all__ = ["Addresses", "Limits", "Names", "Options", "run", "running", "serve"]
