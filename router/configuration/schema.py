"""
JSON Schema of a file, for editors that complete and check YAML.
"""

from typing import Any

import msgspec.json

from router.configuration.secret import SCHEMA, Secret
from router.configuration.section import Section

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(shape: type[Section], title: str) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of a file of ``shape``."""
    schema = msgspec.json.schema(shape, schema_hook=_custom)
    return {"$schema": DIALECT, "title": title, **schema}


def _custom(cls: type) -> dict[str, Any]:
    if cls is not Secret:
        raise NotImplementedError
    return SCHEMA
