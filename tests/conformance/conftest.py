"""
The router that every conformance test drives, once with each serializer and once with all three.

Rules of this directory: one file for each section of the specification; wire arrays in, wire
arrays out; a test's docstring says what the section says.
"""

from collections.abc import Iterator

import pytest
from wire_router import WireRouter

SPEAKS = {
    "json": ("json",),
    "msgpack": ("msgpack",),
    "cbor": ("cbor",),
    "mixed": ("json", "cbor", "msgpack"),  # the peers of a test take turns
}


@pytest.fixture(params=SPEAKS)
def serializers(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """What the peers of this run speak, one after the other."""
    return SPEAKS[request.param]


@pytest.fixture
def router(serializers: tuple[str, ...]) -> Iterator[WireRouter]:
    """A router without sockets; in the end every message that it sent must have been looked at."""
    router = WireRouter(serializers)
    yield router
    router.check()
