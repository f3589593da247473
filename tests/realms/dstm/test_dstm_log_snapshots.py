"""Snapshots as bytes: what is written is read, whatever the document."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realms.dstm.document import Document
from realms.dstm.log.snapshots import CHUNK_BYTES, chunks, pieces, read

scalars = (
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-1e300, 1e300) | st.text()
)
values = st.recursive(
    scalars,
    lambda below: st.lists(below, max_size=20) | st.dictionaries(st.text(), below, max_size=20),
    max_leaves=60,
)


@given(values, st.lists(st.dictionaries(st.text(), scalars), max_size=3))
def test_round_trip(value: Any, bindings: list[dict[str, Any]]) -> None:
    """Document and bindings come back."""
    found, bound = read(list(chunks(Document.of(value), bindings)))
    assert found.plain() == value
    assert bound == bindings


@pytest.mark.parametrize("count", [0, 15, 16, 64, 65, 65_535, 65_536])
def test_sizes_of_containers(count: int) -> None:
    """Containers of all sizes that MessagePack distinguishes, in the form that everybody reads."""
    value = {"array": list(range(count)), "object": {str(n): n for n in range(count)}}
    document = Document.of(value)
    assert read(list(chunks(document, [])))[0] == document
    assert msgspec.msgpack.decode(b"".join(pieces(document.root))) == value


def test_chunks() -> None:
    """A large document is cut into chunks of about the same size."""
    document = Document.of({str(n): "x" * 500 for n in range(2000)})
    sizes = [len(chunk) for chunk in chunks(document, [])]
    assert len(sizes) > 10
    assert all(CHUNK_BYTES <= size < CHUNK_BYTES + 600 for size in sizes[:-1])


@pytest.mark.parametrize("content", [b"", b"\xc1", b"\x80", b"\x91\x90", b"\x92\x80\x80"])
def test_no_snapshot(content: bytes) -> None:
    """What is no snapshot is refused."""
    with pytest.raises(ValueError):
        read([content])
