"""Text to Kubernetes objects and back: `parse` reads as kubectl reads, `dump` writes what every YAML reader reads alike.

origin      places in files, and the lines around them     scalar     what a scalar means to Go
document    an object that knows where its fields stand    places     the places of all fields of one text
stream      many documents, YAML or JSON                   goyaml     one YAML document to values
emit        values to YAML                                 mistakes   libyaml's errors in words that help
reading     what a source holds at one moment
"""

from mesh_injector.documents.document import Document, expand
from mesh_injector.documents.emit import dump
from mesh_injector.documents.origin import Origin
from mesh_injector.documents.places import Path
from mesh_injector.documents.reading import Reading, together
from mesh_injector.documents.stream import Parsed, parse

__all__ = ["Document", "Origin", "Parsed", "Path", "Reading", "dump", "expand", "parse", "together"]
