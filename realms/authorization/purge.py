"""
``concord.authorization.purge``: forgets what authorizers have decided.

    purge(role=str, authid=str, session=int, action=str, uri=str) -> number of decisions that are forgotten

Without arguments all are forgotten; with some, those that all of them are true of. A decision that counts for
a whole role has neither authid nor session, one that counts for an authid has no session.
"""

from typing import Any, Final, get_args

from realms.authorization.authorizers import Authorizers, What, Who
from realms.authorization.config import Action
from realms.procedure_call import ProcedureCall
from router.wamp import uris

PURGE: Final = "concord.authorization.purge"
TYPES: Final[dict[str, type]] = {"role": str, "authid": str, "session": int, "action": str, "uri": str}


def purge(authorizers: Authorizers, call: ProcedureCall) -> None:
    """
    Answer a call.

    Errors:
        invalid_argument: an argument that does not exist, or of another type.
    """
    wanted = call.kwargs
    wrong = [name for name, value in wanted.items() if type(value) is not TYPES.get(name)]
    if call.args or wrong:
        expected = ", ".join(f"{name} ({kind.__name__})" for name, kind in TYPES.items())
        text = f"takes arguments by name, each of them may be left out: {expected}"
        call.error(uris.INVALID_ARGUMENT, text)
    elif wanted.get("action", "call") not in get_args(Action):
        call.error(uris.INVALID_ARGUMENT, f"action must be one of {', '.join(get_args(Action))}")
    else:
        call.result([authorizers.purge(lambda who, what: _matches(authorizers, wanted, who, what))])


def _matches(authorizers: Authorizers, wanted: dict[str, Any], who: Who, what: What) -> bool:
    role, action, uri = what[:3]
    of_one = who if isinstance(who, int) else None
    is_so = {
        "role": role,
        "authid": authorizers.authid_of(who),
        "session": of_one,
        "action": action,
        "uri": uri,
    }
    return all(is_so[name] == value for name, value in wanted.items())
