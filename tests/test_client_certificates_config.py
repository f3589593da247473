"""What a transport's configuration says of clients' certificates, and what is wrong with it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from certificates import Authority

from router.client_certificates import ClientCertificate
from router.config_directory import load
from router.configuration import ConfigurationError

AUTHORITY = Authority("clients")


@pytest.fixture
def read(tmp_path: Path) -> Any:
    """Load a node with one transport that asks so; the endpoint is TLS unless it is given."""

    def load_with(asked: Any, endpoint: str = "", *, tls: Any = None, **more: Any) -> Any:
        pem, key = AUTHORITY.issue("localhost").write(tmp_path, "server")
        endpoint = endpoint or f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={pem}"
        transport = {"type": "rawsocket", "endpoint": endpoint, "client_certificate": asked, **more}
        (tmp_path / "realms").mkdir(exist_ok=True)
        if tls is not None:
            realm = {"roles": {"clerk": {}}, "authentication": {"tls": {"principals": {"ann": tls}}}}
            (tmp_path / "realms" / "realm1.yaml").write_text(yaml.safe_dump(realm))
        (tmp_path / "router.yaml").write_text(yaml.safe_dump({"transports": [transport]}))
        return load(tmp_path, {})

    return load_with


def problem(read: Any, *arguments: Any) -> tuple[str, str]:
    with pytest.raises(ConfigurationError) as raised:
        read(*arguments)
    (found,) = raised.value.problems
    return found.path, found.message


def test_the_file_is_beside_the_configuration_and_watched(read: Any, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(AUTHORITY.pem + AUTHORITY.pem)
    configuration = read({"authorities": "ca.pem", "required": True})
    (transport,) = configuration.node.transports
    assert transport.client_certificate == ClientCertificate(authorities=f"{tmp_path}/ca.pem", required=True)
    assert tmp_path / "ca.pem" in configuration.files


def test_anybodys(read: Any) -> None:
    assert read({}).node.transports[0].client_certificate == ClientCertificate()


def test_without_tls(read: Any) -> None:
    path, message = problem(read, {}, "tcp:0:interface=127.0.0.1")
    assert (path, message) == (
        "transports[0].client_certificate",
        "only an ssl: endpoint can ask for a certificate",
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "can't be read: No such file or directory"), ("nothing", "holds no certificate in PEM")],
)
def test_a_file_of_none(read: Any, tmp_path: Path, content: str | None, message: str) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    path, text = problem(read, {"authorities": "ca.pem"})
    assert path == "transports[0].client_certificate.authorities"
    assert text == f"{tmp_path}/ca.pem {message}"


class TestWarnings:
    PINNED = {"role": "clerk", "fingerprints": ["ab" * 32]}
    NAMED = {"role": "clerk", "subjects": ["CN:ann"]}

    def warnings(self, read: Any, *arguments: Any, **more: Any) -> list[tuple[str, str]]:
        found = [(warning.path, warning.message) for warning in read(*arguments, **more).warnings]
        return [(path, text) for path, text in found if path.startswith("authentication.tls")]

    def test_nobody_asks(self, read: Any) -> None:
        text = "no transport of this realm asks for certificates: set its client_certificate in router.yaml"
        assert self.warnings(read, None, tls=self.PINNED) == [("authentication.tls", text)]

    def test_nobody_asks_on_this_realms_transports(self, read: Any, tmp_path: Path) -> None:
        (tmp_path / "realms").mkdir()
        (tmp_path / "realms" / "other.yaml").write_text("{}")
        ((path, _),) = self.warnings(read, {}, tls=self.PINNED, realms=["other"])
        assert path == "authentication.tls"

    def test_nobody_vouches_for_names(self, read: Any) -> None:
        text = "no transport of this realm names the authorities that sign certificates"
        assert self.warnings(read, {}, tls=self.NAMED) == [
            ("authentication.tls.principals.ann.subjects", f"{text}: these names count nowhere")
        ]

    def test_all_is_well(self, read: Any, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_bytes(AUTHORITY.pem)
        assert self.warnings(read, {}, tls=self.PINNED) == []
        assert self.warnings(read, {"authorities": "ca.pem"}, tls=self.NAMED, realms=["realm1"]) == []
