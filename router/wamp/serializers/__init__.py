"""The WAMP serializers: bytes to checked messages, messages to bytes, payloads from one to the other."""

from typing import Final

from router.wamp.serializers.base import MAX_DEPTH, Serializer
from router.wamp.serializers.cbor import CBOR
from router.wamp.serializers.json import JSON
from router.wamp.serializers.msgpack import MSGPACK

SERIALIZERS: Final[dict[str, Serializer]] = {  # name -> Serializer
    serializer.name: serializer for serializer in (JSON, MSGPACK, CBOR)
}

__all__ = ["CBOR", "JSON", "MAX_DEPTH", "MSGPACK", "SERIALIZERS", "Serializer"]
