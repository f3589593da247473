"""
Clients whom the configuration does not know: a procedure is asked (WAMP AP 'Dynamic Authentication API').

Rules of this file:

- The answer is checked as the file's own principals are, by the same shape, and a static method is
  made of it for this client alone: what that method demands of a configured client, it demands of this one.
- Who answers is asked with HELLO, so that its answer makes the challenge; for a ticket with
  AUTHENTICATE, so that it sees the ticket.
- Nothing but a good answer lets in. An error of the procedure, null and false are a "no"; a name that it
  does not know is challenged like the others, and refused after its proof. Where it could not be asked,
  or answers nonsense, the client gets ``wamp.error.authentication_failed``.
"""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path as FilePath
from typing import Any, Final

import msgspec.inspect as shapes
from msgspec import Struct, structs

from realms.auth import (
    Beginning,
    Identity,
    Method,
    Proof,
    Question,
    Verdict,
    authid_of,
    denied,
    missing_authid,
    unavailable,
    undecided,
)
from realms.auth.common_config import Authenticated
from realms.auth.config import Authentication, check_authentication, check_name
from realms.auth.plain_tree import no_files, tree_of
from realms.router_calls import Answer, Failed
from router.configuration import Document, Secret, Section
from router.configuration.walk import Walk
from router.routing.handshake import Peer, Refusal
from router.wamp import uris
from router.wamp.messages import Authenticate, Hello

PROVIDER: Final = "dynamic"

# Methods of which a client must say who it is; of the others, what it shows may tell.
_NAMED: Final = frozenset({"ticket", "wampcra", "scram"})

# The procedure did not answer: it is missing, late, gone, or too busy.
NOT_ASKED: Final = frozenset(
    {
        uris.NO_SUCH_PROCEDURE,
        uris.TIMEOUT,
        uris.CANCELED,
        uris.UNAVAILABLE,
        uris.NO_ELIGIBLE_CALLEE,
        uris.LIMIT_EXCEEDED,
        uris.PAYLOAD_SIZE_EXCEEDED,
        uris.INTERNAL_ERROR,
    }
)

# A name that no client can give: its principal is there for its shape alone.
_NOBODY: Final = ""


class Asked(Struct, frozen=True):
    """
    A client while it is asked about.

    ``shown`` is what it has shown that a role alone accepts, as a field of the principal that it would be;
    ``name`` is its ``authid`` where nobody says another one.
    """

    hello: Hello
    peer: Peer
    session_id: int
    authenticate: Authenticate | None = None
    shown: dict[str, Any] = {}
    name: str | None = None


class _File(Section, frozen=True, kw_only=True):
    """What an answer is put into, in order to be checked as a realm's file is."""

    authentication: Authentication


_SHAPE: Final = shapes.type_info(_File)


class Wrong(Exception):
    """An answer that is none; its text is for the log."""


class DynamicMethod:
    """
    A method of which some clients or all are known to a procedure.

    ``static`` decides about those whom the configuration knows; ``make`` makes the methods of
    another configuration; an answer may give one of ``roles``.
    """

    def __init__(
        self,
        static: Method,
        section: str,
        config: Authentication,
        roles: Collection[str],
        make: Callable[[Authentication], Mapping[str, Method]],
    ) -> None:
        self.name = static.name
        self._static = static
        self._key = section
        self._section: Authenticated = getattr(config, section)
        self._roles = roles
        self._make = make
        self._shape: Section | None = None  # the last good principal: what challenges look like

    def begin(self, hello: Hello, peer: Peer, session_id: int) -> Beginning:
        if self._static.knows(hello, peer):
            return self._static.begin(hello, peer, session_id)
        if self._key in _NAMED and authid_of(hello) is None:
            return missing_authid()
        if self._key == "ticket":
            return Proof({}, partial(self._ask_with_ticket, hello, peer, session_id))
        if self._key == "tls" and peer.certificate is None:
            return self._static.begin(hello, peer, session_id)
        return self._ask(_asked(self._key, hello, peer, session_id))

    def knows(self, hello: Hello, peer: Peer) -> bool:
        return True

    def still_allows(self, identity: Identity) -> bool:
        """What a procedure has once said holds while there is one to be asked."""
        return identity.authprovider == PROVIDER or self._static.still_allows(identity)

    def _ask_with_ticket(self, hello: Hello, peer: Peer, session_id: int, message: Authenticate) -> Verdict:
        if not message.signature:
            return denied(f"ticket: empty ticket of {authid_of(hello)!r:.100}")
        return self._ask(Asked(hello, peer, session_id, message, shown={"secret": message.signature}))

    def _ask(self, asked: Asked) -> Question:
        section = self._section
        assert section.authenticator is not None
        args = [asked.hello.realm, authid_of(asked.hello), details_of(self.name, asked)]
        judge = partial(self._judge, asked)
        return Question(
            section.authenticator, section.authenticator_realm, args, section.authenticator_timeout_ms, judge
        )

    def _judge(self, asked: Asked, answer: Answer) -> Any:
        """Give a ``Verdict`` about a ticket; about others what ``begin`` gives."""
        if isinstance(answer, Failed):
            what = f"{answer.error}: {answer.text}" if answer.text else answer.error
            if answer.error in NOT_ASKED:
                return unavailable(self._why(f"did not answer: {what:.200}"))
            return self._turned_away(asked, self._why(f"says no: {what:.200}"))
        if answer.args in ([None], [False]):
            return self._turned_away(asked, self._why("says no"))
        try:
            return self._accepted(asked, fields_of(answer.args, answer.kwargs))
        except Wrong as wrong:
            return undecided(self._why(f"answers badly: {wrong!s:.500}"))

    def _why(self, text: str) -> str:
        return f"{self.name}: the authenticator {self._section.authenticator} {text}"

    def _accepted(self, asked: Asked, fields: dict[str, Any]) -> Any:
        """
        Let the static method decide about a client of whom the answer says ``fields``.

        Raises:
            Wrong: they do not make a client of this method.
        """
        if fields.pop("realm", asked.hello.realm) != asked.hello.realm:
            raise Wrong("'realm' is not the realm that the client joins")
        extra = fields.pop("extra", None)
        if extra is not None and not isinstance(extra, dict):
            raise Wrong("'extra' must be a mapping")
        given = authid_of(asked.hello)
        authid = fields.pop("authid", None) or given or asked.name
        if authid is not None and (not isinstance(authid, str) or check_name(authid) is not None):
            raise Wrong("'authid' must be visible text")
        role = fields.get("role")
        if not isinstance(role, str) or role not in self._roles:
            raise Wrong(f"{role!r:.100} is no role of the realm: {', '.join(self._roles) or 'it has none'}")
        section = self._section_for(given or authid, {**asked.shown, **fields})
        decision = self._begin(section, asked)
        if isinstance(decision, Proof) and asked.authenticate is not None:
            decision = decision.verify(asked.authenticate)
        return _named(decision, authid, extra)

    def _turned_away(self, asked: Asked, why: str) -> Proof | Refusal:
        """Refuse, but only after the proof that others would be asked for."""
        if asked.authenticate is not None or self._key == "anonymous":
            return denied(why)
        shapes = {_NOBODY: self._shape} if self._shape is not None else {}
        known = getattr(self._section, "principals", {})
        section = structs.replace(self._section, authenticator=None, principals={**known, **shapes})
        decision = self._begin(section, asked)
        if not isinstance(decision, Proof):
            return denied(why)
        return Proof(decision.extra, partial(_refuse, decision, why))

    def _section_for(self, authid: str | None, fields: dict[str, Any]) -> Authenticated:
        """
        Give the method's section for one client alone.

        Raises:
            Wrong: this could not stand in a realm's file either.
        """
        content, path = fields, ["authentication", self._key]
        if self._key != "anonymous":
            if authid is None:
                raise Wrong("'authid' is missing, and the client gave none")
            content = {"principals": {authid: fields}}
            path += ["principals", authid]
        document: Document[Any] = Document(FilePath("answer"))
        walk = Walk(document, {Secret: no_files})
        walk.value(tree_of({"authentication": {self._key: content}}), _SHAPE, ())
        if not document.problems:
            check_authentication(document)
        if document.problems:
            raise Wrong("; ".join(f"{problem.path}: {problem.message}" for problem in document.problems))
        value: Any = document.values[tuple(path)]
        if self._key == "anonymous":
            return structs.replace(self._section, role=value.role, authenticator=None)
        self._shape = value
        return structs.replace(self._section, authenticator=None, principals={authid: value})

    def _begin(self, section: Authenticated, asked: Asked) -> Beginning:
        method = self._make(structs.replace(Authentication(), **{self._key: section}))[self.name]
        return method.begin(asked.hello, asked.peer, asked.session_id)


def _asked(section: str, hello: Hello, peer: Peer, session_id: int) -> Asked:
    """Put together what the client shows with its HELLO."""
    extra, certificate = hello.details.get("authextra"), peer.certificate
    if section == "cryptosign" and isinstance(extra, Mapping) and isinstance(extra.get("pubkey"), str):
        key = extra["pubkey"]
        return Asked(hello, peer, session_id, shown={"authorized_keys": [key]}, name=key)
    if section == "tls" and certificate is not None and certificate.trusted:
        # Another certificate says what its maker likes: to accept it, the answer has to name it.
        return Asked(hello, peer, session_id, shown={"fingerprints": [certificate.fingerprint]})
    return Asked(hello, peer, session_id)


def details_of(method: str, asked: Asked) -> dict[str, Any]:
    """Say of a client what its authenticator may need."""
    peer = asked.peer
    details: dict[str, Any] = {
        "authmethod": method,
        "session": asked.session_id,
        "transport": {
            "type": peer.transport,
            "peer": peer.address,
            "listener": peer.listener,
            "secure": peer.secure,
        },
    }
    extra = asked.hello.details.get("authextra")
    if isinstance(extra, Mapping):
        details["authextra"] = extra
    if peer.certificate is not None:
        details["certificate"] = {
            "fingerprint": peer.certificate.fingerprint,
            "names": sorted(peer.certificate.names),
            "trusted": peer.certificate.trusted,
        }
    if asked.authenticate is not None:
        details["ticket"] = asked.authenticate.signature
    return details


def fields_of(args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """
    Read an answer: a role, or a mapping; as the only result, or as keyword results.

    Raises:
        Wrong: it is none of these.
    """
    answer = args[0] if args else kwargs
    if isinstance(answer, str):
        return {"role": answer}
    if not isinstance(answer, dict):
        raise Wrong(f"expected a role or a mapping, got {type(answer).__name__}")
    return dict(answer)


def _named(decision: Beginning, authid: str | None, extra: dict[str, Any] | None) -> Any:
    """Put into an identity, now or after the proof, what the answer says besides."""
    if isinstance(decision, Proof):
        return Proof(decision.extra, lambda message: _named(decision.verify(message), authid, extra))
    if not isinstance(decision, Identity):
        return decision
    if extra is not None:
        extra |= decision.authextra or {}  # what proves the router to the client stays
    return structs.replace(
        decision,
        authid=authid or decision.authid,
        authprovider=PROVIDER,
        authextra=decision.authextra if extra is None else extra,
    )


def _refuse(proof: Proof, why: str, message: Authenticate) -> Refusal:
    """Refuse whatever the proof, after the work that judging it would be."""
    proof.verify(message)
    return denied(why)
