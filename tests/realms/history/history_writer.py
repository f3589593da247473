"""A process that writes into a history's database until it is killed, and prints what is on the disk."""

import sys
from pathlib import Path

from realms.history.database import Batch, Database
from realms.history.event import Body, Kept


def event(seq: int, time_ms: int = 0, topic: str = "com.topic", publication: int = 0, **body: object) -> Kept:
    """Make an event; its publication is 1000 + ``seq`` where nothing else is said."""
    args = body.pop("args", b"[%d]" % seq)
    return Kept(seq, time_ms, publication or 1000 + seq, topic, 100, Body({}, "json", args, **body))


def batch(history: int, *events: Kept, lost: int = 0, events_kept: int = 10_000) -> Batch:
    """Make a batch with limits that nothing exceeds, unless ``events_kept`` says otherwise."""
    return Batch(history, list(events), lost, events_kept, 1 << 30, 0)


def write_until_killed(path: Path) -> None:
    database = Database(path)
    known = database.open("exact", "com.topic", "abc")
    seq = known.last
    while True:
        database.write([batch(known.id, event(seq + 1), event(seq + 2), events_kept=50)])
        seq += 2
        print(seq, flush=True)


if __name__ == "__main__":
    write_until_killed(Path(sys.argv[1]))
