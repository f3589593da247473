"""router.yaml, endpoint strings, and a configuration directory as a whole."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from msgspec.structs import replace

from realms.config import RealmConfig
from realms.dstm.config import DstmConfig, SpaceConfig
from realms.permissions import compile_roles
from router import endpoint_strings
from router.config_directory import (
    DEFAULT_DIRECTORY,
    Configuration,
    load,
    reference_page,
    scaffold,
    schemas,
)
from router.configuration import ConfigurationError, Problem
from router.node_config import NodeConfig, RawSocketTransport, WebSocketTransport
from router.wamp.uris import RESERVED

OPEN = """\
roles:
  guest:
    permissions:
      - {uri: "", match: prefix, allow: [call, register, publish, subscribe]}
authentication: {anonymous: {role: guest}}
"""
CLOSED = OPEN.replace("call, register, publish, subscribe", "call, subscribe")


def write(directory: Path, router: str = "", **realms: str) -> Path:
    (directory / "realms").mkdir(exist_ok=True)
    (directory / "router.yaml").write_text(router)
    for name, text in realms.items():
        (directory / "realms" / f"{name}.yaml").write_text(text)
    return directory


def problems(directory: Path, environ: dict[str, str] | None = None) -> list[Problem]:
    with pytest.raises(ConfigurationError) as raised:
        load(directory, environ or {})
    return raised.value.problems


def transport(text: str) -> str:
    return f"transports:\n- type: websocket\n  {text}\n"


class TestShipped:
    def test_what_is_shipped_are_the_defaults(self) -> None:
        configuration = load(DEFAULT_DIRECTORY, {})
        assert configuration.node == NodeConfig()
        (warning,) = configuration.warnings
        assert (warning.path, warning.message[:19]) == ("roles.anonymous", "may do everything t")
        realm = configuration.realms["realm1"]
        demo = DstmConfig(spaces={"demo": SpaceConfig(log="memory")})
        unset = RealmConfig(name="realm1", roles=realm.roles, authentication=realm.authentication)
        management = replace(unset.management, roles=("anonymous",))
        assert realm == replace(unset, extensions={"dstm": demo}, management=management)

    @pytest.mark.parametrize(
        ("action", "uri", "is_allowed"),
        [
            ("call", "concord.stats", True),
            ("subscribe", "concord.stats", True),
            ("publish", "concord.stats", False),
            ("call", "concord.kill", False),
            ("call", "concord.reload", False),
            ("subscribe", "concord.log", False),
            ("call", "dstm.drop", False),
            ("call", "dstm.demo.commit", True),
        ],
    )
    def test_what_anonymous_clients_may_there(self, action: Any, uri: str, is_allowed: bool) -> None:
        """The realm's numbers are for everybody, managing it is not."""
        roles = compile_roles(load(DEFAULT_DIRECTORY, {}).realms["realm1"].roles, "loose", 512, RESERVED)
        grant = roles["anonymous"].judge(action, uri, "exact").grant
        assert (grant.error is None) is is_allowed

    @pytest.mark.parametrize(("kind", "name"), [("router", "router.yaml"), ("realm", "realms/realm1.yaml")])
    def test_every_key_is_shown(self, kind: str, name: str) -> None:
        text = (DEFAULT_DIRECTORY / name).read_text()
        definitions = schemas()[kind]["$defs"]
        keys = {key for definition in definitions.values() for key in definition.get("properties", ())}
        assert {key for key in keys if f"{key}:" not in text} == set()

    def test_the_examples_in_comments_are_valid(self, tmp_path: Path) -> None:
        """Every commented-out section of the realm's file can be put in as it is."""
        text = (DEFAULT_DIRECTORY / "realms/realm1.yaml").read_text()
        lines = text.splitlines()
        keys = (
            "frontend:",
            "ticket:",
            "wampcra:",
            "scram:",
            "cryptosign:",
            "tls:",
            "signature:",
            "heartbeat:",
        )
        starts = [i for i, line in enumerate(lines) if line.strip(" #") in keys]
        for start in starts:
            for i in range(start, len(lines)):
                if not lines[i].lstrip().startswith("#"):
                    break
                lines[i] = lines[i].replace("# ", "", 1)
        write(tmp_path, "", realm1="\n".join(lines))
        (tmp_path / "secrets").mkdir()
        names = {"alice": "x", "carol.key": "A" * 43 + "=", "router.key": "ab" * 32, "shop.key": "z"}
        for name in ("stored", "server", "autobahn.stored", "autobahn.server"):
            names[f"erin.{name}"] = "A" * 43 + "="
        for name, secret in names.items():
            (tmp_path / "secrets" / name).write_text(secret)
            (tmp_path / "secrets" / name).chmod(0o600)
        realm = load(tmp_path, {"BOB_SECRET": "y"}).realms["realm1"]
        assert len(starts) == 8
        assert set(realm.roles) == {"anonymous", "frontend"}
        assert realm.authentication.ticket is not None
        assert realm.authentication.wampcra is not None
        assert set(realm.authentication.wampcra.principals) == {"bob", "carol"}
        assert realm.authentication.scram is not None
        assert realm.authentication.tls is not None
        assert realm.authentication.cryptosign is not None
        assert set(realm.authentication.cryptosign.principals) == {"dora"}
        assert realm.heartbeat is not None

    def test_the_reference_page_is_current(self) -> None:
        """
        If not: python -c "from router.config_directory import reference_page as r; print(r(), end='')"
        > docs/configuration.md
        """
        page = Path(__file__).parents[1] / "docs" / "configuration.md"
        assert page.read_text() == reference_page()

    def test_the_schemas_accept_the_defaults_as_msgspec_does(self) -> None:
        """What our own walk takes, msgspec takes too."""
        content = yaml.safe_load((DEFAULT_DIRECTORY / "router.yaml").read_text())
        assert msgspec.convert(content, NodeConfig) == NodeConfig()
        assert set(schemas()) == {"router", "realm"}


class TestScaffold:
    def test_writes_the_shipped_files(self, tmp_path: Path) -> None:
        files = scaffold(tmp_path / "new" / "config")
        assert [str(file.relative_to(tmp_path / "new/config")) for file in files] == [
            "realms/realm1.yaml",
            "router.yaml",
        ]
        assert load(tmp_path / "new" / "config", {}).node == NodeConfig()

    def test_overwrites_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "router.yaml").write_text("mine")
        with pytest.raises(FileExistsError, match=r"router\.yaml is there already: nothing was written"):
            scaffold(tmp_path)
        assert (tmp_path / "router.yaml").read_text() == "mine"
        assert not (tmp_path / "realms").exists()


def test_example_problems(tmp_path: Path) -> None:
    """Five mistakes in three files are five problems, each on its line."""
    write(
        tmp_path,
        "log:\n  levle: info\ntransports:\n- type: websocket\n  endpoint: tpc:8080\n",
        shop=(
            "roles:\n  frontend:\n    permissions:\n      - uri: com.shop.\n        match: prefix\n"
            "        allow: [call, subscibe]\n"
        ),
        office=(
            "roles:\n  clerk: {}\n\nauthentication:\n  anonymous:\n    role: clrk\nlimits:\n  sessions: 0\n"
        ),
    )
    expected = [
        "realms/office.yaml:6:11: authentication.anonymous.role: unknown role 'clrk': did you mean 'clerk'?",
        "realms/office.yaml:8:13: limits.sessions: must be 1 to 10000000, got 0",
        "realms/shop.yaml:6:23: roles.frontend.permissions[0].allow[1]: unknown permission 'subscibe': "
        "did you mean 'subscribe'?",
        "router.yaml:2:3: log.levle: unknown key 'levle': did you mean 'level'?",
        "router.yaml:5:13: transports[0].endpoint: unknown endpoint type 'tpc': did you mean 'tcp'?",
    ]
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path, {})
    assert str(raised.value).replace(f"{tmp_path}/", "").splitlines() == expected


class TestNode:
    @pytest.mark.parametrize(
        ("text", "path", "message"),
        [
            (
                transport("name: a b"),
                "transports[0].name",
                "must be of letters, digits, '_', '.' and '-', got 'a b'",
            ),
            (transport("path: ws"), "transports[0].path", "must be a URL's path, as /ws, got 'ws'"),
            (
                transport("message_limit_bytes: 1023"),
                "transports[0].message_limit_bytes",
                "must be 1024 to 536870912, got 1023",
            ),
            (
                transport("serializers: []"),
                "transports[0].serializers",
                "must have at least 1 entries, got 0",
            ),
            (
                transport("serializers: [json, json]"),
                "transports[0].serializers",
                "the same serializer is listed twice",
            ),
            (
                transport("serializers: [yson]"),
                "transports[0].serializers[0]",
                "unknown serializer 'yson': did you mean 'json'?",
            ),
            (transport("trusted_proxies: [1.2.3]"), "transports[0].trusted_proxies[0]", None),
            (
                transport("trusted_proxies: [localhost]"),
                "transports[0].trusted_proxies[0]",
                "must be an IP address or a network as 10.0.0.0/8, got 'localhost'",
            ),
            (
                transport("realms: [relam]"),
                "transports[0].realms[0]",
                "unknown realm 'relam': did you mean 'realm'?",
            ),
            (
                "transports:\n- {type: rawsocket, message_limit_bytes: 1000}",
                "transports[0].message_limit_bytes",
                "must be a power of two (WAMP 'RawSocket Transport'), got 1000: the next is 1024",
            ),
            ("transports:\n- {type: rawsocket, path: /ws}", "transports[0].path", None),
            ("transports: []", "transports", "must have at least 1 entries, got 0"),
            ("log: {level: warning}", "log.level", "unknown level 'warning': did you mean 'warn'?"),
        ],
    )
    def test_problems(self, tmp_path: Path, text: str, path: str, message: str | None) -> None:
        found = problems(write(tmp_path, text, realm=CLOSED))
        assert [p.path for p in found] == [path]
        assert message in (found[0].message, None)

    def test_transports_have_names_and_pages_are_absolute(self, tmp_path: Path) -> None:
        (tmp_path / "web").mkdir()
        text = (
            transport("page: web\n  trusted_proxies: ['::1', 10.0.0.1/8]")
            + "- {type: rawsocket, endpoint: tcp:0, name: raw}\n"
        )
        first, second = load(write(tmp_path, text, realm=CLOSED), {}).node.transports
        assert isinstance(first, WebSocketTransport)
        assert isinstance(second, RawSocketTransport)
        assert (first.name, first.page, second.name) == ("websocket-1", str(tmp_path / "web"), "raw")

    def test_a_page_that_is_no_directory(self, tmp_path: Path) -> None:
        found = problems(write(tmp_path, transport("page: dfault"), realm=CLOSED))
        assert [str(p) for p in found] == [
            f"{tmp_path}/router.yaml:3:9: transports[0].page: no directory {tmp_path}/dfault "
            "(allowed: default, none, or a directory)"
        ]

    def test_two_things_at_one_path(self, tmp_path: Path) -> None:
        found = problems(write(tmp_path, transport("longpoll: {path: /ws}"), realm=CLOSED))
        assert [(p.path, p.message) for p in found] == [
            ("transports[0].longpoll", "its path /ws is also that of path")
        ]

    def test_the_same_name_or_address_twice(self, tmp_path: Path) -> None:
        text = (
            "transports:\n"
            "- {type: websocket, endpoint: 'tcp:8080:interface=127.0.0.1', name: rawsocket-2}\n"
            "- {type: rawsocket, endpoint: 'tcp:port=8080:interface=127.0.0.1'}\n"
            "- {type: rawsocket}\n"
            "- {type: rawsocket}\n"
        )
        found = problems(write(tmp_path, text, realm=CLOSED))
        assert [(p.line, p.path, p.message) for p in found] == [
            (3, "transports[1].name", "the same transport name as transports[0] on line 2"),
            (3, "transports[1].endpoint", "the same endpoint as transports[0] on line 2"),
            (5, "transports[3].endpoint", "the same endpoint as transports[2] on line 4"),
        ]

    def test_any_free_port_can_be_asked_for_twice(self, tmp_path: Path) -> None:
        text = "transports:\n" + "- {type: rawsocket, endpoint: 'tcp:0'}\n" * 2
        assert len(load(write(tmp_path, text, realm=CLOSED), {}).node.transports) == 2


class TestEndpoints:
    @pytest.mark.parametrize(
        ("endpoint", "message"),
        [
            ("tcp:http", "the port must be a number, as in 'tcp:8080', got 'http'"),
            ("tcp:", "the port must be a number, as in 'tcp:8080', got ''"),
            ("tcp:65536", "the port must be 0 to 65535, got 65536"),
            ("tcp:80:interfce=::1", "endpoint type 'tcp' has no option 'interfce'"),
            ("tcp:80\\", "the port must be a number, as in 'tcp:8080', got"),
            ("", "unknown endpoint type '' (allowed: tcp, tcp6, ssl, unix, systemd, haproxy)"),
            ("ssl:443:privateKey=/no/key.pem", "/no/key.pem can't be read: No such file or directory"),
            ("systemd:domain=INET", "not a Twisted server endpoint: Specify exactly one of descriptor"),
        ],
    )
    def test_problems(self, endpoint: str, message: str) -> None:
        assert (endpoint_strings.problem(endpoint) or "").startswith(message)

    @pytest.mark.parametrize(
        "endpoint",
        ["tcp:0", "tcp:8080:interface=127.0.0.1", "tcp6:80", "unix:/run/x", "systemd:domain=INET:index=0"],
    )
    def test_no_problem(self, endpoint: str) -> None:
        assert endpoint_strings.problem(endpoint) is None

    @pytest.mark.parametrize(
        ("endpoint", "expected"),
        [
            ("tcp:80", False),
            ("tcp:80:interface=127.0.0.1", True),
            ("tcp:80:127.0.0.1", True),
            ("tcp:80:interface=127.9.9.9", True),
            ("tcp:80:interface=0.0.0.0", False),
            ("tcp:80:interface=localhost", True),
            ("tcp:80:interface=example.com", False),
            (r"tcp:80:interface=\:\:1", True),
            (r"tcp6:80:interface=\:\:1", True),
            (r"tcp6:80:interface=\:\:", False),
            ("ssl:443:interface=127.0.0.1:privateKey=k.pem", True),
            ("ssl:443:k.pem", False),
            ("haproxy:tcp:80:interface=127.0.0.1", True),
            ("haproxy:tcp:80", False),
            ("unix:/run/x", True),
            ("systemd:domain=UNIX:index=0", True),
            ("systemd:domain=INET:index=0", False),
            ("onion:80", False),
        ],
    )
    def test_loopback(self, endpoint: str, expected: bool) -> None:
        assert endpoint_strings.is_loopback(endpoint) is expected

    def test_parts(self) -> None:
        assert endpoint_strings.parse(r"unix:/a\:b\\:mode=6=0:") == ("unix", ["/a:b\\", ""], {"mode": "6=0"})
        assert endpoint_strings.parse("tcp:80\\:").arguments == ["80:"]

    def test_addresses(self) -> None:
        assert endpoint_strings.address("tcp:80") == endpoint_strings.address("ssl:80:interface=0.0.0.0")
        assert endpoint_strings.address("tcp:80") != endpoint_strings.address("tcp6:80")
        assert endpoint_strings.address("unix:/a") == endpoint_strings.address("unix:address=/a")
        assert endpoint_strings.address("systemd:a") == ("systemd:a",)

    def test_keys_and_certificates_are_files(self) -> None:
        found = endpoint_strings.files("ssl:443:privateKey=/k.pem:certKey=/c.pem:extraCertChain=/x.pem")
        assert found == [Path("/k.pem"), Path("/c.pem"), Path("/x.pem")]
        assert endpoint_strings.files("tcp:80") == []


class TestAnonymousAccess:
    PUBLIC = transport("endpoint: tcp:8080")

    def test_with_full_rights_is_refused_where_others_connect(self, tmp_path: Path) -> None:
        found = problems(write(tmp_path, self.PUBLIC, a=OPEN, b=OPEN, c=CLOSED))
        assert [(p.line, p.column, p.path) for p in found] == [(3, 13, "transports[0].endpoint")] * 2
        assert "'a' (roles.guest, " in found[0].message
        assert "realms/a.yaml:2)" in found[0].message
        assert found[0].message.endswith("or set allow_anonymous_full_access: true")

    @pytest.mark.parametrize(
        "text",
        [
            PUBLIC + "  allow_anonymous_full_access: true\n",
            PUBLIC + "  realms: [b]\n",
            transport("endpoint: tcp:8080:interface=127.0.0.1"),
            transport("path: /"),
        ],
    )
    def test_is_allowed(self, tmp_path: Path, text: str) -> None:
        configuration = load(write(tmp_path, text, a=OPEN, b=CLOSED), {})
        assert set(configuration.realms) == {"a", "b"}


class TestDirectory:
    def test_a_realm_named_in_two_files(self, tmp_path: Path) -> None:
        found = problems(write(tmp_path, "", a=CLOSED, b=CLOSED + "name: a\n"))
        assert [(p.file, p.line, p.path, p.message) for p in found] == [
            (f"{tmp_path}/realms/b.yaml", 6, "name", f"the realm 'a' is also in {tmp_path}/realms/a.yaml:1")
        ]

    def test_problems_of_one_file_do_not_hide_those_between_files(self, tmp_path: Path) -> None:
        found = problems(write(tmp_path, "", a="name: x\nlimit: 1\n", b="name: x\nlimits: 1\n"))
        assert [(Path(p.file).name, p.line) for p in found] == [("a.yaml", 2), ("b.yaml", 1), ("b.yaml", 2)]

    def test_files_that_are_no_realms_are_left_alone(self, tmp_path: Path) -> None:
        write(tmp_path, "", a=CLOSED)
        for name in (".b.yaml", "c.yaml~", "d.txt"):
            (tmp_path / "realms" / name).write_text("[")
        (tmp_path / "realms" / "e.yml").write_text(CLOSED)
        assert set(load(tmp_path, {}).realms) == {"a", "e"}

    def test_no_realm_is_a_warning(self, tmp_path: Path) -> None:
        (warning,) = load(write(tmp_path), {}).warnings
        assert warning.path == "realms_dir"
        assert "this router serves no realm" in warning.message

    def test_missing_directories_and_files(self, tmp_path: Path) -> None:
        (missing,) = problems(tmp_path / "none")
        assert str(missing) == f"{tmp_path}/none:1:1: no such directory: 'concord init DIR' writes one"
        assert [p.path for p in problems(tmp_path)] == ["", "realms_dir"]

    def test_everything_that_was_read_is_named(self, tmp_path: Path) -> None:
        secret = tmp_path / "key"
        secret.write_text("x")
        realm = CLOSED.replace(
            "{anonymous: {role: guest}}",
            "{ticket: {principals: {joe: {role: guest, secret: {file: key}}}}}",
        )
        configuration = load(write(tmp_path, "realms_dir: realms", a=realm), {})
        assert isinstance(configuration, Configuration)
        assert configuration.directory == tmp_path
        assert configuration.realms_directory == tmp_path / "realms"
        assert configuration.files == (tmp_path / "router.yaml", tmp_path / "realms/a.yaml", secret)

    def test_an_error_names_what_was_read_too(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError) as raised:
            load(write(tmp_path, "x: 1", a=CLOSED), {})
        assert raised.value.files == (tmp_path / "router.yaml", tmp_path / "realms/a.yaml")

    def test_relative_paths_are_shown_and_absolute_ones_returned(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path, "", a=CLOSED)
        monkeypatch.chdir(tmp_path)
        assert load(Path("."), {}).files[0] == tmp_path / "router.yaml"
        (tmp_path / "router.yaml").write_text("x: 1")
        assert problems(Path("."))[0].file == "router.yaml"


def test_equal_files_give_equal_configurations(tmp_path: Path) -> None:
    """A reload compares what it has with what it reads."""
    realm = CLOSED.replace(
        "{anonymous: {role: guest}}", "{ticket: {principals: {joe: {role: guest, secret: {env: JOE}}}}}"
    )
    write(tmp_path, "", a=realm)
    first: Any = load(tmp_path, {"JOE": "x"})
    assert load(tmp_path, {"JOE": "x"}) == first
    assert load(tmp_path, {"JOE": "y"}).realms["a"] != first.realms["a"]
