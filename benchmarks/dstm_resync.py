"""Resynchronizations of a large space, and what others notice of them.

Rules of this file: the client that pulls pages looks for the token of the next page and reads nothing else,
so that what is measured is the router; the one that looks for stalls calls every 2 ms, whatever happens.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import struct
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dstm import Bench

RAWSOCKET_JSON = b"\x7f\xf1\x00\x00"
NEXT = re.compile(rb'"next":"([^"]+)"')


class Caller:
    """A WAMP session over RawSocket and JSON that calls, one call at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._request = 0

    @classmethod
    async def join(cls, port: int) -> Caller:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 26)
        writer.write(RAWSOCKET_JSON)
        await reader.readexactly(4)
        caller = cls(reader, writer)
        caller._send([1, "realm1", {"roles": {"caller": {}}}])
        await caller._receive()
        return caller

    async def call(self, procedure: str, *args: Any, **kwargs: Any) -> bytes:
        """Call; return the answer's bytes, which must be a RESULT."""
        self._request += 1
        self._send([48, self._request, {}, procedure, args, kwargs])
        answer = await self._receive()
        if not answer.startswith(b"[50,"):
            raise RuntimeError(answer[:500].decode())
        return answer

    def close(self) -> None:
        self._writer.close()

    def _send(self, message: list[Any]) -> None:
        body = json.dumps(message).encode()
        self._writer.write(struct.pack(">I", len(body)) + body)

    async def _receive(self) -> bytes:
        (size,) = struct.unpack(">I", await self._reader.readexactly(4))
        return await self._reader.readexactly(size)


def resync(bench: Bench) -> str:
    """Resynchronizations of 10 MB and 100,000 keys, and how long others waited for an answer meanwhile."""
    config = bench.running.log.parent / "config" / "router.yaml"
    port = int(re.findall(r"endpoint: tcp:(\d+)", config.read_text())[-1])
    if not bench.reports["100,000 keys"]:
        bench.take("100,000 keys", "commit", "--space", "large", "--keys", "100000", "--payload", "80")
    print("  resync", file=sys.stderr)
    report = asyncio.run(_resync(port, bench.options.duration))
    bench.reports["resync"].append(report)
    lines = [
        f"resyncs: {report['resyncs']}, each {report['megabytes']:.1f} MB in {report['pages']} pages",
        f"  {report['seconds'] * 1000:,.0f} ms, {report['megabytes'] / report['seconds']:,.0f} MB/s",
        "another session's calls, ms: p50 {:.2f}, p99 {:.2f}, max {:.2f}".format(*report["waits"]),
        "  without a resync:          p50 {:.2f}, p99 {:.2f}, max {:.2f}".format(*report["waits_before"]),
    ]
    return "\n".join(lines)


async def _resync(port: int, seconds: float) -> dict[str, Any]:
    quiet = await _waits(port, asyncio.create_task(asyncio.sleep(seconds)))
    puller = asyncio.create_task(_pull(port, seconds))
    waits = await _waits(port, puller)
    report = puller.result()
    return {**report, "waits": waits, "waits_before": quiet}


async def _pull(port: int, seconds: float) -> dict[str, Any]:
    """Pull the whole space, page by page, again and again."""
    caller = await Caller.join(port)
    began, times = time.perf_counter(), []
    size = pages = 0
    while time.perf_counter() - began < seconds or not times:
        start = time.perf_counter()
        page = await caller.call("dstm.large.sync")
        size, pages = len(page), 1
        while found := NEXT.search(page):
            page = await caller.call("dstm.large.sync", page=found[1].decode())
            size, pages = size + len(page), pages + 1
        times.append(time.perf_counter() - start)
    caller.close()
    return {
        "resyncs": len(times),
        "seconds": statistics.median(times),
        "megabytes": size / 1e6,
        "pages": pages,
    }


async def _waits(port: int, until: asyncio.Task[Any]) -> tuple[float, float, float]:
    """Call every 2 ms until ``until`` is done; return p50, p99 and the longest wait, in ms."""
    caller, waits = await Caller.join(port), []
    due = time.perf_counter()
    while not until.done():
        await caller.call("wamp.session.count")
        waits.append((time.perf_counter() - due) * 1000)
        due = max(due + 0.002, time.perf_counter())
        await asyncio.sleep(due - time.perf_counter())
    caller.close()
    waits.sort()
    return waits[len(waits) // 2], waits[int(len(waits) * 0.99)], waits[-1]
