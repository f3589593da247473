"""A process that writes to a log and tells each version that was acknowledged, until somebody kills it."""

import sys
from pathlib import Path
from random import Random

from dstm_logs import HASH, commits, document

from realms.dstm.log.sqlite import SqliteLog


def main(path: str, seed: str) -> None:
    draw = Random(seed)
    log = SqliteLog(Path(path), window=100, checkpoint_bytes=100_000)
    found = log.open()
    version = found.records[-1].version if found.records else found.snapshot_version
    print(version, flush=True)
    while True:
        first, version = version + 1, version + draw.randint(1, 20)
        log.write(commits(first, version, size=draw.randint(0, 300)))
        print(version, flush=True)
        if draw.random() < 0.05:
            log.save_snapshot(version, HASH, document(version), [])
            log.trim(version - 500, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
