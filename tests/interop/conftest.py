"""Routers for the whole run, and what every test answers for: no error of the router's own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_programs import SOURCES, NodePrograms, install
from router_configuration import write_certificate, write_configuration
from router_process import RouterProcess, twistd


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a certificate for localhost; its key lies beside it, and those of clients."""
    directory = tmp_path_factory.mktemp("certificate")
    write_certificate(directory / "certificate.pem", directory / "key.pem")
    for name in ("frank", "stranger"):
        write_certificate(directory / f"{name}.pem", directory / f"{name}.key")
    return directory / "certificate.pem"


@pytest.fixture(scope="session", params=["uvloop", "default"])
def running_router(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, certificate: Path
) -> Iterator[RouterProcess]:
    """One router for all tests, on each of two reactors."""
    directory = tmp_path_factory.mktemp(f"router-{request.param}")
    configuration = write_configuration(
        directory / "config", certificate, certificate.with_name("key.pem"), directory / "socket"
    )
    with twistd(configuration, directory, request.param) as router:
        yield router
    router.assert_ended_well()


@pytest.fixture
def router(running_router: RouterProcess) -> Iterator[RouterProcess]:
    """The running router; the test fails if it logs an error of its own meanwhile."""
    before = len(running_router.lines)
    yield running_router
    running_router.assert_no_defect(before)


@pytest.fixture(scope="session")
def node(request: pytest.FixtureRequest) -> NodePrograms:
    """The clients, installed, with the programs of this directory beside them."""
    programs = install(request.config.cache.mkdir("interop-node"))
    for source in SOURCES.glob("*.mjs"):
        shutil.copy(source, programs.directory)
    return programs
