"""
The procedures about spaces: ``dstm.list``, ``create``, ``drop``, ``compact``, ``backup``.

Rules of this file:

- What takes long is done in the background, and the call answered afterwards.
- A client names a space and a file, and never a path.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from realms.dstm.api import SpaceApi, refuse
from realms.dstm.arguments import check_count, check_names, invalid, text
from realms.dstm.config import name_problem
from realms.dstm.errors import INVALID, NO_SUCH_SPACE, TOO_LARGE, UNAVAILABLE, DstmError
from realms.extension import ExtensionError, Procedure, ProcedureCall

if TYPE_CHECKING:
    from realms.dstm.extension import DstmExtension

Function = Callable[["DstmExtension", ProcedureCall], None]

FILE_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")


def procedure(extension: "DstmExtension", function: Function) -> Procedure:
    """Give the procedure that ``function`` answers."""

    def answer(call: ProcedureCall) -> None:
        try:
            check_names(call.kwargs, ())
            function(extension, call)
        except DstmError as error:
            refuse(call, error)

    return answer


def list_spaces(extension: "DstmExtension", call: ProcedureCall) -> None:
    """``dstm.list``: the spaces of the realm."""
    check_count(call.args, 0, 0)
    call.result([[_described(extension, name) for name in sorted(extension.apis)]])


def _described(extension: "DstmExtension", name: str) -> dict[str, Any]:
    api = extension.apis[name]
    status = api.space.status()
    shown: dict[str, Any] = {key: status[key] for key in ("state", "version", "epoch") if key in status}
    is_made = name not in extension.config.spaces
    return {"name": name, "log": api.config.log, "made": is_made, **shown}


def create(extension: "DstmExtension", call: ProcedureCall) -> None:
    """``dstm.create``: make a space."""
    check_count(call.args, 1, 1)
    name = text(call.args[0], "args")
    problem = name_problem(name)
    if problem is not None:
        raise invalid("args", problem, index=0)
    if name in extension.apis:
        raise invalid("args", f"there is a space {name!r}", index=0)
    most, made = extension.config.created_spaces, extension.apis.keys() - extension.config.spaces.keys()
    if len(made) >= most:
        told = f"created_spaces={most} is reached"
        raise DstmError(TOO_LARGE, told, reason=told)
    extension.make(name, _answer_after(call, lambda: [_described(extension, name)]))


def _answer_after(
    call: ProcedureCall, args_of: Callable[[], list[Any] | None]
) -> Callable[[ExtensionError | None], None]:
    """Give what answers a call when something was done, or could not be done."""

    def done(error: ExtensionError | None) -> None:
        if error is not None:
            call.error(UNAVAILABLE, error.text, {"reason": error.text})
        else:
            call.result(args_of())

    return done


def drop(extension: "DstmExtension", call: ProcedureCall) -> None:
    """``dstm.drop``: delete a space that was made while the router ran, and what it holds."""
    check_count(call.args, 1, 1)
    name = _api(extension, call).name
    if name in extension.config.spaces:
        told = f"space {name!r} is in the configuration: take it out there"
        raise DstmError(INVALID, told, part="args", index=0, reason=told)
    extension.unmake(name, _answer_after(call, lambda: None))


def compact(extension: "DstmExtension", call: ProcedureCall) -> None:
    """``dstm.compact``: save a snapshot, and forget of the log what need not be kept."""
    check_count(call.args, 1, 1)
    _api(extension, call).space.compact(lambda error: _answer_done(call, error, {}))


def backup(extension: "DstmExtension", call: ProcedureCall) -> None:
    """``dstm.backup``: write a consistent copy of a space into the data directory's folder ``backup``."""
    check_count(call.args, 1, 2)
    api = _api(extension, call)
    if api.config.log == "memory":
        raise invalid("args", f"space {api.name!r} has log: memory, and no file to copy", index=0)
    given = text(call.args[1], "args") if len(call.args) > 1 else f"{api.name}-{api.space.durable_version}"
    name = given.removesuffix(".sqlite3")
    if not 1 <= len(name) <= 200 or not FILE_CHARACTERS.issuperset(name) or name.startswith("."):
        told = "a file's name has 1 to 200 letters, digits, '_', '-' and '.', and does not begin with '.'"
        raise invalid("args", told, index=1)
    folder = extension.directory().path / "backup"
    file = folder / f"{name}.sqlite3"
    if file.exists():
        raise invalid("args", f"there is a backup {file.name!r}", index=1)
    folder.mkdir(exist_ok=True)
    api.space.backup(file, lambda error: _answer_done(call, error, {"file": file.name}))


def _answer_done(call: ProcedureCall, error: DstmError | None, answer: dict[str, Any]) -> None:
    if isinstance(error, DstmError):
        refuse(call, error)
    else:
        call.result(None, answer)


def _api(extension: "DstmExtension", call: ProcedureCall) -> SpaceApi:
    name = text(call.args[0], "args")
    api = extension.apis.get(name)
    if api is None:
        raise DstmError(NO_SUCH_SPACE, f"this realm has no space {name!r:.110}", space=name[:100])
    return api


FUNCTIONS: Final[dict[str, Function]] = {
    "list": list_spaces,
    "create": create,
    "drop": drop,
    "compact": compact,
    "backup": backup,
}
