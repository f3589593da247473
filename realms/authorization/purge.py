"""
``concord.authorization.purge``: forgets what authorizers have decided.

    purge(role=str, authid=str, session=int, action=str, uri=str) -> number of decisions that are forgotten

Without arguments all are forgotten; with some, those that all of them are true of. A decision that counts for
a whole role has neither authid nor session, one that counts for an authid has no session.

Operators may call it (``management.roles``), and whoever has registered an authorizer: for the roles that are
its to decide about.
"""

from typing import Any, Final, Protocol, get_args

from realms.authorization.authorizers import Authorizers, What, Who
from realms.authorization.config import Action
from realms.config import RealmConfig
from realms.permissions import Role
from realms.procedure_call import ProcedureCall
from router.routing.session import Session
from router.wamp import uris

PURGE: Final = "concord.authorization.purge"
TYPES: Final[dict[str, type]] = {"role": str, "authid": str, "session": int, "action": str, "uri": str}


class RealmPort(Protocol):
    """What is needed of a realm."""

    authorizers: Authorizers
    config: RealmConfig
    roles: dict[str, Role]


def purge(realm: RealmPort, call: ProcedureCall) -> None:
    """
    Answer a call.

    Errors:
        not_authorized: the caller is neither an operator nor an authorizer.
        invalid_argument: an argument that does not exist, or of another type.
    """
    roles = _roles_of(realm, call.session)
    if not roles:
        text = "takes one of management.roles, or the registration of an authorizer"
        call.error(uris.NOT_AUTHORIZED, text)
        return
    wanted = call.kwargs
    wrong = [name for name, value in wanted.items() if type(value) is not TYPES.get(name)]
    if call.args or wrong:
        expected = ", ".join(f"{name} ({kind.__name__})" for name, kind in TYPES.items())
        text = f"takes arguments by name, each of them may be left out: {expected}"
        call.error(uris.INVALID_ARGUMENT, text)
    elif wanted.get("action", "call") not in get_args(Action):
        call.error(uris.INVALID_ARGUMENT, f"action must be one of {', '.join(get_args(Action))}")
    else:
        forgotten = realm.authorizers.purge(
            lambda who, what: what[0] in roles and _matches(realm.authorizers, wanted, who, what)
        )
        call.result([forgotten])


def _roles_of(realm: RealmPort, session: Session) -> set[str]:
    """Name the roles whose decisions ``session`` may have forgotten."""
    if session.authrole in realm.config.management.roles:
        return set(realm.roles)
    held = [(registration.procedure, registration.match) for registration in session.registrations.values()]
    return {
        name
        for name, role in realm.roles.items()
        if any(role.is_asked_by(procedure, match) for procedure, match in held)
    }


def _matches(authorizers: Authorizers, wanted: dict[str, Any], who: Who, what: What) -> bool:
    role, action, uri = what[:3]
    of_one = who if isinstance(who, int) else None
    authid = authorizers.authid_of(who)
    is_so = {"role": role, "authid": authid, "session": of_one, "action": action, "uri": uri}
    return all(is_so[name] == value for name, value in wanted.items())
