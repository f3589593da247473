"""A node that reads its configuration again: what changes, what stays, and what is reported."""

import os
from typing import Any

import pytest
import pytest_twisted
import yaml
from node_bench import EVERYTHING, OPEN, WEBSOCKET, Bench, write
from wamp_client import connect, request, sleep, soon, until

import router.reload

asynchronous: Any = pytest_twisted.ensureDeferred

REJECTED = [
    6,
    {"message": "the configuration no longer lets this session in"},
    "wamp.error.not_authorized",
]


def role(*permissions: dict[str, Any]) -> dict[str, Any]:
    return {"permissions": list(permissions)}


def allow(uri: str, actions: Any = EVERYTHING, match: str = "prefix") -> dict[str, Any]:
    return {"uri": uri, "match": match, "allow": actions}


def with_ticket(**principals: dict[str, Any]) -> dict[str, Any]:
    return {**OPEN, "authentication": {"ticket": {"principals": principals}}}


async def ticket(client: Any, authid: str, secret: str) -> Any:
    """Join with a ticket, and give WELCOME or ABORT."""
    client.send(1, "realm1", {"roles": {"caller": {}}, "authmethods": ["ticket"], "authid": authid})
    assert await client.receive() == [4, "ticket", {}]
    client.send(5, secret, {})
    return await client.receive()


class TestRealms:
    @asynchronous
    async def test_one_is_added(self, bench: Bench) -> None:
        node = bench.node()
        client = await (await connect(node.ports["ws"])).join()
        write(bench.directory, {"realm1": OPEN, "realm2": OPEN})
        await soon(node.reload())
        other = await (await connect(node.ports["ws"])).join("realm2")
        assert await client.call("wamp.session.list") == [client.session_id]
        assert "configuration reloaded; realms: realm1, realm2" in bench.log.lines("info")
        await client.leave()
        await other.leave()

    @asynchronous
    async def test_one_is_removed(self, bench: Bench) -> None:
        """Its sessions get GOODBYE; those of other realms notice nothing."""
        node = bench.node({"realm1": OPEN, "realm2": OPEN})
        client = await (await connect(node.ports["ws"])).join()
        other = await (await connect(node.ports["ws"])).join("realm2")
        gone = node.directory.realms["realm2"]
        (bench.directory / "realms" / "realm2.yaml").unlink()
        await soon(node.reload())
        assert await other.receive_all() == [[6, {}, "wamp.close.close_realm"]]
        assert gone.sessions == {}
        late = await connect(node.ports["ws"])
        late.send(1, "realm2", {"roles": {"caller": {}}})
        assert (await late.receive())[2] == "wamp.error.no_such_realm"
        assert await client.call("wamp.session.count") == 1
        await client.leave()
        await soon(late.ended)

    @asynchronous
    async def test_its_static_files_come_and_go(self, bench: Bench) -> None:
        """Also on a port that served nothing before."""
        web = bench.directory / "web"
        web.mkdir()
        (web / "index.html").write_text("the shop")
        node = bench.node(transports=[{**WEBSOCKET, "page": "none"}])
        port = node.ports["ws"]
        assert b"the shop" not in await request(port, "/shop/")
        write(bench.directory, {"realm1": {**OPEN, "static": {"path": "/shop", "directory": "web"}}})
        await soon(node.reload())
        answer = await request(port, "/shop/")
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert answer.endswith(b"the shop")
        write(bench.directory, {"realm1": OPEN})
        await soon(node.reload())
        assert not (await request(port, "/shop/")).startswith(b"HTTP/1.1 200")
        await (await connect(port)).leave()

    @asynchronous
    async def test_the_last_one_is_removed(self, bench: Bench) -> None:
        node = bench.node()
        (bench.directory / "realms" / "realm1.yaml").unlink()
        await soon(node.reload())
        assert "configuration reloaded; realms: none" in bench.log.lines("info")
        assert any("this router serves no realm" in line for line in bench.log.lines("warn"))

    @asynchronous
    async def test_an_unchanged_one_keeps_everything(self, bench: Bench) -> None:
        """The realm is the same object, with the same sessions, calls and subscriptions."""
        node = bench.node()
        before = node.directory.realms["realm1"]
        callee, caller = [await (await connect(node.ports["ws"])).join() for _ in range(2)]
        await callee.request(64, {}, "com.p")
        caller.send(48, 1, {}, "com.p")
        invocation = await callee.receive()
        await soon(node.reload())
        assert node.directory.realms["realm1"] is before
        callee.send(70, invocation[1], {}, ["done"])
        assert await caller.receive() == [50, 1, {}, ["done"]]
        await callee.leave()
        await caller.leave()


class TestRoles:
    @asynchronous
    async def test_a_changed_role_holds_for_open_sessions(self, bench: Bench) -> None:
        node = bench.node()
        client = await (await connect(node.ports["ws"])).join()
        assert (await client.request(32, {}, "com.a"))[0] == 33
        assert (await client.request(64, {}, "com.a"))[0] == 65
        changed = {**OPEN, "roles": {"anonymous": role(allow("com.b", ["subscribe"]), allow("wamp."))}}
        write(bench.directory, {"realm1": changed})
        await soon(node.reload())
        assert (await client.request(32, {}, "com.b"))[0] == 33
        assert (await client.request(32, {}, "com.a"))[4] == "wamp.error.not_authorized"
        lists = await client.call("wamp.registration.list")
        assert lists == {"exact": [], "prefix": [], "wildcard": []}
        assert len((await client.call("wamp.subscription.list"))["exact"]) == 1
        await client.leave()

    @asynchronous
    async def test_a_session_whose_way_in_is_closed_has_to_go(self, bench: Bench) -> None:
        node = bench.node()
        client = await (await connect(node.ports["ws"])).join()
        write(bench.directory, {"realm1": with_ticket(ann={"role": "anonymous", "secret": "x"})})
        await soon(node.reload())
        assert await client.receive_all() == [REJECTED]


class TestSecrets:
    @asynchronous
    async def test_a_changed_secret_counts_from_the_next_join_on(self, bench: Bench) -> None:
        """In a file of its own, too; who is in stays in."""
        secret = bench.directory / "ann.secret"
        secret.write_text("old\n")
        secret.chmod(0o600)
        realm = with_ticket(ann={"role": "anonymous", "secret": {"file": "ann.secret"}})
        node = bench.node({"realm1": realm})
        first = await connect(node.ports["ws"])
        assert (await ticket(first, "ann", "old"))[0] == 2
        secret.write_text("new\n")
        await soon(node.reload())
        second, third = [await connect(node.ports["ws"]) for _ in range(2)]
        assert (await ticket(second, "ann", "old"))[2] == "wamp.error.authentication_denied"
        assert (await ticket(third, "ann", "new"))[0] == 2
        first.requests = 0
        assert await first.call("wamp.session.count") == 2
        for client in (first, third):
            await client.leave()
        await soon(second.ended)

    @asynchronous
    async def test_a_removed_principal_has_to_go(self, bench: Bench) -> None:
        """And one that was just proving who it is does not get in."""
        ann, bob = ({"role": "anonymous", "secret": name} for name in ("a", "b"))
        node = bench.node({"realm1": with_ticket(ann=ann, bob=bob)})
        first, second, proving = [await connect(node.ports["ws"]) for _ in range(3)]
        assert (await ticket(first, "ann", "a"))[0] == 2
        assert (await ticket(second, "bob", "b"))[0] == 2
        proving.send(1, "realm1", {"roles": {"caller": {}}, "authmethods": ["ticket"], "authid": "ann"})
        assert (await proving.receive())[0] == 4
        write(bench.directory, {"realm1": with_ticket(bob=bob)})
        await soon(node.reload())
        assert await first.receive_all() == [REJECTED]
        proving.send(5, "a", {})
        (abort,) = await proving.receive_all()
        assert abort == [3, {"message": "authentication failed"}, "wamp.error.authentication_denied"]
        second.requests = 0
        assert await second.call("wamp.session.count") == 1
        await second.leave()


class TestMistakes:
    @asynchronous
    async def test_are_reported_and_change_nothing(self, bench: Bench) -> None:
        """All of them with file and line, in one report; realms and sessions stay as they were."""
        node = bench.node()
        client = await (await connect(node.ports["ws"])).join()
        configuration = node.configuration
        file = bench.directory / "realms" / "realm1.yaml"
        file.write_text("rolles: {}\nlimits: {sessions: -1}\n")
        await soon(node.reload())
        (report,) = bench.log.lines("error")
        assert report.startswith("configuration not reloaded, the old one stays:\n")
        assert f"{file}:1:1: " in report
        assert "did you mean 'roles'?" in report
        assert f"{file}:2:" in report
        assert node.configuration is configuration
        assert await client.call("wamp.session.count") == 1
        write(bench.directory, {"realm1": OPEN, "realm2": OPEN})
        await soon(node.reload())
        assert sorted(node.directory.realms) == ["realm1", "realm2"]
        await client.leave()

    @asynchronous
    async def test_changes_that_need_a_start_are_named(self, bench: Bench) -> None:
        node = bench.node()
        transports = [{**WEBSOCKET, "path": "/other"}]
        write(bench.directory, None, transports=transports, log={"format": "json"}, goodbye_timeout_ms=77)
        await soon(node.reload())
        assert bench.log.lines("warn") == [
            f"changed {key} in router.yaml: takes effect at the next start"
            for key in ("transports", "log.format")
        ]
        await (await connect(node.ports["ws"])).leave()
        assert node.configuration.node.goodbye_timeout_ms == 77


class TestNewFiles:
    @asynchronous
    async def test_the_realms_directory_moves(self, bench: Bench) -> None:
        """The new one is watched from then on; that the old one vanishes is no problem."""
        node = bench.node(reload_interval_ms=20)
        old = bench.directory / "realms"
        write(bench.directory / "new", {"moved": OPEN})
        (bench.directory / "new" / "router.yaml").unlink()
        write(bench.directory, realms_dir="new/realms", reload_interval_ms=20)
        await until(lambda: list(node.directory.realms) == ["moved"])
        for file in old.iterdir():
            file.unlink()
        old.rmdir()
        (bench.directory / "new" / "realms" / "second.yaml").write_text(yaml.safe_dump(OPEN))
        await until(lambda: sorted(node.directory.realms) == ["moved", "second"])
        for file in (bench.directory / "new" / "realms").iterdir():
            file.unlink()
        (bench.directory / "new" / "realms").rmdir()
        await until(lambda: bench.log.lines("error"))
        assert sorted(node.directory.realms) == ["moved", "second"]


class TestWatching:
    INTERVAL = {"reload_interval_ms": 20}

    async def reloads(self, bench: Bench, count: int = 1) -> None:
        text = "configuration reloaded"
        await until(
            lambda: sum(line.startswith(text) for line in bench.log.lines()) >= count, f"{count} reloads"
        )

    @asynchronous
    async def test_a_new_file_is_noticed(self, bench: Bench) -> None:
        node = bench.node(**self.INTERVAL)
        (bench.directory / "realms" / "realm2.yaml").write_text(yaml.safe_dump(OPEN))
        await self.reloads(bench)
        assert sorted(node.directory.realms) == ["realm1", "realm2"]

    @asynchronous
    async def test_a_changed_and_a_removed_file_are_noticed(self, bench: Bench) -> None:
        node = bench.node({"realm1": OPEN, "realm2": OPEN}, **self.INTERVAL)
        changed = {**OPEN, "limits": {"sessions": 5}}
        (bench.directory / "realms" / "realm1.yaml").write_text(yaml.safe_dump(changed))
        await self.reloads(bench)
        assert node.directory.realms["realm1"].limits.sessions == 5
        (bench.directory / "realms" / "realm2.yaml").unlink()
        await self.reloads(bench, 2)
        assert list(node.directory.realms) == ["realm1"]

    @asynchronous
    async def test_a_file_that_only_a_mistake_names_is_watched(self, bench: Bench) -> None:
        """The secret was missing; that it is there now mends the configuration."""
        node = bench.node(**self.INTERVAL)
        realm = with_ticket(ann={"role": "anonymous", "secret": {"file": "ann.secret"}})
        (bench.directory / "realms" / "realm2.yaml").write_text(yaml.safe_dump(realm))
        await until(lambda: bench.log.lines("error"))
        assert list(node.directory.realms) == ["realm1"]
        secret = bench.directory / "ann.secret"
        secret.touch(0o600)
        secret.write_text("sesame")
        await self.reloads(bench)
        assert sorted(node.directory.realms) == ["realm1", "realm2"]

    @asynchronous
    async def test_a_change_while_the_files_are_read_is_not_lost(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Nobody touches the files again, and still the last change counts."""
        node = bench.node(**self.INTERVAL)
        file = bench.directory / "realms" / "realm1.yaml"
        load, limits = router.reload.load, iter([6, 7])

        def load_and_change(directory: Any, **more: Any) -> Any:
            configuration = load(directory, **more)
            for limit in limits:
                file.write_text(yaml.safe_dump({**OPEN, "limits": {"sessions": limit}}))
                break
            return configuration

        monkeypatch.setattr(router.reload, "load", load_and_change)
        await soon(node.reload())
        await until(lambda: node.directory.realms["realm1"].limits.sessions == 7)

    @asynchronous
    async def test_who_asks_during_a_reload_gets_the_next_one(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As SIGHUP does, where files are not watched."""
        node = bench.node()
        file = bench.directory / "realms" / "realm1.yaml"
        load, asked = router.reload.load, []

        def load_and_ask(directory: Any, **more: Any) -> Any:
            configuration = load(directory, **more)
            if not asked:
                file.write_text(yaml.safe_dump({**OPEN, "limits": {"sessions": 8}}))
                node.reactor.callFromThread(lambda: asked.append(node.reload()))
            return configuration

        monkeypatch.setattr(router.reload, "load", load_and_ask)
        await soon(node.reload())
        await until(lambda: asked)
        await soon(asked[0])
        assert node.directory.realms["realm1"].limits.sessions == 8

    @asynchronous
    async def test_nothing_is_read_while_nothing_changes(self, bench: Bench) -> None:
        bench.node(**self.INTERVAL)
        await sleep(0.2)
        assert not any("reloaded" in line for line in bench.log.lines())

    @asynchronous
    async def test_a_defect_is_logged_and_watching_goes_on(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        node = bench.node(**self.INTERVAL)
        load = router.reload.load
        monkeypatch.setattr(router.reload, "load", lambda directory, **more: 1 / 0)
        await soon(node.reload())
        assert bench.log.take_failures() == ["ZeroDivisionError('division by zero')"]
        monkeypatch.setattr(router.reload, "load", load)
        os.utime(bench.directory / "router.yaml")
        await self.reloads(bench)
        assert list(node.directory.realms) == ["realm1"]
