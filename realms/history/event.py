"""
One event that is kept: a value, in memory as on the disk.

Rules of this file:

- The payload stays as the publisher's bytes, copied, beside the name of its serialization.
- Who may see it is said by authid and authrole alone. A publication that names sessions is not kept at
  all: their ids mean nothing to those who come later (WAMP AP 'Event History', Security Aspects).
- The publisher's own exclusion is forgotten: it too is said by a session id.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw, Struct

from router.routing.publication import Audience, Publication
from router.wamp.serializers import MSGPACK, SERIALIZERS

OVERHEAD_BYTES: Final = 200  # what an event takes besides its topic and its payload, about

Names = frozenset[str] | None


class Body(Struct, array_like=True, frozen=True, gc=False):
    """
    What an event holds besides its topic and its place: as one blob on the disk.

    ``serializer`` is the name of the one in which ``args`` and ``kwargs`` are encoded.
    """

    details: dict[str, Any]
    serializer: str
    args: bytes | None = None
    kwargs: bytes | None = None
    eligible_authid: Names = None
    eligible_authrole: Names = None
    exclude_authid: Names = None
    exclude_authrole: Names = None

    def admits(self, authid: str, authrole: str) -> bool:
        """Tell whether somebody who is known so may see the event."""
        return (
            (self.eligible_authid is None or authid in self.eligible_authid)
            and (self.eligible_authrole is None or authrole in self.eligible_authrole)
            and (self.exclude_authid is None or authid not in self.exclude_authid)
            and (self.exclude_authrole is None or authrole not in self.exclude_authrole)
        )

    def payload(self) -> dict[str, Any]:
        """Give ``args`` and ``kwargs`` as plain values, those that the event has."""
        load = SERIALIZERS[self.serializer].load
        given = {"args": self.args, "kwargs": self.kwargs}
        return {name: load(Raw(data)) for name, data in given.items() if data is not None}


class Kept(Struct, frozen=True, gc=False):
    """An event of a history: ``seq`` counts from 1, ``time_ms`` since 1970."""

    seq: int
    time_ms: int
    publication: int
    topic: str
    size_bytes: int
    body: Body


encode_body = msgspec.msgpack.Encoder().encode
decode_body = msgspec.msgpack.Decoder(Body).decode


def is_for_all_times(publication: Publication) -> bool:
    """Tell whether ``publication`` may be kept: it does not say by session id who may see it."""
    audience = publication.audience
    return audience is None or (audience.eligible is None and audience.exclude is None)


def body_of(publication: Publication) -> Body:
    """Copy what is to be kept of ``publication``."""
    origin = publication.origin or MSGPACK
    audience = publication.audience or Audience()
    return Body(
        publication.details,
        origin.name,
        _encoded(publication.args),
        _encoded(publication.kwargs),
        audience.eligible_authid,
        audience.eligible_authrole,
        audience.exclude_authid,
        audience.exclude_authrole,
    )


def size_of(topic: str, body: Body) -> int:
    """Give what an event counts against its history's limit of bytes."""
    size = OVERHEAD_BYTES + len(topic) + len(body.args or b"") + len(body.kwargs or b"")
    names = (body.eligible_authid, body.eligible_authrole, body.exclude_authid, body.exclude_authrole)
    return size + sum(len(name) + 50 for some in names if some for name in some)


def _encoded(payload: Any) -> bytes | None:
    if payload is None:
        return None
    return bytes(payload if isinstance(payload, Raw) else MSGPACK.dump(payload))
