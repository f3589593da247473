"""WAMP AP 'Dynamic Authentication API': a procedure of the realm says who a client is."""

import base64
import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec.structs import replace
from twisted.logger import capturedLogs
from wire_router import ANY, CONFIG, WireRouter

from realms.auth.common_config import Failures
from realms.auth.config import (
    Anonymous,
    Cryptosign,
    Scram,
    Ticket,
    TicketPrincipal,
    WampCra,
    WampCraPrincipal,
)
from realms.realm import Realm
from router.configuration import Secret

ASK = "com.example.authenticate"
DENIED = "wamp.error.authentication_denied"
FAILED = "wamp.error.authentication_failed"
STATIC = CONFIG.authentication

TICKET = Ticket(authenticator=ASK, principals={"alice": STATIC.ticket.principals["alice"]})
CRA = WampCra(
    authenticator=ASK, principals={"peter": WampCraPrincipal(role="user", secret=Secret("secret1"))}
)


def configured(**methods):
    return replace(CONFIG, authentication=replace(STATIC, **methods))


def open_router(serializers, **methods):
    return WireRouter(serializers, configured(**methods))


@pytest.fixture
def make(serializers):
    """A function that makes a router with these methods; the authenticator has joined, and is its peer 0."""
    routers = []

    def made(**methods):
        router = open_router(serializers, **methods)
        router.asked = router.join()
        router.asked.register(ASK)
        routers.append(router)
        return router

    yield made
    for router in routers:
        router.check()


def question(router):
    """Take the invocation of the authenticator: its request, and its three arguments."""
    code, request, _, details, args = router.asked.take()
    assert (code, details) == (68, {})
    assert len(args) == 3
    return request, args


def answer(router, *result, **fields):
    """Let the authenticator answer what it is asked next."""
    request, args = question(router)
    router.asked.send([70, request, {}, list(result), fields] if fields else [70, request, {}, list(result)])
    router.end_turn()
    return args


def refuse(router, error="com.example.no", text="because"):
    request, args = question(router)
    router.asked.send([8, 68, request, {}, error, [text]])
    router.end_turn()
    return args


def by_ticket(router, authid="joe", ticket="sesame", **details):
    """Begin to join by a ticket, until the authenticator is asked."""
    peer = router.peer()
    peer.hello(authmethods=["ticket"], authid=authid, **details)
    peer.expect_only([4, "ticket", {}])
    peer.send([5, ticket, {}])
    return peer


def by_cra(router, authid="joe", **details):
    peer = router.peer()
    peer.hello(authmethods=["wampcra"], authid=authid, **details)
    return peer


def signature(secret, challenge):
    return base64.b64encode(hmac.digest(secret.encode(), challenge.encode(), "sha256")).decode()


def welcomed(peer):
    code, _, details = peer.take()
    assert code == 2, (code, details)
    return [details[key] for key in ("authid", "authrole", "authmethod", "authprovider")]


AWAY = "authentication is not possible now"


def refused(router, peer, reason, *words, text="authentication failed"):
    """The peer learns the error alone; one line of the log says why."""
    peer.expect_abort(reason, text)
    (line,) = [event for event in router.logs if event.get("why")]
    for word in words:
        assert word in line["why"], line["why"]


@pytest.fixture
def logs():
    with capturedLogs() as captured:
        yield captured


def test_a_ticket_is_shown_to_the_authenticator(make):
    """It gets the realm, the authid and details, and its answer is the role."""
    router = make(ticket=TICKET)
    peer = by_ticket(router, authextra={"device": 7})
    peer.expect_nothing()
    realm, authid, details = answer(router, "user")
    assert (realm, authid) == ("realm1", "joe")
    assert details == {
        "authmethod": "ticket",
        "session": ANY,
        "transport": {
            "type": "rawsocket",
            "peer": "tcp:192.0.2.7:4711",
            "listener": "test",
            "secure": False,
        },
        "authextra": {"device": 7},
        "ticket": "sesame",
    }
    assert peer.inbox[0][1] == details["session"]
    assert welcomed(peer) == ["joe", "user", "ticket", "dynamic"]


def test_the_answer_may_give_another_name_and_say_more(make):
    router = make(ticket=TICKET)
    peer = by_ticket(router)
    answer(router, {"role": "admin", "authid": "joe@example.com", "extra": {"team": [1, "x"]}})
    assert peer.inbox[0][2]["authextra"] == {"team": [1, "x"]}
    assert welcomed(peer) == ["joe@example.com", "admin", "ticket", "dynamic"]


def test_keyword_results_are_an_answer_too(make):
    router = make(ticket=TICKET)
    peer = by_ticket(router)
    answer(router, role="user", realm="realm1")
    assert welcomed(peer)[:2] == ["joe", "user"]


def test_who_is_configured_is_not_asked_about(make):
    router = make(ticket=TICKET, wampcra=CRA)
    assert welcomed(by_ticket(router, "alice", "ticket")) == ["alice", "user", "ticket", "static"]
    by_ticket(router, "alice", "wrong").expect_abort(DENIED, "authentication failed")
    router.asked.expect_nothing()


def test_a_secret_of_the_authenticators_makes_the_challenge(make):
    """The procedure is asked with HELLO, and never sees the signature."""
    router = make(wampcra=CRA)
    peer = by_cra(router)
    args = answer(router, {"role": "user", "secret": "sesame"})
    assert "ticket" not in args[2]
    code, method, extra = peer.take()
    assert (code, method, extra.keys()) == (4, "wampcra", {"challenge"})
    peer.send([5, signature("sesame", extra["challenge"]), {}])
    assert welcomed(peer) == ["joe", "user", "wampcra", "dynamic"]
    wrong = by_cra(router)
    answer(router, {"role": "user", "secret": "sesame"})
    (_, _, extra) = wrong.take()
    wrong.send([5, signature("other", extra["challenge"]), {}])
    wrong.expect_abort(DENIED, "authentication failed")


def test_salted_secrets_of_an_authenticator(make):
    router = make(wampcra=CRA)
    key = base64.b64encode(hashlib.pbkdf2_hmac("sha256", b"sesame", b"pepper", 1000, 32)).decode()
    peer = by_cra(router)
    answer(router, {"role": "user", "secret": key, "salt": "pepper", "iterations": 1000, "keylen": 32})
    _, _, extra = peer.take()
    assert [extra[name] for name in ("salt", "iterations", "keylen")] == ["pepper", 1000, 32]
    peer.send([5, signature(key, extra["challenge"]), {}])
    assert welcomed(peer) == ["joe", "user", "wampcra", "dynamic"]


def test_a_name_that_the_authenticator_does_not_know_is_challenged_like_others(make, logs):
    """Nobody learns which names exist: a salt where others have one, always the same, and then no."""
    router = make(wampcra=WampCra(authenticator=ASK))
    router.logs = logs
    key = base64.b64encode(bytes(32)).decode()
    known = by_cra(router)
    answer(router, {"role": "user", "secret": key, "salt": "pepper12"})
    known.drain()
    extras = []
    for _ in range(2):
        peer = by_cra(router, "nobody")
        refuse(router)
        code, _, extra = peer.take()
        assert code == 4
        assert len(extra["salt"]) == len("pepper12")
        extras.append(extra["salt"])
    assert extras[0] == extras[1]
    peer.send([5, signature(key, extra["challenge"]), {}])
    refused(router, peer, DENIED, f"the authenticator {ASK} says no", "com.example.no: because")


KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
PUBLIC = KEY.public_key().public_bytes_raw().hex()


def by_key(router, **details):
    peer = router.peer()
    peer.hello(authmethods=["cryptosign"], authextra={"pubkey": PUBLIC}, **details)
    return peer


def signed(peer):
    """Answer a challenge of cryptosign."""
    code, method, extra = peer.take()
    assert (code, method) == (4, "cryptosign")
    message = bytes.fromhex(extra["challenge"])
    peer.send([5, (KEY.sign(message) + message).hex(), {}])


def test_a_key_that_the_authenticator_accepts(make):
    """A role is enough: it accepts the key that the client shows, and which the client then has to prove."""
    router = make(cryptosign=Cryptosign(authenticator=ASK))
    for details, given, name in (
        ({}, "user", PUBLIC),
        ({}, {"role": "user", "authid": "device7"}, "device7"),
        ({"authid": "joe"}, {"role": "user", "authorized_keys": [PUBLIC]}, "joe"),
    ):
        peer = by_key(router, **details)
        _, authid, told = answer(router, given)
        assert (authid, told["authextra"]) == (details.get("authid"), {"pubkey": PUBLIC})
        signed(peer)
        assert welcomed(peer) == [name, "user", "cryptosign", "dynamic"]


def test_a_key_that_it_does_not_accept(make):
    router = make(cryptosign=Cryptosign(authenticator=ASK))
    other = by_key(router, authid="joe")
    answer(router, {"role": "user", "authorized_keys": ["ab" * 32]})
    signed(other)
    other.expect_abort(DENIED, "authentication failed")
    unknown = by_key(router)
    refuse(router)
    signed(unknown)
    unknown.expect_abort(DENIED, "authentication failed")
    bad = router.peer()
    bad.hello(authmethods=["cryptosign"], authextra={"pubkey": 7})
    answer(router, "user")
    bad.expect_abort(FAILED, "authentication failed")


def test_a_password_of_scram(make):
    """Its fields are those of the realm's file; what proves the router stays beside what the answer adds."""
    router = make(scram=Scram(authenticator=ASK))
    salt = b"salt-of-16-bytes"
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", salt, 4096, 32)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    stored, server = hashlib.sha256(client_key).digest(), hmac.digest(salted, b"Server Key", "sha256")
    text = base64.b64encode(salt).decode()
    nonce = base64.b64encode(bytes(16)).decode()
    peer = router.peer()
    peer.hello(authmethods=["wamp-scram"], authid="joe", authextra={"nonce": nonce})
    fields = {"kdf": "pbkdf2", "salt": text, "iterations": 4096, "stored_key": stored.hex()}
    answer(router, {"role": "user", "extra": {"team": 7}, "server_key": server.hex(), **fields})
    _, method, extra = peer.take()
    assert (method, extra["salt"], extra["kdf"]) == ("wamp-scram", text, "pbkdf2")
    channel, both = base64.b64encode(b"n,,").decode(), extra["nonce"]
    message = f"n=joe,r={nonce},r={both},s={text},i=4096,c={channel},r={both}".encode()
    proof = bytes(a ^ b for a, b in zip(client_key, hmac.digest(stored, message, "sha256"), strict=True))
    reply = {"nonce": both, "channel_binding": None, "cbind_data": None}
    peer.send([5, base64.b64encode(proof).decode(), reply])
    details = peer.inbox[0][2]
    verifier = base64.b64encode(hmac.digest(server, message, "sha256")).decode()
    assert details["authextra"] == {"team": 7, "verifier": verifier}
    assert welcomed(peer) == ["joe", "user", "wamp-scram", "dynamic"]
    peer = router.peer()
    peer.hello(authmethods=["wamp-scram"], authid="nobody", authextra={"nonce": nonce})
    refuse(router)
    assert peer.take()[2]["kdf"] == "pbkdf2"  # a decoy looks like those who exist


def test_clients_without_any_proof(serializers):
    """The authenticator gives anonymous clients their role, and a name if it likes."""
    router = open_router(serializers, anonymous=Anonymous(authenticator=ASK))
    router.asked = router.join("carol")
    router.asked.register(ASK)
    first, second = router.peer(), router.peer()
    first.hello()
    assert answer(router, "guest")[1] is None
    second.hello(authmethods=["anonymous"], authid="mallory")
    answer(router, {"role": "guest", "authid": "visitor"})
    name, *rest = welcomed(first)
    assert len(name) == 24
    assert rest == ["guest", "anonymous", "dynamic"]
    assert welcomed(second)[0] == "visitor"
    third = router.peer()
    third.hello()
    refuse(router)
    third.expect_abort(DENIED, "authentication failed")
    router.check()


def test_an_error_of_the_authenticator_refuses(make, logs):
    router = make(ticket=TICKET)
    router.logs = logs
    peer = by_ticket(router)
    refuse(router, "com.example.no_such_user", "no user joe")
    refused(router, peer, DENIED, "says no", "com.example.no_such_user: no user joe")
    assert "sesame" not in str([event["why"] for event in logs if "why" in event])


@pytest.mark.parametrize("result", [None, False])
def test_null_and_false_refuse(make, logs, result):
    router = make(ticket=TICKET)
    router.logs = logs
    peer = by_ticket(router)
    answer(router, result)
    refused(router, peer, DENIED, f"the authenticator {ASK} says no")


def test_wrong_tickets_are_counted_and_an_authenticator_that_is_away_is_not(make):
    """Also where its "no" is an answer that is none: who guesses is slowed down, whatever it says."""
    failures = Failures(window_ms=60_000, authid_attempts=3)
    router = make(ticket=TICKET, failures=failures)
    for number in range(3):
        peer = by_ticket(router)
        if number:
            refuse(router)
        else:
            answer(router, "nobody")
        peer.expect_abort(ANY, "authentication failed")
    peer = router.peer()
    peer.hello(authmethods=["ticket"], authid="joe")
    peer.expect_abort("concord.error.limit_exceeded", "too many failed attempts: try again in 20 s")
    router.asked.leave()
    for _ in range(5):
        by_ticket(router, "ann").expect_abort(FAILED, AWAY)


@pytest.mark.parametrize(
    ("result", "word"),
    [
        ([], "is no role of the realm"),
        ([True], "expected a role or a mapping, got bool"),
        (["nobody"], "'nobody' is no role of the realm"),
        ([{"authid": "joe"}], "None is no role"),
        ([{"role": "user", "realm": "other"}], "'realm' is not the realm"),
        ([{"role": "user", "extra": "x"}], "'extra' must be a mapping"),
        ([{"role": "user", "authid": 7}], "'authid' must be visible text"),
        ([{"role": "user", "authid": " "}], "'authid' must be visible text"),
        ([{"role": "user", "secrets": "sesame"}], "unknown key 'secrets': did you mean 'secret'?"),
        ([{"role": "user", "secret": {"env": "HOME"}}], "'secret' must be a string"),
        ([{"role": "user", "secret": ""}], "'secret' must be a string"),
    ],
)
def test_a_bad_answer_refuses(make, logs, result, word):
    """A technical runtime failure, "fail secure": nobody's password was wrong."""
    router = make(ticket=TICKET)
    router.logs = logs
    peer = by_ticket(router)
    answer(router, *result)
    refused(router, peer, FAILED, "answers badly", word)


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({}, "missing: the key 'secret' is required"),
        ({"secret": "x", "iterations": "many"}, "iterations: expected an integer"),
        ({"secret": "x", "keylen": 7}, "keylen: must be 16 to 64, got 7"),
        ({"secret": "x", "salt": "y"}, "with a salt, the secret is the derived key"),
        ({"secret": 7}, "'secret' must be a string"),
    ],
)
def test_an_answer_is_checked_as_the_realms_file_is(make, logs, fields, word):
    router = make(wampcra=CRA)
    router.logs = logs
    peer = by_cra(router)
    answer(router, {"role": "user", **fields})
    refused(router, peer, FAILED, "answers badly", word)


def test_nobody_has_the_procedure(serializers, logs):
    router = open_router(serializers, ticket=TICKET)
    router.logs = logs
    peer = by_ticket(router)
    refused(router, peer, FAILED, f"the authenticator {ASK} did not answer", "no_such_procedure", text=AWAY)
    router.check()


def test_an_authenticator_that_is_silent(make, logs):
    """Its time is over: the client is refused, and the answer that comes late lets nobody in."""
    router = make(ticket=replace(TICKET, authenticator_timeout_ms=500))
    router.logs = logs
    peer = by_ticket(router)
    request, _ = question(router)
    router.advance(499)
    peer.expect_nothing()
    router.advance(2)
    refused(router, peer, FAILED, "did not answer", "timeout", "500 ms", text=AWAY)
    router.asked.expect([69, request, ANY])
    router.asked.send([70, request, {}, ["user"]])
    assert len(router.realm.sessions) == 1


def test_an_authenticator_that_leaves(make, logs):
    router = make(ticket=TICKET)
    router.logs = logs
    peer = by_ticket(router)
    question(router)
    router.asked.vanish()
    refused(router, peer, FAILED, "did not answer", "canceled", text=AWAY)


def test_a_client_that_vanishes_meanwhile(make):
    """The authenticator is interrupted, and what it says goes nowhere."""
    router = make(ticket=TICKET)
    peer = by_ticket(router)
    request, _ = question(router)
    peer.vanish()
    router.asked.expect([69, request, ANY])
    router.asked.send([70, request, {}, ["user"]])
    assert list(router.realm.sessions) == [router.asked.id]


def test_a_client_that_does_not_wait(make):
    router = make(ticket=TICKET)
    peer = by_ticket(router)
    request, _ = question(router)
    peer.send([48, 1, {}, "com.x"])
    peer.expect_abort("wamp.error.protocol_violation", ANY)
    router.asked.expect([69, request, ANY])


def test_other_sessions_go_on_meanwhile(make):
    router = make(ticket=TICKET)
    peer = by_ticket(router)
    other = router.join()
    assert other.ask("wamp.session.count") == 2
    answer(router, "user")
    assert welcomed(peer)[0] == "joe"
    assert other.ask("wamp.session.count") == 3


def test_a_name_is_needed_before_anybody_is_asked(make):
    router = make(ticket=TICKET, wampcra=CRA)
    for method in ("ticket", "wampcra"):
        peer = router.peer()
        peer.hello(authmethods=[method])
        peer.expect_abort(DENIED, "HELLO.Details.authid must be a text that names who joins")
    peer = by_ticket(router, ticket="")
    peer.expect_abort(DENIED, "authentication failed")
    router.asked.expect_nothing()


def test_an_authenticator_in_another_realm(make, logs):
    router = make(ticket=replace(TICKET, authenticator_realm="staff"))
    router.logs = logs
    peer = by_ticket(router)
    refused(router, peer, FAILED, f"no realm 'staff' here to ask {ASK}", text=AWAY)
    staff = Realm(replace(CONFIG, name="staff"), router.environment)
    router.directory.realms["staff"] = staff
    router.asked = router.peer()
    router.asked.hello(realm="staff")
    router.asked.take()
    router.asked.register(ASK)
    peer = by_ticket(router)
    assert answer(router, "user")[0] == "realm1"
    assert welcomed(peer) == ["joe", "user", "ticket", "dynamic"]


def test_the_realm_closes_meanwhile(make, logs):
    router = make(ticket=TICKET)
    router.logs = logs
    peer = by_ticket(router)
    question(router)
    router.turn.deliver(router.realm.close())
    del router.directory.realms["realm1"]
    router.end_turn()
    peer.expect_abort(FAILED, AWAY)
    router.asked.drain()


def test_what_a_procedure_said_outlives_a_reload(make):
    """...while the method still has one to be asked; a role that is gone ends the session as ever."""
    router = make(ticket=TICKET)
    peer = by_ticket(router)
    answer(router, "user")
    peer.drain()
    router.turn.deliver(router.realm.reconfigure(configured(ticket=replace(TICKET, principals={}))))
    router.end_turn()
    peer.expect_nothing()
    principals = {"joe": TicketPrincipal(role="admin", secret=Secret("x"))}
    router.turn.deliver(router.realm.reconfigure(configured(ticket=Ticket(principals=principals))))
    router.end_turn()
    code, _, reason = peer.take()
    assert (code, reason) == (6, "wamp.error.not_authorized")
    router.asked.drain()


def test_what_a_client_says_of_itself_reaches_an_authenticator_of_any_serializer(serializers):
    """Binary data and numbers at the edge: each serializer has its own way to carry them."""
    router = open_router(["cbor"], ticket=TICKET)
    for serializer in ("json", "msgpack", "cbor"):
        router.asked = router.join(serializer=serializer)
        router.asked.register(ASK)
        extra = {"blob": b"\x00\xff", "large": 2**63 - 1, "text": "ü", "none": None, "deep": [[[{}]]]}
        peer = by_ticket(router, authextra=extra)
        told = answer(router, "user")[2]["authextra"]
        assert told == {**extra, "blob": "\0AP8=" if serializer == "json" else b"\x00\xff"}
        assert welcomed(peer)[0] == "joe"
        peer = router.peer("json")
        peer.hello(authmethods=["ticket"], authid="joe", authextra={"blob": "\0AP8="})
        peer.take()
        peer.send([5, "sesame", {}])
        assert answer(router, "user")[2]["authextra"]["blob"] == told["blob"]
        peer.drain()
        router.asked.leave()
    router.check()


def test_the_method_loses_its_authenticator_meanwhile(make, logs):
    """What is answered after that lets nobody in."""
    router = make(ticket=TICKET)
    router.logs = logs
    peer = by_ticket(router)
    router.turn.deliver(router.realm.reconfigure(configured(ticket=Ticket())))
    answer(router, "user")
    refused(router, peer, DENIED, "'joe' lost its permission while it joined")
