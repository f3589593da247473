"""
TLS: the client has shown a certificate, and with it that it has the private key.

The specification tells that there is such a thing (WAMP AP 'Authentication Methods', 'TLS Certificate
Authentication'); what it means here is told in docs/decisions/0008. The transport asks for certificates
(``client_certificate`` in router.yaml). A fingerprint tells by itself whose a certificate is; the names in
it do where an authority has signed it.
"""

import time

from realms.auth import Identity, Skip, authid_of, denied
from realms.auth.config import Tls, TlsPrincipal
from realms.auth.keys import certificate_name, fingerprint
from router.routing.handshake import Certificate, Peer, Refusal
from router.wamp.messages import Hello


class TlsMethod:
    """A certificate tells who it is: ``authid`` chooses where it could be several, and may be absent."""

    name = "tls"

    def __init__(self, config: Tls) -> None:
        self._principals = config.principals
        self._by_fingerprint = {  # SHA-256 in hexadecimal -> authid
            fingerprint(text): authid
            for authid, principal in config.principals.items()
            for text in principal.fingerprints
        }
        self._by_name = {  # as in ``Certificate.names`` -> authid
            certificate_name(text): authid
            for authid, principal in config.principals.items()
            for text in principal.subjects
        }

    def begin(self, hello: Hello, peer: Peer, session_id: int) -> Identity | Refusal | Skip:
        certificate = peer.certificate
        if certificate is None:
            return Skip("tls: no certificate was shown")
        now = time.time()
        if not certificate.valid_from <= now < certificate.valid_until:
            return denied(f"tls: {_described(certificate)} is not valid today")
        authids = self._owners(certificate)
        asked = authid_of(hello)
        if asked is not None:
            authids = [authid for authid in authids if authid == asked]
        if not authids:
            whose = "of nobody" if asked is None else f"not of {asked!r:.100}"
            return denied(f"tls: {_described(certificate)} is {whose} here")
        if len(authids) > 1:
            return denied(f"tls: {_described(certificate)} is of {', '.join(authids)}: an authid must choose")
        principal: TlsPrincipal = self._principals[authids[0]]
        if principal.expired():
            return denied(f"tls: the certificates of {authids[0]!r} have expired")
        return Identity(authid=authids[0], role=principal.role, authmethod=self.name)

    def knows(self, hello: Hello, peer: Peer) -> bool:
        owned = peer.certificate is not None and bool(self._owners(peer.certificate))
        return owned or authid_of(hello) in self._principals

    def still_allows(self, identity: Identity) -> bool:
        principal = self._principals.get(identity.authid)
        return principal is not None and principal.role == identity.role

    def _owners(self, certificate: Certificate) -> list[str]:
        """Name the principals whose a certificate is; its fingerprint decides alone."""
        pinned = self._by_fingerprint.get(certificate.fingerprint)
        if pinned is not None:
            return [pinned]
        if not certificate.trusted:
            return []
        return sorted({self._by_name[name] for name in certificate.names & self._by_name.keys()})


def _described(certificate: Certificate) -> str:
    """Name a certificate as the log does, on one line."""
    trust = "" if certificate.trusted else ", signed by nobody known"
    names = ", ".join(sorted(certificate.names)) or "no name"
    return f"the certificate {certificate.fingerprint} ({names!r:.200}{trust})"
