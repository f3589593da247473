"""Anonymous: a client that gives no proof gets a random name and the realm's role for such."""

import secrets

from realms.auth import Identity
from realms.auth.config import Anonymous
from router.routing.handshake import Peer
from router.wamp.messages import Hello


class AnonymousMethod:
    """WAMP AP 'Authentication': authmethod "anonymous"; a name that the client asks for is not given."""

    name = "anonymous"

    def __init__(self, config: Anonymous) -> None:
        self._role = config.role or ""  # no role is called so

    def begin(self, hello: Hello, peer: Peer, session_id: int) -> Identity:
        return Identity(authid=secrets.token_hex(12), role=self._role, authmethod=self.name)

    def knows(self, hello: Hello, peer: Peer) -> bool:
        return self._role != ""

    def still_allows(self, identity: Identity) -> bool:
        return identity.role == self._role
