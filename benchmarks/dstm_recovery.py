"""How long a space with a long log needs to open: a log is written, closed, and opened again."""

from __future__ import annotations

import time
from pathlib import Path

from realms.dstm.changes import Change, chain
from realms.dstm.document import Document
from realms.dstm.log import Record
from realms.dstm.log.sqlite import SqliteLog

BATCH = 1000
ACCOUNTS = 1000
AFTER_SNAPSHOT = 10_000


def recovery_seconds(scratch: Path, commits: int) -> tuple[float, int]:
    """Write a log of so many commits, with a snapshot near its end; give seconds to open it, and bytes."""
    path = scratch / "recovery.sqlite3"
    log = SqliteLog(path)
    opened = log.open()
    document, hash_ = Document.of({f"a{n}": 0 for n in range(ACCOUNTS)}), opened.hash
    changes = (Change("replace", "", document.plain()),)
    records = []
    for version in range(1, commits + 1):
        if version > 1:
            changes = (Change("replace", f"/a{version % ACCOUNTS}", version),)
            document = document.apply(changes)
        hash_ = chain(hash_, version, changes)
        tx = f"{version % 64:032x}:{version}"
        body = hash_  # as long as one, and as little compressible
        records.append(Record("commit", version, version, tx, body, "clerk", "clerk", changes, hash=hash_))
        if len(records) == BATCH or version == commits:
            log.write(records)
            records = []
        if version == max(1, commits - AFTER_SNAPSHOT):
            log.write(records)
            records = []
            log.save_snapshot(version, hash_, document, [])
    log.close()
    size = sum(file.stat().st_size for file in scratch.glob("recovery.sqlite3*"))
    began = time.perf_counter()
    log = SqliteLog(path)
    recovered = log.open()
    seconds = time.perf_counter() - began
    assert recovered.records[-1].version == commits
    log.close()
    return seconds, size
