"""Nanoseconds of the single steps on the hot path: unmasking, decoding, encoding, framing, joining.

Rules of this file: each figure is the best of seven runs, on one message with 64 characters of payload.  It
shares no code with the router.

    python -m benchmarks.micro
"""

from __future__ import annotations

import json
import os
import struct
import timeit
from collections.abc import Callable
from typing import Any

import msgspec
from autobahn.websocket.xormasker import create_xor_masker
from msgspec import Raw, Struct

LOOPS = 50_000
PAYLOAD = b'[48,1234,{},"bench.proc.0",["' + b"x" * 64 + b'"]]'
N = len(PAYLOAD)
MASK = os.urandom(4)
FRAME = bytes((0x81, 0x80 | N)) + MASK + bytes(octet ^ MASK[i % 4] for i, octet in enumerate(PAYLOAD))
DATA = FRAME * 4
START = len(FRAME) + 6
REPEAT = [sum(1 << 32 * i for i in range((n + 3) // 4)) for n in range(126)]
KEEP = [(1 << 8 * n) - 1 for n in range(126)]
HEADER = [bytes((0x81, n)) for n in range(126)]
number = int.from_bytes
header = struct.Struct(">BB").pack


class Call(Struct, array_like=True, tag=48, gc=False):
    request: int
    options: Raw
    procedure: str
    args: Raw = Raw(b"")
    kwargs: Raw = Raw(b"")


class Yield(Struct, array_like=True, tag=70, gc=False):
    request: int
    options: Raw
    args: Raw = Raw(b"")
    kwargs: Raw = Raw(b"")


union = msgspec.json.Decoder(Call | Yield).decode
fields = msgspec.json.Decoder(list[Raw]).decode
untyped = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode
CALL = union(PAYLOAD)
ARGS = CALL.args
INVOCATION = encode([68, 123456, 77, {}, ARGS])


def slice_only() -> bytes:
    return DATA[START : START + N]


def multiplied() -> bytes:
    mask = number(DATA[START - 4 : START], "little")
    return ((number(DATA[START : START + N], "little") ^ mask * REPEAT[N]) & KEEP[N]).to_bytes(N, "little")


def expanded() -> bytes:
    mask = number((DATA[START - 4 : START] * (N // 4 + 1))[:N], "little")
    return (number(DATA[START : START + N], "little") ^ mask).to_bytes(N, "little")


def table() -> bytes:
    mask = DATA[START - 4 : START]
    return bytes([octet ^ mask[i & 3] for i, octet in enumerate(DATA[START : START + N])])


def autobahn() -> bytes:
    unmasked: bytes = create_xor_masker(DATA[START - 4 : START], N).process(DATA[START : START + N])
    return unmasked


MICRO: list[tuple[str, str, Callable[[], Any]]] = [
    ("unmask", "nothing: the slice alone", slice_only),
    ("unmask", "XOR of integers, mask * 0x...00010001", multiplied),
    ("unmask", "XOR of integers, mask repeated as bytes", expanded),
    ("unmask", "octet by octet", table),
    ("unmask", "Autobahn's masker, in C", autobahn),
    ("decode", "tagged union of Structs, args as Raw", lambda: union(PAYLOAD)),
    ("decode", "list of Raw", lambda: fields(PAYLOAD)),
    ("decode", "untyped", lambda: untyped(PAYLOAD)),
    ("decode", "json.loads", lambda: json.loads(PAYLOAD)),
    ("encode", "list with Raw", lambda: encode([68, 123456, 77, {}, ARGS])),
    ("encode", "b'%d' with Raw", lambda: b"[68,%d,%d,{},%b]" % (123456, 77, ARGS)),
    ("encode", "b''.join", lambda: b"".join((b"[68,", b"%d" % 123456, b",77,{},", ARGS, b"]"))),
    ("encode", "bytes(Raw), a copy", lambda: bytes(ARGS)),
    ("frame", "header from a table", lambda: HEADER[len(INVOCATION)] + INVOCATION),
    ("frame", "header by struct.pack", lambda: header(0x81, len(INVOCATION)) + INVOCATION),
    ("join", "1 frame", lambda: b"".join([FRAME])),
    ("join", "16 frames", lambda: b"".join([FRAME] * 16)),
    ("join", "64 frames", lambda: b"".join([FRAME] * 64)),
]


def nanoseconds(step: Callable[[], Any]) -> float:
    """Return the time of one call of ``step``, without that of calling nothing."""
    best = min(timeit.repeat(step, number=LOOPS, repeat=7))
    empty = min(timeit.repeat(lambda: None, number=LOOPS, repeat=7))
    return (best - empty) / LOOPS * 1e9


def main() -> None:
    for unmask in (multiplied, expanded, table, autobahn):
        assert unmask() == PAYLOAD, unmask
    for group, title, step in MICRO:
        print(f"{group:8} {title:42} {nanoseconds(step):8.0f} ns")


if __name__ == "__main__":
    main()
