"""
``concord explain``: which line of which file decides whether a role may do something, and why.

Rules of this file: what is decided is asked of the very class that a running router asks; this file
only tells where in the files the permissions stand.
"""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

_DISCLOSURE = {
    "on_request": "the other side learns who it is when one of them asks for that",
    "always": "the other side always learns who it is",
    "never": "the other side never learns who it is",
}


def add_parser(commands: Any) -> None:
    """Add ``explain`` to ``commands``."""
    text = "say which line of which file decides whether a role may do something"
    parser: argparse.ArgumentParser = commands.add_parser("explain", help=text, description=text)
    parser.set_defaults(command=_explain)
    parser.add_argument(
        "--config", "-c", type=Path, metavar="DIR", help="default: ./config, else the shipped configuration"
    )
    parser.add_argument("--realm", required=True, metavar="REALM")
    parser.add_argument("--role", required=True, metavar="ROLE", help="one of the realm's roles")
    parser.add_argument("--action", required=True, choices=("call", "register", "publish", "subscribe"))
    parser.add_argument("--uri", required=True, metavar="URI", help="the procedure or topic, or a pattern")
    parser.add_argument(
        "--match",
        choices=("exact", "prefix", "wildcard"),
        default="exact",
        help="how a registration or subscription matches (default: exact)",
    )


def _explain(options: argparse.Namespace) -> int:
    if options.match != "exact" and options.action in ("call", "publish"):
        sys.stderr.write(f"concord: --match {options.match}: a {options.action} names one URI\n")
        return 2
    from router.tap import default_directory, load_or_exit

    directory = options.config or default_directory()
    configuration = load_or_exit(directory)
    try:
        lines = _answer(configuration, directory, options)
    except LookupError as error:
        sys.stderr.write(f"concord: {error.args[0]}\n")
        return 1
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0


def _answer(configuration: Any, directory: Path, options: argparse.Namespace) -> list[str]:
    """
    Make the lines of the answer.

    Raises:
        LookupError: the realm or the role does not exist; its argument says so.
    """
    from realms.permissions import compile_roles
    from router.configuration import did_you_mean, quoted
    from router.wamp.uris import RESERVED

    config = configuration.realms.get(options.realm)
    if config is None:
        hint = did_you_mean(options.realm, configuration.realms)
        raise LookupError(f"unknown realm {quoted(options.realm)}{hint}")
    if options.role not in config.roles:
        hint = did_you_mean(options.role, config.roles)
        raise LookupError(f"unknown role {quoted(options.role)} of the realm {options.realm}{hint}")
    reserved = RESERVED + tuple(f"{name}." for name in config.extensions)
    role = compile_roles(config.roles, config.uri_check, config.limits.uri_length, reserved)[options.role]
    verdict = role.judge(options.action, options.uri, options.match)
    document = _document(configuration, directory, options.realm)
    return _Lines(document, role, options, verdict).all()


def _document(configuration: Any, directory: Path, realm: str) -> Any:
    """Read the realm's file once more, for the places of what it says."""
    from realms.config import name_of, read_realm
    from router.configuration import SecretSources

    for file in configuration.files:
        if file.parent != configuration.realms_directory:
            continue
        inside = file.is_relative_to(configuration.directory)  # then show it as the command line names it
        shown = directory / file.relative_to(configuration.directory) if inside else file
        document = read_realm(shown, SecretSources(directory, os.environ), configuration.extensions)
        if name_of(document) == realm:
            return document
    raise LookupError(f"the file of the realm {realm} is gone")


class _Lines:
    """The answer: a line that says what is decided, and below it the lines of the file."""

    def __init__(self, document: Any, role: Any, options: argparse.Namespace, verdict: Any) -> None:
        self._document = document
        self._role = role
        self._options = options
        self._verdict = verdict
        self._section: tuple[str | int, ...] = ("roles", options.role)

    def all(self) -> list[str]:
        """Give all lines."""
        return [self._headline(), *(f"  {line}" for line in self._reasons())]

    def _headline(self) -> str:
        options, grant = self._options, self._verdict.grant
        pattern = "" if options.match == "exact" else f" with match {options.match!r}"
        what = f"{options.action} {options.uri!r}{pattern}"
        if grant.asks:
            return f"asked: role {options.role!r}: its authorizer decides whether it may {what}"
        if grant.error is None:
            return f"allowed: role {options.role!r} may {what}"
        return f"refused: {grant.text} ({grant.error})"

    def _reasons(self) -> list[str]:
        verdict = self._verdict
        if verdict.rule == "invalid":
            return ["no permission and no authorizer is looked at for what is not valid"]
        if verdict.rule == "reserved":
            return ["no permission can allow that"]
        lines: list[str] = []
        if verdict.rule == "authorizer":
            lines.append(self._authorizer())
        if verdict.rule == "nothing":
            lines.append(f"{self._place(self._section)}: no permission of the role matches")
        if verdict.rule == "part":
            lines.append(self._permission(verdict.permission, "decides, as a part of that pattern is its"))
        if verdict.rule == "permission":
            lines.append(self._permission(verdict.permission, "decides"))
        return lines + self._others() + self._notes()

    def _authorizer(self) -> str:
        config = self._role.config
        order = "it is asked first, and a permission decides where it answers null"
        if config.authorization.first == "permissions":
            is_uri = self._options.match == "exact"
            order = "no permission matches" if is_uri else "no permission decides about all of that"
        return (
            f"{self._place((*self._section, 'authorizer'))} decides: {config.authorizer} is called; {order}"
        )

    def _others(self) -> list[str]:
        """Name the permissions that match as well and do not decide, in the order of precedence."""
        from realms.authorization.patterns import covers, precedence

        options = self._options
        matching = [p for p in self._role.config.permissions if covers(p, options.uri, options.match)]
        others = [p for p in sorted(matching, key=precedence) if p is not self._verdict.permission]
        says = "matches" if self._verdict.rule == "authorizer" else "matches, and another goes before it"
        return [self._permission(other, says) for other in others]

    def _permission(self, permission: Any, says: str) -> str:
        index = next(i for i, p in enumerate(self._role.config.permissions) if p is permission)
        allowed = ", ".join(permission.allow) or "nothing"
        place = self._place((*self._section, "permissions", index))
        return f"{place} {says}: {permission.match} {permission.uri!r} allows {allowed}"

    def _notes(self) -> list[str]:
        from realms.authorization.patterns import is_in
        from router.wamp.uris import RESERVED

        options, verdict = self._options, self._verdict
        notes = []
        if verdict.rule == "permission" and verdict.grant.error is None:
            if options.action in ("call", "publish"):
                notes.append(_DISCLOSURE[verdict.permission.disclosure])
            if options.action == "call" and is_in(options.uri, RESERVED):
                notes.append("the router answers such calls itself; an extension may refuse by its own rules")
            if options.action == "call" and options.uri.startswith("concord."):
                notes.append(self._operators())
        return notes

    def _operators(self) -> str:
        roles = self._document.value.management.roles
        place = self._place(("management", "roles"))
        if self._options.role in roles:
            return f"{place} has the role: it may do what operators do"
        return f"{place} does not have the role: what is for operators is refused"

    def _place(self, path: tuple[str | int, ...]) -> str:
        from router.configuration import path_text

        line, column = self._document.section_position(path)
        return f"{self._document.file}:{line}:{column}: {path_text(path)}"
