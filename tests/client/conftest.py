"""One router for all tests of the client, with every transport and every method of authentication."""

from collections.abc import Iterator

import pytest
import yaml
from client_realm import CLOSED, realm
from client_router import ROUTER, ClientRouter
from client_tls import write_certificate
from processes import Running


@pytest.fixture(scope="session")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClientRouter]:
    """The running router; it fails the run if it logged an error of its own."""
    directory = tmp_path_factory.mktemp("client")
    certificate, key = directory / "certificate.pem", directory / "key.pem"
    write_certificate(certificate, key)
    (directory / "config" / "realms").mkdir(parents=True)
    text = ROUTER.format(certificate=certificate, key=key, socket=directory / "socket")
    (directory / "config" / "router.yaml").write_text(text)
    (directory / "config" / "realms" / "realm1.yaml").write_text(yaml.safe_dump(realm(directory)))
    (directory / "config" / "realms" / "closed.yaml").write_text(yaml.safe_dump(CLOSED))
    with Running("concord", "run", "-c", "config", cwd=directory) as running:
        running.until("realms: ")
        yield ClientRouter(running, directory, certificate)
        assert running.stop() == 0
    assert "Traceback" not in running.text, running.text
