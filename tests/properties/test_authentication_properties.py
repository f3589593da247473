"""Whatever a client says of itself and answers, a method decides about it, and lets in nobody by chance."""

import base64
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from realms.auth import Identity, Proof, Skip
from realms.auth.config import (
    Authentication,
    Cryptosign,
    CryptosignPrincipal,
    Scram,
    ScramPrincipal,
    Ticket,
    TicketPrincipal,
    Tls,
    TlsPrincipal,
    TrustedKeys,
    WampCra,
    WampCraPrincipal,
)
from realms.auth.methods import methods_of
from router.configuration import Secret
from router.routing.handshake import Certificate, Peer, Refusal
from router.wamp.messages import Authenticate, Hello

KEY = "ab" * 32
CONFIG = Authentication(
    ticket=Ticket(principals={"ann": TicketPrincipal(role="r", secret=Secret(KEY))}),
    wampcra=WampCra(
        principals={
            "ann": WampCraPrincipal(role="r", secret=Secret(KEY)),
            "bob": WampCraPrincipal(role="r", secret=Secret("A" * 43 + "="), salt="salt"),
        }
    ),
    scram=Scram(
        principals={
            "ann": ScramPrincipal(
                role="r",
                salt="AAAAAAAAAAA=",
                iterations=1,
                stored_key=Secret(KEY),
                server_key=Secret(KEY),
                autobahn_stored_key=Secret(KEY),
                autobahn_server_key=Secret(KEY),
            )
        }
    ),
    cryptosign=Cryptosign(
        principals={"ann": CryptosignPrincipal(role="r", authorized_keys=(KEY,))},
        trusted_keys=(TrustedKeys(role="r", keys=("cd" * 32,)),),
        router_key=Secret("01" * 32),
    ),
    tls=Tls(principals={"ann": TlsPrincipal(role="r", fingerprints=(KEY,), subjects=("CN:ann",))}),
)
METHODS = methods_of(CONFIG)
PEER = Peer(address="tcp:192.0.2.7:4711", host="192.0.2.7", transport="websocket", listener="websocket-1")

hexadecimal = st.binary(min_size=30, max_size=34).map(bytes.hex) | st.just(KEY) | st.just("cd" * 32)
base64s = st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode())
bindings = st.sampled_from(["tls-unique", "tls-exporter", "tls-server-end-point", "x"])
texts = st.text(max_size=40) | hexadecimal | base64s | bindings | st.sampled_from(["ann", "bob", ""])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
extras = values | st.dictionaries(
    st.sampled_from(["pubkey", "nonce", "channel_binding", "challenge", "cbind_data"]), values | texts
)
signatures = texts | st.binary(min_size=94, max_size=98).map(bytes.hex) | st.just(KEY + KEY + KEY)
certificates = st.none() | st.builds(
    Certificate,
    fingerprint=hexadecimal.filter(lambda text: text != KEY),
    names=st.frozensets(
        st.sampled_from(["CN:eve", "DNS:x"]) | st.text(max_size=9).filter(lambda text: text != "CN:ann"),
        max_size=3,
    ),
    valid_from=st.floats(0, 1e9),
    valid_until=st.floats(1e9, 1e11),
    trusted=st.booleans(),
)


@settings(deadline=None)  # a shared machine may stand still at any moment
@given(
    name=st.sampled_from(sorted(METHODS)),
    authid=values | texts,
    extra=extras,
    signature=signatures,
    repeated=st.dictionaries(st.sampled_from(["nonce", "channel_binding", "cbind_data"]), values),
    certificate=certificates,
    data=st.none() | st.binary(max_size=40).filter(lambda found: len(found) != 32) | st.just(bytes(32)),
)
def test_nobody_gets_in_by_chance(
    name: str, authid: Any, extra: Any, signature: str, repeated: Any, certificate: Any, data: bytes | None
) -> None:
    """Nothing that a client can say raises, and without the secret there is no identity."""

    def binding(kind: str) -> bytes | None:
        return bytes(32) if kind == "tls-exporter" and data is not None else data

    peer = replace(PEER, certificate=certificate, channel_binding=binding)
    details = {"roles": {"caller": {}}, "authid": authid, "authextra": extra}
    decision: Any = METHODS[name].begin(Hello("realm1", details), peer, 7)
    if isinstance(decision, Proof):
        decision = decision.verify(Authenticate(signature, repeated))
    assert not isinstance(decision, Identity) or signature == KEY
    if isinstance(decision, Identity):
        assert (name, decision.authid) == ("ticket", "ann")
    elif isinstance(decision, Refusal):
        assert decision.reason.startswith("wamp.error.")
        assert "\n" not in decision.why
        assert len(decision.why) < 600
        assert KEY not in decision.text
    else:
        assert isinstance(decision, Skip)
