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

    def load_with(asked: Any, endpoint: str = "") -> Any:
        pem, key = AUTHORITY.issue("localhost").write(tmp_path, "server")
        endpoint = endpoint or f"ssl:0:interface=127.0.0.1:privateKey={key}:certKey={pem}"
        transport = {"type": "rawsocket", "endpoint": endpoint, "client_certificate": asked}
        (tmp_path / "realms").mkdir(exist_ok=True)
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
