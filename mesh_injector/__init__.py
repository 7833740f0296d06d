"""mesh-injector: a Kubernetes sidecar injector with explainable decisions and templates that cannot be broken into."""

__version__ = "0.1.0"
