"""
Changing a space: ``commit`` and the procedures that are one op of it.

Rules of this file:

- What is checked of a transaction before it is decided: its shape, its events against the session's
  permission to publish, and with pointer rules each read and write; those once more at the moment
  of the decision, on the document that it is decided on.
- An answer to a session with pointer rules shows no hidden value: conflicts carry what its own
  replica would be told, constraints on hidden parts are not explained.

The hot path is ``commit`` without rules, events and ``tx`` (benchmark: commits).
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

from msgspec.structs import replace

from realms.dstm import document as tree
from realms.dstm.access import READ, AnySight
from realms.dstm.api import SpaceApi, refuse
from realms.dstm.arguments import check_count, check_names, integer, invalid, kind_of, optional_text, pointer
from realms.dstm.authorize import check_transaction, hide_containers, sight_at
from realms.dstm.decisions import Committed, Made, Submission
from realms.dstm.document import Document
from realms.dstm.errors import CONFLICT, CONSTRAINT, TOO_LARGE, DstmError
from realms.dstm.eyes import EVERYTHING, Eye
from realms.dstm.operations import Add, Inc, Merge, Op, Remove, Replace
from realms.dstm.pointer import Path, parse, render
from realms.dstm.transaction import (
    CommitArguments,
    Publish,
    Transaction,
    checked_transaction,
    digest,
    read_transaction,
)
from realms.extension import ProcedureCall, PublishRefused, Session
from router.routing.options import Refused
from router.routing.publication import read_publish_options
from router.wamp import uris

RESERVED_TOPICS: Final = ("dstm.", "wamp.", "concord.")

WAITING_BYTES: Final = 300  # of a transaction that waits, besides its reads and values, about

Reply = Callable[[Committed | DstmError], None]


def commit(api: SpaceApi, call: ProcedureCall) -> None:
    """``dstm.<s>.commit``: one transaction."""
    arguments = call.decode(CommitArguments)
    if arguments is None:
        transaction = read_transaction(call.kwargs, api.transaction_limits)
    else:
        transaction = checked_transaction(arguments, api.transaction_limits)
    submit(api, call, transaction)


def put(api: SpaceApi, call: ProcedureCall) -> None:
    """``dstm.<s>.put``: set one value."""
    check_count(call.args, 2, 2)
    path = pointer(call.args[0])
    transaction = _one_op(api, call, path, Add(render(path), call.args[1]))

    def make(document: Document, version: int) -> Made:
        # In an array, add would insert.
        if path and path[-1] != "-" and tree.is_array(document.find(path[:-1])):
            added = transaction.ops[0]
            assert isinstance(added, Add)
            return Made(replace(transaction, ops=(Replace(added.path, added.value),)))
        return Made(transaction)

    submit(api, call, transaction, make)


def patch(api: SpaceApi, call: ProcedureCall) -> None:
    """``dstm.<s>.patch``: merge an object, or apply ops whose pointers begin at the pointer."""
    check_count(call.args, 2, 2)
    path, given = pointer(call.args[0]), call.args[1]
    if isinstance(given, dict):
        submit(api, call, _one_op(api, call, path, Merge(render(path), given)))
    elif isinstance(given, list):
        ops = [_moved_below(render(path), op) for op in given]
        transaction = read_transaction({"ops": ops}, api.transaction_limits)
        submit(api, call, _one_op(api, call, path, *transaction.ops))
    else:
        told = f"must be an object (JSON Merge Patch) or a list of ops, got {kind_of(given)}"
        raise invalid("args", told, index=1)


def inc(api: SpaceApi, call: ProcedureCall) -> None:
    """``dstm.<s>.inc``: add to a number, and tell the sum."""
    check_count(call.args, 1, 2)
    path = pointer(call.args[0])
    op = {"op": "inc", "path": render(path), "value": call.args[1] if len(call.args) > 1 else 1}
    op |= {name: call.kwargs[name] for name in ("min", "max") if call.kwargs.get(name) is not None}
    (read,) = read_transaction({"ops": [op]}, api.transaction_limits).ops
    assert isinstance(read, Inc)
    transaction = _one_op(api, call, path, read, more=("min", "max"))
    submit(api, call, replace(transaction, want=(path,)))


def delete(api: SpaceApi, call: ProcedureCall) -> None:
    """``dstm.<s>.delete``: remove one value."""
    check_count(call.args, 1, 1)
    path = pointer(call.args[0])
    submit(api, call, _one_op(api, call, path, Remove(render(path))))


def submit(
    api: SpaceApi,
    call: ProcedureCall,
    transaction: Transaction,
    make: Callable[[Document, int], Made] | None = None,
    body: bytes | None = None,
    is_trusted: bool = False,
    on_error: Callable[[DstmError], bool] | None = None,
    events: list[Publish] | None = None,
) -> None:
    """
    Have a transaction decided, and answer the call.

    :param make: as in ``Submission``
    :param body: its digest, where that is not the transaction's
    :param is_trusted: pointer rules do not bind it
    :param on_error: takes an error; true if it will be answered otherwise; may raise another one
    :param events: to be published, where ``make`` says which

    Raises:
        DstmError: refused at once.
    """
    session = call.session
    eye = EVERYTHING if is_trusted else api.eyes.of(session)
    if transaction.publish:
        check_events(api, session, transaction.publish)
    if eye.sight is not None:
        make = _checked(transaction, make, eye.sight, api.space.head, api.space.version)
    if body is None and transaction.tx is not None:
        body = digest(transaction)

    def reply(outcome: Committed | DstmError) -> None:
        if isinstance(outcome, DstmError):
            _answer_error(api, call, eye, transaction, outcome, on_error)
            return
        answer: dict[str, Any] = {"version": outcome.version, "epoch": outcome.epoch, "time": outcome.time}
        if outcome.dup:
            answer["dup"] = True
        elif events or transaction.publish:
            _publish(api, session, events or transaction.publish)
        if outcome.values is not None:
            values = outcome.values
            if eye.sight is not None:
                values = hide_containers(values, transaction.want, eye.sight)
            answer["values"] = values
        call.result(None if outcome.result is None else [outcome.result], answer)

    bytes_ = WAITING_BYTES + 100 * len(transaction.reads) + 3 * transaction.bytes
    api.space.submit(Submission(transaction, api.author(session), body, bytes_, make), reply)


def _answer_error(
    api: SpaceApi,
    call: ProcedureCall,
    eye: Eye,
    transaction: Transaction,
    error: DstmError,
    on_error: Callable[[DstmError], bool] | None,
) -> None:
    try:
        if on_error is not None and on_error(error):
            return
    except DstmError as other:
        error = other
    refuse(call, error if eye.sight is None else _censored(api, eye, eye.sight, transaction, error))


def _one_op(
    api: SpaceApi, call: ProcedureCall, path: Path, *ops: Op, more: tuple[str, ...] = ()
) -> Transaction:
    """Make the transaction of a procedure that is one op by hand."""
    kwargs = call.kwargs
    check_names(kwargs, ("tx", "epoch", "if_version", *more))
    given = kwargs.get("if_version")
    base = None if given is None else integer(given, "if_version", 0)
    arguments = CommitArguments(
        tx=optional_text(kwargs.get("tx"), "tx"),
        epoch=optional_text(kwargs.get("epoch"), "epoch"),
        base=base,
        reads=() if base is None else (render(path),),
        ops=ops,
    )
    return checked_transaction(arguments, api.transaction_limits)


def _moved_below(prefix: str, op: Any) -> Any:
    if not isinstance(op, dict):
        return op
    given = {name: op[name] for name in ("path", "from") if isinstance(op.get(name), str)}
    return op | {name: prefix + text for name, text in given.items() if text[:1] in ("", "/")}


def _checked(
    transaction: Transaction,
    make: Callable[[Document, int], Made] | None,
    sight: AnySight,
    document: Document,
    version: int,
) -> Callable[[Document, int], Made]:
    """Check a transaction now, and once more when it is decided."""

    def made(document: Document, version: int) -> Made:
        result = Made(transaction) if make is None else make(document, version)
        check_transaction(document, result.transaction, sight)
        return result

    made(document, version)
    return made


def _censored(
    api: SpaceApi, eye: Eye, sight: AnySight, transaction: Transaction, error: DstmError
) -> DstmError:
    """Leave out of an error what a session with pointer rules may not see."""
    details = dict(error.details)
    if error.uri == CONFLICT:
        details.pop("deltas", None)
        details.pop("resync", None)
        details |= api.catch_up(eye, transaction.base)
        return DstmError(error.uri, error.text, **details)
    if error.uri == TOO_LARGE:
        return DstmError(error.uri, "the transaction or the document would be too large")
    if error.uri != CONSTRAINT or "path" not in details:
        return error
    is_seen = sight_at(parse(details["path"]), sight).whole & READ
    return error if is_seen else DstmError(error.uri, "a constraint of this space would be broken")


def check_events(api: SpaceApi, session: Session, events: Iterable[Publish]) -> None:
    """
    Check the events of a transaction as if the session published them.

    Raises:
        DstmError: what a PUBLISH would be refused with, and the index.
    """
    for index, publish in enumerate(events):
        where = {"part": "publish", "index": index}
        if publish.topic.startswith(RESERVED_TOPICS):
            told = f"publish[{index}]: {publish.topic!r:.200} is reserved: {', '.join(RESERVED_TOPICS)}"
            raise DstmError(uris.NOT_AUTHORIZED, told, **where)
        grant = api.host.may_publish(session, publish.topic)
        if grant.error is not None:
            raise DstmError(grant.error, f"publish[{index}]: {grant.text}", **where)
        try:
            read_publish_options(publish.options)
        except Refused as refused:
            raise invalid("publish", refused.text, index=index) from None


def _publish(api: SpaceApi, session: Session, events: Iterable[Publish]) -> None:
    for publish in events:
        try:
            api.host.publish_as(session, publish.topic, publish.args, publish.kwargs, publish.options)
        except PublishRefused as refused:  # its permission ended since it was checked
            api.host.log.info(
                "event of a commit to {topic} not sent: {reason}", topic=publish.topic, reason=refused.text
            )
