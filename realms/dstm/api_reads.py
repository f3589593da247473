"""
Reading a space: ``get``, ``sync`` and ``view``.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from realms.dstm.access import READ, AnySight, found
from realms.dstm.api import ALL, SpaceApi, refuse, seen
from realms.dstm.arguments import (
    check_count,
    check_names,
    integer,
    invalid,
    kind_of,
    optional_integer,
    optional_text,
    pointer,
    pointers,
)
from realms.dstm.changes import HASH_BYTES, Delta, chain
from realms.dstm.document import Document, thaw
from realms.dstm.errors import STALE, THROTTLED, DstmError
from realms.dstm.eyes import Eye
from realms.dstm.feed import DELTA_BYTES
from realms.dstm.paging import Part, assembled, page_of, parts_of
from realms.dstm.pointer import ROOT, Path, render
from realms.dstm.views import View, size_of
from realms.dstm.visible import can_show
from realms.dstm.window import Entry
from realms.extension import ProcedureCall

# More are looked at for nobody: a snapshot is nearly always smaller.
MAX_DELTAS: Final = 2000


class Target(NamedTuple):
    """A pointer that somebody gets: its sight there, and the node."""

    path: Path
    sight: AnySight
    node: Any

    def parts(self, limit: int) -> Iterator[Part]:
        return parts_of(self.node, self.path, self.sight, limit)


def get(api: SpaceApi, call: ProcedureCall) -> None:
    """``dstm.<s>.get``: values at pointers, of one version."""
    args, kwargs = call.args, call.kwargs
    if "page" in kwargs:
        check_names(kwargs, ("page",))
        api.answer_next_page(call)
        return
    check_names(kwargs, ("at", "min_version", "epoch", "timeout_ms"))
    check_count(args, 0, 1)
    wanted = args[0] if args else ""
    is_list = isinstance(wanted, list)
    paths = pointers(wanted, "args", api.limits.reads) if is_list else [pointer(wanted)]
    api.check_epoch(kwargs)
    at = optional_integer(kwargs, "at", 0)
    eye = api.eye(call.session)
    for index, path in enumerate(paths):
        seen(eye, path, "args", index)

    def answer() -> None:
        version = api.space.durable_version if at is None else at
        _answer_get(api, call, eye, paths, is_list, version)

    def reached(error: DstmError | None) -> None:
        try:
            if error is not None:
                raise error
            answer()
        except DstmError as told:
            refuse(call, told)

    least = optional_integer(kwargs, "min_version", 0)
    if least is None or least <= api.space.durable_version:
        answer()
    else:
        api.waits.add(call, least, api.wait_ms(kwargs), reached)


def _answer_get(
    api: SpaceApi, call: ProcedureCall, eye: Eye, paths: Sequence[Path], is_list: bool, version: int
) -> None:
    document = _document(api, version)
    head = {"version": version, "epoch": api.space.epoch}
    targets = [Target(path, *found(document, path, eye.sight or ALL)) for path in paths]
    missing = [render(target.path) for target in targets if not can_show(target.node, target.sight)]
    values = _values(document, targets, api.limits.page_bytes)
    if values is None:
        limit = api.limits.page_bytes
        parts = itertools.chain.from_iterable(target.parts(limit) for target in targets)
        api.answer_parts(call, parts, head, {"missing": missing})
    else:
        call.result([values] if is_list else values, {**head, "missing": missing})


def _values(document: Document, targets: Sequence[Target], limit: int) -> list[Any] | None:
    """Give the visible values, null where nothing is; ``None`` if they are too large for one message."""
    if document.size <= limit // max(1, len(targets)) and all(t.sight.whole & READ for t in targets):
        return [thaw(target.node) if can_show(target.node, target.sight) else None for target in targets]
    if any(target.path == ROOT and target.sight.whole & READ for target in targets) and document.size > limit:
        return None
    values = []
    for target in targets:
        page = page_of(target.parts(limit), limit)
        limit -= sum(part.bytes for part in page.parts)
        if page.rest is not None or limit < 0:
            return None
        values.append(assembled(page.parts, target.path) if page.parts else None)
    return values


def _document(api: SpaceApi, version: int) -> Document:
    space = api.space
    if version == space.durable_version:
        return space.durable
    if version > space.durable_version:
        raise invalid("at", f"version {version} is not there yet: the newest is {space.durable_version}")
    document = space.at(version)
    if document is None:
        horizon = space.oldest_document
        told = f"version {version} is no longer remembered: the oldest is {horizon}"
        raise DstmError(STALE, told, version=space.durable_version, horizon=horizon)
    return document


def view(api: SpaceApi, call: ProcedureCall) -> None:
    """``dstm.<s>.view``: the topic of the deltas of some paths."""
    check_names(call.kwargs, ("paths", "epoch"))
    check_count(call.args, 0, 0)
    api.check_epoch(call.kwargs)
    opened = _view(api, call, api.eye(call.session))
    if opened is None:
        raise invalid("paths", "is needed: the pointers of the view")
    call.result(None, {"topic": opened.topic})


def _view(api: SpaceApi, call: ProcedureCall, eye: Eye) -> View | None:
    if call.kwargs.get("paths") is None:
        return None
    paths = pointers(call.kwargs["paths"], "paths", api.limits.view_paths)
    if not paths:
        raise invalid("paths", "must name at least one pointer")
    for index, path in enumerate(paths):
        seen(eye, path, "paths", index)
    opened = api.views.open(paths, api.host.now_ms(), api.host.has_subscribers)
    if opened is None:
        told = f"{api.limits.views} views are in use, which is the limit"
        raise DstmError(THROTTLED, told, reason=told)
    return opened


def sync(api: SpaceApi, call: ProcedureCall) -> None:
    """``dstm.<s>.sync``: what leads a replica to the newest version."""
    args, kwargs = call.args, call.kwargs
    if "page" in kwargs:
        check_names(kwargs, ("page",))
        api.answer_next_page(call)
        return
    check_names(kwargs, ("paths",))
    check_count(args, 0, 3)
    version, epoch, known = (*args, None, None, None)[:3]
    base = None if version is None else integer(version, "args", 0)
    known_epoch = optional_text(epoch, "args")
    known_hash = _hash(known)
    eye = api.eye(call.session)
    opened = _view(api, call, eye)
    if base is not None and known_epoch not in (None, api.space.epoch):
        base = None
    if eye.sight is None and opened is None:
        _sync_whole(api, call, base, known_hash)
    else:
        seen(eye, ROOT, "args")
        _sync_seen(api, call, eye, opened, base, known_hash)


def _hash(value: object) -> bytes | None:
    if value is None:
        return None
    try:
        known = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        known = b""
    if len(known) != HASH_BYTES:
        raise invalid("args", f"a hash is {2 * HASH_BYTES} hex digits, got {kind_of(value)}", index=2)
    return known


def _sync_whole(api: SpaceApi, call: ProcedureCall, base: int | None, known_hash: bytes | None) -> None:
    space = api.space
    head = {"epoch": space.epoch, "version": space.durable_version, "hash": space.durable_hash.hex()}
    deltas = None if base is None else _deltas_since(api, base, known_hash)
    if deltas is not None and _are_smaller(deltas, space.durable):
        call.result(None, {**head, "deltas": [delta.wire() for delta in deltas]})
    else:
        _answer_snapshot(api, call, ALL, head)


def _deltas_since(api: SpaceApi, base: int, known_hash: bytes | None) -> list[Delta] | None:
    space = api.space
    version = space.durable_version
    if not version - MAX_DELTAS <= base <= version:
        return None
    entries = space.since(base, version)
    if entries is None or (known_hash is not None and not _is_hash_of(api, base, known_hash, entries)):
        return None
    return [entry.delta() for entry in entries]


def _is_hash_of(api: SpaceApi, base: int, known_hash: bytes, following: Sequence[Entry]) -> bool:
    """Tell whether a replica's hash is the one of ``base``, which may be just beyond what is remembered."""
    hash_there = api.space.hash_at(base)
    if hash_there is not None or not following:
        return known_hash == hash_there
    return chain(known_hash, base + 1, following[0].changes) == following[0].hash


def _sync_seen(
    api: SpaceApi,
    call: ProcedureCall,
    eye: Eye,
    view: View | None,
    base: int | None,
    known_hash: bytes | None,
) -> None:
    trail = api.feed.trail(eye, view, api.eyes)
    # The hash tells whether the replica has seen the same: rules may have changed since.
    deltas = None if base is None or known_hash is None else trail.since(base, known_hash)
    head = {"epoch": api.space.epoch, "version": trail.version, "hash": trail.hash.hex()}
    if deltas is not None and _are_smaller(deltas, api.space.durable):
        call.result(None, {**head, "deltas": [delta.wire() for delta in deltas]})
    else:
        _answer_snapshot(api, call, trail.sight, head)


def _are_smaller(deltas: Sequence[Delta], document: Document) -> bool:
    room = min(document.size + 200, DELTA_BYTES)
    for delta in deltas:
        room -= size_of(delta)
        if room < 0:
            return False
    return True


def _answer_snapshot(api: SpaceApi, call: ProcedureCall, sight: AnySight, head: dict[str, Any]) -> None:
    document, limit = api.space.durable, api.limits.page_bytes
    target = Target(ROOT, sight, document.find(ROOT))
    values = _values(document, [target], limit)
    if values is None:
        api.answer_parts(call, target.parts(limit), head, {})
    else:
        # a document is there, whatever is hidden of it
        snapshot = values[0] if can_show(target.node, sight) else {}
        call.result(None, {**head, "snapshot": snapshot})
