"""
What is checked about the roles of a realm when its file is read.

Mistakes are refused: an authorizer whose own role is another authorizer's to decide would wait for itself.
What is only doubtful is a warning: a role that may do everything, a role that may do nothing,
permissions that never decide, and a star where other routers have patterns.
"""

from typing import Any

from realms.authorization.config import ACTIONS
from realms.authorization.patterns import covers, eclipsing, is_in, precedence
from router.configuration import Document, Path, path_text, quoted
from router.wamp.uris import EXACT, RESERVED


def grants_everything(role: Any) -> bool:
    """Tell whether ``role`` may do all four on every URI that no other pattern of it excepts."""
    return any(
        p.match == "prefix" and p.uri == "" and set(p.allow) == set(ACTIONS)
        for p in getattr(role, "permissions", ())
    )


def check_authorizers(document: Document[Any]) -> None:
    """Check that whoever may register an authorizer has a role that permissions alone decide."""
    first: dict[str, Path] = {}  # procedure -> path of the first role that has it as its authorizer
    for path, procedure in document.select("roles", None, "authorizer"):
        if isinstance(procedure, str):
            first.setdefault(procedure, path)
    roles = dict(document.select("roles", None))
    for procedure, path in first.items():
        may_register = [where for where, role in roles.items() if _registers(role, procedure)]
        for where in may_register:
            if getattr(roles[where], "authorizer", None) is not None:
                text = (
                    f"this role may register {quoted(procedure)}, the authorizer of {path_text(path[:2])}, "
                    f"and who does that is decided by permissions alone: except it, as by "
                    f"{{uri: {procedure}, allow: []}}, or let this role have no authorizer"
                )
                document.add((*where, "authorizer"), text)
        if not may_register:
            document.warn(path, f"no role may register {quoted(procedure)}: it can't be asked")


def warn_of_roles(document: Document[Any], extensions: tuple[str, ...]) -> None:
    """Warn of roles that may do everything or nothing, and of permissions that decide nothing or little."""
    reserved = tuple(dict.fromkeys((*RESERVED, *(f"{name}." for name in extensions))))
    for path, role in document.select("roles", None):
        if grants_everything(role):
            document.warn(path, "may do everything that no other permission of it excepts")
        elif not _allows_anything(role):
            document.warn(path, "may do nothing: it has no permission that allows anything")
    for path, permission in document.select("roles", None, "permissions", None):
        _warn_of_permission(document, path, permission, reserved)


def _allows_anything(role: Any) -> bool:
    return role.authorizer is not None or any(permission.allow for permission in role.permissions)


def _warn_of_permission(
    document: Document[Any], path: Path, permission: Any, reserved: tuple[str, ...]
) -> None:
    others = dict(document.select(*path[:-1], None))
    before = eclipsing(permission, others.values())
    if before is not None:
        where = next(other for other, value in others.items() if value is before)
        line, _ = document.position(where)
        document.warn(
            path,
            f"never decides: {before.match} {quoted(before.uri)} on line {line} goes before it everywhere",
        )
    if permission.match == EXACT and permission.uri.endswith("*"):
        start = quoted(permission.uri[:-1])
        text = (
            "* is a character like others: "
            f"for all that begins with {start} write uri: {start} and match: prefix"
        )
        document.warn((*path, "uri"), text)
    in_vain = [action for action in permission.allow if action in ("publish", "register")]
    if in_vain and is_in(permission.uri, reserved):
        text = f"{' and '.join(in_vain)} are never allowed under {', '.join(reserved)}: they are the router's"
        document.warn((*path, "allow"), text)


def _registers(role: Any, procedure: str) -> bool:
    matching = [p for p in role.permissions if covers(p, procedure, EXACT)]
    return bool(matching) and "register" in min(matching, key=precedence).allow
