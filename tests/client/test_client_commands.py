"""``concord call``, ``publish`` and ``subscribe`` as a user runs them, against a real router."""

import json
import signal
import subprocess
import sys
from typing import Any

import pytest
from client_router import SECRETS, ClientRouter

SERIALIZERS = ("json", "msgpack", "cbor")
WHO = ("call", "wamp.session.count")


class TestConnections:
    @pytest.mark.parametrize("serializer", SERIALIZERS)
    @pytest.mark.parametrize("kind", ["ws", "wss", "rs", "rss", "unix", "ws+unix"])
    def test_every_transport_and_serializer(self, router: ClientRouter, kind: str, serializer: str) -> None:
        tls = ["--tls-ca", router.certificate] if kind in ("wss", "rss") else []
        place = ["--url", router.urls[kind], "--serializer", serializer, *tls]
        assert router.json("call", "wamp.session.count", *place) >= [1]

    def test_a_websocket_on_a_unix_socket(self, router: ClientRouter) -> None:
        assert router.json(*WHO, "--url", f"ws+unix:{router.directory}/socket.ws:/ws") >= [1]

    def test_a_certificate_that_is_not_trusted(self, router: ClientRouter) -> None:
        code, text = router.refused(*WHO, "--url", router.urls["wss"])
        assert code == 3
        assert "its certificate is not trusted: self-signed certificate" in text
        assert router.json(*WHO, "--url", router.urls["wss"], "--tls-insecure") >= [1]

    @pytest.mark.parametrize(
        ("url", "reason"),
        [
            ("ws://127.0.0.1:1/ws", "Connection refused"),
            ("rs://127.0.0.1:1", "Connection refused"),
            ("unix:/nowhere/socket", "No such file or directory"),
            ("ws://nowhere.invalid/ws", "nowhere.invalid"),
        ],
    )
    def test_nobody_there(self, router: ClientRouter, url: str, reason: str) -> None:
        code, text = router.refused(*WHO, "--url", url)
        assert (code, len(text.splitlines())) == (3, 1)
        assert reason in text

    def test_somebody_else_there(self, router: ClientRouter) -> None:
        """A page, a RawSocket where a WebSocket was meant, and the other way round."""
        page = router.urls["ws"].replace("/ws", "/nothing")
        assert "404" in router.refused(*WHO, "--url", page)[1]
        rawsocket = router.urls["rs"].replace("rs://", "ws://")
        assert router.refused(*WHO, "--url", rawsocket)[0] == 3
        websocket = router.urls["ws"].replace("ws://", "rs://").removesuffix("/ws")
        assert router.refused(*WHO, "--url", websocket)[0] == 3

    def test_a_realm_that_is_none(self, router: ClientRouter) -> None:
        code, text = router.refused(*WHO, "--realm", "nowhere")
        assert code == 4
        assert "wamp.error.no_such_realm" in text


class TestAuthentication:
    """One test for each method; the role that the router gave tells that it was that method."""

    def role(self, router: ClientRouter, *arguments: Any, **more: Any) -> str:
        done = router.run("call", "wamp.session.count", "--verbose", *arguments, **more)
        assert done.returncode == 0, done.stderr
        return done.stderr.split("(")[1].split(")")[0]

    def test_anonymous(self, router: ClientRouter) -> None:
        assert self.role(router) == "guest, by anonymous"

    @pytest.mark.parametrize("serializer", SERIALIZERS)
    @pytest.mark.parametrize("kind", ["ws", "rs"])
    @pytest.mark.parametrize(
        ("name", "authid"), [("ticket", "tina"), ("wampcra", "carl"), ("wampcra", "sally")]
    )
    def test_a_secret(self, router: ClientRouter, name: str, authid: str, kind: str, serializer: str) -> None:
        place = ["--url", router.urls[kind], "--serializer", serializer]
        secret = {"CONCORD_SECRET": SECRETS[authid]}
        given = ["--authmethod", name, "--authid", authid]
        assert self.role(router, *place, *given, env=secret) == f"member, by {name}"
        wrong = router.refused(*WHO, *place, *given, env={"CONCORD_SECRET": "another"})
        assert wrong[0] == 4
        assert "refused the session: wamp.error.authentication" in wrong[1]

    @pytest.mark.parametrize("kind", ["ws", "rs", "wss"])
    @pytest.mark.parametrize(
        ("name", "authid"), [("wamp-scram", "sam"), ("wamp-scram", "pete"), ("scram", "sam")]
    )
    def test_scram(self, router: ClientRouter, name: str, authid: str, kind: str) -> None:
        place = ["--url", router.urls[kind], "--tls-ca", router.certificate]
        given = ["--authmethod", name, "--authid", authid]
        assert (
            self.role(router, *place, *given, env={"CONCORD_SECRET": SECRETS[authid]}) == f"member, by {name}"
        )
        assert router.refused(*WHO, *place, *given, env={"CONCORD_SECRET": "another"})[0] == 4

    @pytest.mark.parametrize("more", [[], ["--authid", "chris"], ["--channel-binding", "tls-unique"]])
    @pytest.mark.parametrize("kind", ["ws", "rs", "wss", "rss"])
    def test_cryptosign(self, router: ClientRouter, kind: str, more: list[str]) -> None:
        place = ["--url", router.urls[kind], "--tls-ca", router.certificate]
        given = ["-a", "cryptosign", "--secret-file", "chris.key", *more]
        if "--channel-binding" in more and kind in ("ws", "rs"):
            assert router.refused(*WHO, *place, *given)[0] == 4
        else:
            assert self.role(router, *place, *given) == "member, by cryptosign"
        assert router.refused(*WHO, *place, "-a", "cryptosign", *more, "--secret", "ff" * 32)[0] == 4

    @pytest.mark.parametrize("kind", ["wss", "rss"])
    def test_a_tls_certificate(self, router: ClientRouter, kind: str) -> None:
        place = ["--url", router.urls[kind], "--tls-ca", router.certificate, "--authmethod", "tls"]
        own = ["--tls-cert", "tom.pem", "--tls-key", "tom.key.pem"]
        assert self.role(router, *place, *own) == "member, by tls"
        code, text = router.refused(*WHO, *place)
        assert (code, "by tls needs --tls-cert" in text) == (2, True)
        other = ["--tls-cert", "certificate.pem", "--tls-key", "key.pem"]
        assert router.refused(*WHO, *place, *other)[0] == 4

    def test_a_cookie(self, router: ClientRouter) -> None:
        """It is kept by the command that proves a secret, and shown by the next one, which proves none."""
        given = ["--cookie-file", "cookies", "-a", "cookie"]
        secret = ["-a", "ticket", "-i", "tina", "--secret", SECRETS["tina"]]
        assert router.refused(*WHO, *given)[0] == 4
        assert self.role(router, *given, *secret) == "member, by ticket"
        assert self.role(router, *given) == "member, by cookie"
        assert router.refused(*WHO, "-a", "cookie")[0] == 4

    def test_where_secrets_come_from(self, router: ClientRouter) -> None:
        """A file, a variable, the command line; and no word of it anywhere."""
        file = router.directory / "tina.secret"
        file.write_text(SECRETS["tina"] + "\n")
        given = ["--authmethod", "ticket", "--authid", "tina"]
        member = "member, by ticket"
        assert self.role(router, *given, "--secret-file", file) == member
        assert self.role(router, *given, "--secret", SECRETS["tina"]) == member
        env = {"MINE": SECRETS["tina"], "CONCORD_SECRET": "another", "CONCORD_AUTHID": "tina"}
        assert self.role(router, "-a", "ticket", "--secret-env", "MINE", env=env) == member
        assert SECRETS["tina"] not in router.running.text

    def test_several_methods(self, router: ClientRouter) -> None:
        env = {"CONCORD_SECRET": SECRETS["carl"]}
        assert self.role(router, "-a", "cookie", "-a", "anonymous") == "guest, by anonymous"
        both = ["-a", "wampcra", "-a", "anonymous", "-i", "carl"]
        assert self.role(router, *both, env=env) == "member, by wampcra"

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["-a", "nothing"], "no authentication method 'nothing'"),
            (["-a", "ticket", "-i", "tina"], "by ticket needs a secret"),
            (["--secret", "sesame", "-i", "tina"], "a secret needs --authmethod"),
            (["--secret-file", "/nowhere"], "the secret /nowhere can't be read"),
            (["--secret-env", "NOWHERE"], "NOWHERE is not set"),
            (["--authextra", "[]"], "--authextra must be a JSON object"),
            (["--authextra", "{"], "--authextra: not JSON"),
            (["--header", "nonsense"], "--header is NAME: VALUE"),
            (["--tls-cert", "x.pem"], "a TLS certificate needs a wss: or rss: URL"),
            (["--url", "rs://h:1", "--header", "A: b"], "need a WebSocket URL"),
            (["--url", "wss://h:1", "--tls-ca", "/nowhere"], "TLS: /nowhere can't be used"),
            (["--url", "nonsense"], "begins with ws://"),
            (["a:=x"], "a:=x: not JSON"),
            (["-o", "x"], "an option is name=text"),
            (["--timeout", "0"], "expected 1 to 86400000"),
            (["--lines", "1"], "not from both"),
        ],
    )
    def test_called_wrongly(self, router: ClientRouter, arguments: list[str], reason: str) -> None:
        """Nothing is sent, the exit code is 2, and no secret is shown."""
        code, text = router.refused("call", "com.procedure", *arguments)
        assert code == 2
        assert reason in text
        assert "sesame" not in text


class TestCall:
    def test_a_result(self, router: ClientRouter) -> None:
        """Its one value, or all of it with --full."""
        assert router.json("call", "wamp.session.list") >= [[1]]
        (full,) = router.json("call", "wamp.session.count", "--full")
        assert full.keys() == {"args", "kwargs", "details"}

    def test_an_error(self, router: ClientRouter) -> None:
        """As JSON on standard error, and 1."""
        code, text = router.refused("call", "com.nothing", "a=b")
        assert code == 1
        assert json.loads(text)["error"] == "wamp.error.no_such_procedure"
        assert json.loads(router.refused("call", "com.forbidden")[1])["error"] == "wamp.error.not_authorized"

    def test_lines(self, router: ClientRouter) -> None:
        """One call for each; an error does not stop the others, and shows in the exit code."""
        lines = '[]\n\n{"args": [["guest"]], "kwargs": {}}\n"wrong"\n[]\n'
        done = router.run("call", "wamp.session.count", "--lines", stdin=lines)
        assert done.returncode == 1
        assert len(done.stdout.splitlines()) == 3
        assert [json.loads(line)["error"] for line in done.stderr.splitlines()] == [
            "wamp.error.invalid_argument"
        ]
        wrong = router.run("call", "wamp.session.count", "--lines", stdin="[]\nnonsense\n")
        assert wrong.returncode == 2
        assert "line 2: not JSON" in wrong.stderr


class TestPublishAndSubscribe:
    def test_events(self, router: ClientRouter) -> None:
        with router.start("subscribe", "com.a", "com.b", "--count", "3", "-v") as subscriber:
            subscriber.until("subscribed com.b")
            (first,) = router.json("publish", "com.a", "1", "x", "a=1", "b:=[2]", "--ack")
            assert router.json("publish", "com.b") == []
            assert router.json("publish", "com.a", "--no-ack", "last") == []
            subscriber.until('"last"')
            assert subscriber.ended() == 0
        one, two, three = subscriber.values
        assert one == {
            "topic": "com.a",
            "publication": first["publication"],
            "args": [1, "x"],
            "kwargs": {"a": "1", "b": [2]},
        }
        assert (two["topic"], two["args"], three["args"]) == ("com.b", [], ["last"])

    def test_details(self, router: ClientRouter) -> None:
        """The publisher, where it says who it is; the topic that a pattern was matched by."""
        arguments = ["com.pattern.", "--match", "prefix", "--full", "--count", "1", "-v"]
        with router.start("subscribe", *arguments) as subscriber:
            subscriber.until("subscribed")
            router.json("publish", "com.pattern.x", "--disclose-me")
            subscriber.until("publication")
        (event,) = subscriber.values
        assert event["topic"] == "com.pattern.x"
        assert event["details"]["publisher"] > 0

    def test_a_retained_event(self, router: ClientRouter) -> None:
        router.json("publish", "com.kept", "5", "--retain")
        (event,) = router.json("subscribe", "com.kept", "--get-retained", "--count", "1", "--full")
        assert (event["args"], event["details"]["retained"]) == ([5], True)

    def test_options_of_the_message(self, router: ClientRouter) -> None:
        router.json("publish", "com.kept2", "5", "-o", "retain:=true")
        assert router.json("subscribe", "com.kept2", "-o", "get_retained:=true", "-n", "1")[0]["args"] == [5]

    def test_what_is_printed_can_be_published(self, router: ClientRouter) -> None:
        """A pipe from one topic to another."""
        lines = '{"topic": "com.from", "args": [1], "kwargs": {"a": 2}}\n[2]\n'
        with router.start("subscribe", "com.to", "--count", "2", "-v") as subscriber:
            subscriber.until("subscribed")
            assert router.json("publish", "com.to", "--lines", stdin=lines) == []
            subscriber.until('"args": [2]')
        assert [(event["args"], event["kwargs"]) for event in subscriber.values] == [
            ([1], {"a": 2}),
            ([2], {}),
        ]

    def test_many_lines(self, router: ClientRouter) -> None:
        """More than may wait for their answer at once; each is acknowledged."""
        lines = "\n".join(map(str, range(500)))
        published = router.json("publish", "com.many", "--lines", "--ack", stdin=lines)
        assert len({event["publication"] for event in published}) == 500

    def test_refused(self, router: ClientRouter) -> None:
        for command in (["publish", "com.forbidden"], ["subscribe", "com.forbidden"]):
            code, text = router.refused(*command)
            assert code == 1
            assert json.loads(text)["error"] == "wamp.error.not_authorized"
        done = router.run("publish", "com.forbidden", "--lines", stdin="[]\n[]\n")
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 2)

    def test_one_that_is_revoked(self, router: ClientRouter) -> None:
        """It is told; with the last one the command ends."""
        with router.start("subscribe", "com.taken.a", "com.taken.b", "-v") as subscriber:
            subscriber.until("subscribed com.taken.b")
            for topic in ("com.taken.a", "com.taken.b"):
                (subscription,) = router.json("call", "wamp.subscription.lookup", topic)
                ((session,),) = router.json("call", "wamp.subscription.list_subscribers", subscription)
                router.json("call", "wamp.subscription.remove_subscriber", subscription, session)
                subscriber.until(f"revoked the subscription of {topic}")
            assert subscriber.ended() == 1

    def test_a_time_that_passes(self, router: ClientRouter) -> None:
        """With a count that is missed 5, without one 0."""
        assert router.json("subscribe", "com.quiet", "--timeout", "50") == []
        code, text = router.refused("subscribe", "com.quiet", "--timeout", "50", "--count", "2")
        assert (code, text) == (5, "concord: 0 of 2 events came in time\n")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_is_its_end(self, router: ClientRouter, number: int) -> None:
        """It leaves with GOODBYE, so the router does not say that a connection was lost."""
        with router.start("subscribe", "com.quiet", "-v") as subscriber:
            subscriber.until("subscribed")
            assert subscriber.stop(number) == 0
        assert "Traceback" not in subscriber.text

    def test_a_reader_that_has_seen_enough(self, router: ClientRouter) -> None:
        """As in ``concord subscribe x | head -1``: the end is quiet."""
        with router.start("subscribe", "com.enough", "-v") as ready:
            ready.until("subscribed")
            shell = subprocess.Popen(
                ["sh", "-c", f"{sys.executable} -m router.command subscribe com.enough | head -1"],
                cwd=router.directory,
                env=router.environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            publish_until_ended(router, shell)
        out, err = shell.communicate(timeout=20)
        assert (len(out.splitlines()), err, shell.returncode) == (1, "", 0)


def publish_until_ended(router: ClientRouter, shell: "subprocess.Popen[str]") -> None:
    """Publish until the pipe has ended, which needs an event after the reader is gone."""
    for _ in range(50):
        if shell.poll() is not None:
            return
        router.json("publish", "com.enough", "1")
    raise AssertionError("the subscriber goes on writing to nobody")
