"""
``run``: transaction functions that live in the router, for hot keys and trusted logic.

Rules of this file:

- A function runs at the moment of its decision, on the newest version: it never meets a conflict.
- One that retries waits, as a client would, until something that it has read changes, and runs again.
- It is trusted: pointer rules do not bind it. Who may run it, the permission on the procedure says and
  the roles in the YAML. Its events need the caller's permission to publish.
- Its failure is logged, and is that call's alone.
"""

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any, Final

from realms.dstm import stm
from realms.dstm.api import SpaceApi
from realms.dstm.api_commit import check_events, submit
from realms.dstm.api_waits import timed_out
from realms.dstm.arguments import invalid, optional_text, text
from realms.dstm.config import load_function
from realms.dstm.decisions import Made
from realms.dstm.document import Document
from realms.dstm.errors import CONFLICT, INVALID, THROTTLED, DstmError
from realms.dstm.reads import Read
from realms.dstm.transaction import CommitArguments, Publish, Transaction, checked_transaction
from realms.dstm.values import InvalidValue, canonical, normalized
from realms.extension import ProcedureCall
from router.wamp import uris

RUNTIME_ERROR: Final = "wamp.error.runtime_error"


class _Retry(DstmError):
    """The function waits for a change of what it has read; leaves no trace."""

    def __init__(self, reads: tuple[Read, ...], version: int) -> None:
        super().__init__(THROTTLED, "the function waits")
        self.reads = reads
        self.version = version


def run(api: SpaceApi, call: ProcedureCall) -> None:
    """``dstm.<s>.run``: call a function of the router in a transaction."""
    if not call.args:
        raise invalid("args", "the name of a function is needed")
    name = text(call.args[0], "args")
    settings = api.config.functions.get(name)
    if settings is None:
        names = ", ".join(sorted(api.config.functions)) or "none"
        raise invalid("args", f"no function {name!r:.100}; there are: {names}", index=0)
    if settings.roles and call.session.authrole not in settings.roles:
        told = f"role {call.session.authrole!r} may not run {name!r:.100}"
        raise DstmError(uris.NOT_AUTHORIZED, told)
    kwargs = {key: value for key, value in call.kwargs.items() if key not in ("tx", "timeout_ms")}
    tx = optional_text(call.kwargs.get("tx"), "tx")
    args = _plain(call.args[1:], "args")
    function = partial(_first_tx, load_function(settings.function), args, _plain(kwargs, "kwargs"))
    transaction = checked_transaction(CommitArguments(tx=tx), api.transaction_limits)
    deadline_ms = api.host.now_ms() + api.wait_ms({"timeout_ms": call.kwargs.get("timeout_ms")})
    body = sha256(canonical(["run", name, args, kwargs])).digest()[:16]
    events: list[Publish] = []
    make = _maker(api, call, name, function, transaction, events)

    def attempt() -> None:
        submit(api, call, transaction, make, body, is_trusted=True, on_error=wait, events=events)

    def wait(error: DstmError) -> bool:
        left_ms = deadline_ms - api.host.now_ms()
        if not isinstance(error, _Retry):
            return False
        if left_ms <= 0:
            raise timed_out(left_ms)
        api.wait(call, error.reads, error.version, left_ms, attempt)
        return True

    attempt()


def _maker(
    api: SpaceApi,
    call: ProcedureCall,
    name: str,
    function: Callable[[stm.Tx], Any],
    transaction: Transaction,
    events: list[Publish],
) -> Callable[[Document, int], Made]:
    def make(document: Document, version: int) -> Made:
        try:
            outcome = stm.run(function, document, version, (), api.transaction_limits)
        except DstmError:
            raise
        except Exception as error:
            api.host.log.failure("function {name} of space {space} failed", name=name, space=api.name)
            told = f"function {name!r:.100} failed: {type(error).__name__}"
            raise DstmError(RUNTIME_ERROR, told) from None
        if outcome.ended == "retry":
            raise _Retry(outcome.tx.reads, version)
        if outcome.ended != "done":
            raise DstmError(CONFLICT, f"function {name!r:.100} gave up on the newest version", paths=[])
        made = Transaction(transaction.tx, ops=outcome.tx.ops, publish=outcome.tx.publishes)
        check_events(api, call.session, made.publish)
        events[:] = made.publish
        return Made(made, _plain(outcome.value, "result"))

    return make


def _first_tx(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any], tx: stm.Tx) -> Any:
    return function(tx, *args, **kwargs)


def _plain(value: Any, part: str) -> Any:
    try:
        return normalized(value)
    except InvalidValue as error:
        raise DstmError(INVALID, f"{part}: {error}", part=part, reason=str(error)) from None
