"""
Configuration files: YAML checked against typed Python, with every problem at its place.

The shape of a file is a tree of ``Section`` structs whose fields say in
``msgspec.Meta`` what they mean and allow. From that one source come the check
(``read``), the JSON Schema for editors (``json_schema``) and the reference page
(``reference``). This package knows no particular file: the node's is in
``router.node_config``, a realm's in ``realms.config``.
"""

from router.configuration.document import Document, Path, path_text, quoted
from router.configuration.problems import ConfigurationError, Problem, did_you_mean
from router.configuration.reference import reference
from router.configuration.schema import json_schema
from router.configuration.secret import Secret, SecretSources
from router.configuration.section import Section
from router.configuration.walk import read

__all__ = [
    "ConfigurationError",
    "Document",
    "Path",
    "Problem",
    "Secret",
    "SecretSources",
    "Section",
    "did_you_mean",
    "json_schema",
    "path_text",
    "quoted",
    "read",
    "reference",
]
