"""
What has happened in a space: ``history``, ``undo``, ``status``.

Rules of this file:

- A session with pointer rules is told of the versions that are still in memory, since what it may
  see of a change depends on the document that was changed.
- ``undo`` is a transaction like any other, based on the version that it inverts: it has read all that
  this version changed, so that it is a conflict if any of that was changed since.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec.structs import replace

from realms.dstm.access import READ, AnySight
from realms.dstm.api import SpaceApi, refuse, seen
from realms.dstm.api_commit import submit
from realms.dstm.arguments import (
    check_count,
    check_names,
    integer,
    invalid,
    optional_integer,
    optional_text,
    pointer,
)
from realms.dstm.authorize import NOT_AUTHORIZED, sight_at
from realms.dstm.changes import Change
from realms.dstm.errors import DstmError
from realms.dstm.log import Record
from realms.dstm.pointer import ROOT, Path, parse
from realms.dstm.transaction import CommitArguments, checked_transaction
from realms.dstm.values import size
from realms.dstm.visible import visible_changes
from realms.extension import ProcedureCall

DEFAULT_ENTRIES: Final = 100
MOST_ENTRIES: Final = 1000
OLDEST: Final = -(2**53)


def history(api: SpaceApi, call: ProcedureCall) -> None:
    """``dstm.<s>.history``: what was changed, version by version."""
    kwargs, space = call.kwargs, api.space
    check_names(kwargs, ("pointer", "limit"))
    check_count(call.args, 0, 2)
    first, last = (*call.args, None, None)[:2]
    newest = space.durable_version
    begin = _version(-DEFAULT_ENTRIES if first is None else first, newest)
    end = min(newest, _version(newest if last is None else last, newest))
    below = ROOT if kwargs.get("pointer") is None else pointer(kwargs["pointer"], "pointer")
    limit = optional_integer(kwargs, "limit", 1, MOST_ENTRIES) or MOST_ENTRIES
    eye = api.eye(call.session)
    seen(eye, below, "pointer")
    # No more are looked at for one call, whatever they show.
    through = min(end, begin + limit - 1)
    if eye.sight is not None:
        _answer(api, call, _seen_records(api, eye.sight, begin, through), below, through, end)
        return
    entries = space.since(begin - 1, through) if begin <= end else []
    if entries is not None:
        _answer(api, call, [entry.record for entry in entries], below, through, end)
        return

    def told(records: Sequence[Record] | DstmError) -> None:
        if isinstance(records, DstmError):
            refuse(call, records)
        else:
            _answer(api, call, records, below, through, end)

    space.read_entries(begin, through, told)


def _version(value: object, newest: int) -> int:
    """Read a version; a negative one is counted from the newest."""
    version = integer(value, "args", OLDEST)
    return max(1, version if version >= 0 else newest + 1 + version)


def _seen_records(api: SpaceApi, sight: AnySight, begin: int, through: int) -> list[Record]:
    """Give the records in the window as a sight shows them, without those of which it shows nothing."""
    space = api.space
    begin = max(begin, space.oldest_document + 1)
    document, entries = space.at(begin - 1), space.since(begin - 1, through)
    told: list[Record] = []
    for entry in entries or ():
        assert document is not None  # it is of what is remembered
        changes = visible_changes(document, entry.changes, sight)
        document = document.apply(entry.changes)
        if changes:
            told.append(_with_changes(entry.record, changes))
    return told


def _with_changes(record: Record, changes: Iterable[Change]) -> Record:
    return replace(record, changes=tuple(changes))


def _answer(
    api: SpaceApi, call: ProcedureCall, records: Iterable[Record], below: Path, through: int, end: int
) -> None:
    """Answer with the records up to version ``through`` that fit; ``end`` is the last one asked for."""
    entries: list[dict[str, Any]] = []
    room = api.limits.page_bytes
    for record in records:
        changes = [change for change in record.changes if _touches(parse(change.path), below)]
        if record.kind != "commit" or (below and not changes):
            continue
        room -= 100 + sum(60 + len(c.path) + (0 if c.op == "remove" else size(c.value)) for c in changes)
        if room < 0 and entries:
            through = record.version - 1
            break
        entries.append(
            {
                "version": record.version,
                "time": record.time,
                "authid": record.authid,
                "authrole": record.authrole,
                "changes": [change.wire() for change in changes],
            }
        )
    answer = {"epoch": api.space.epoch, "version": api.space.durable_version, "entries": entries}
    if through < end:
        answer["next"] = through + 1
    call.result(None, answer)


def _touches(path: Path, below: Path) -> bool:
    return path[: len(below)] == below or below[: len(path)] == path


def undo(api: SpaceApi, call: ProcedureCall) -> None:
    """``dstm.<s>.undo``: a new transaction that inverts one."""
    check_names(call.kwargs, ("tx", "epoch"))
    check_count(call.args, 1, 1)
    api.check_epoch(call.kwargs)
    arguments = CommitArguments(tx=optional_text(call.kwargs.get("tx"), "tx"))
    version = _version_of(api, call.args[0])
    transaction = replace(
        api.space.inverse(version), tx=checked_transaction(arguments, api.transaction_limits).tx
    )
    eye = api.eye(call.session)
    if eye.sight is not None:
        _check_seen(api, eye.sight, version)
    submit(api, call, transaction)


def _version_of(api: SpaceApi, which: object) -> int:
    if not isinstance(which, str):
        return integer(which, "args", 1)
    version = api.space.version_of(which)
    if version is None:
        raise invalid("args", "no commit of this tx is remembered", index=0)
    return version


def _check_seen(api: SpaceApi, sight: AnySight, version: int) -> None:
    """Refuse what would tell of hidden parts of a version."""
    before, entries = api.space.at(version - 1), api.space.since(version - 1, version)
    assert before is not None  # it was inverted
    assert entries is not None
    changes = entries[0].changes
    if visible_changes(before, changes, sight) != list(changes):
        told = f"version {version} changed what this session may not see"
        raise DstmError(NOT_AUTHORIZED, told, version=version)


def status(api: SpaceApi, call: ProcedureCall) -> None:
    """``dstm.<s>.status``: how the space is, with counters by path."""
    check_names(call.kwargs, ())
    check_count(call.args, 0, 1)
    below = pointer(call.args[0]) if call.args else ROOT
    eye = api.eye(call.session)
    seen(eye, below, "args")
    counters = api.space.counters
    answer = {**api.space.status(), "log": api.config.log, "views": len(api.views)}
    for name, counter in (("commits", counters.commit_paths), ("conflicts", counters.conflict_paths)):
        answer[f"{name}_by_path"] = {
            text: count
            for text, count in counter.busiest(api.limits.counted_paths)
            if _touches(parse(text), below)
            and (eye.sight is None or sight_at(parse(text), eye.sight).whole & READ)
        }
    if eye.sight is not None:
        answer.pop("bytes", None)
        answer.pop("remembered_bytes", None)
    call.result(None, answer)
