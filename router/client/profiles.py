"""
Profiles: routers by name, in ``client.yaml``, so that a command line needs no more than ``--profile NAME``.

The file is ``$XDG_CONFIG_HOME/concord/client.yaml`` (``~/.config/concord/client.yaml``) unless
``--profiles`` names another. It is checked as the router's own files are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from router.client.failures import UsageError
from router.client.outputs import note
from router.configuration import (
    Document,
    Secret,
    SecretSources,
    Section,
    did_you_mean,
    path_text,
    read,
)

Name = Annotated[str, Meta(title="profile")]


class Profile(Section, frozen=True, kw_only=True):
    """One router, and how to join there; what the command line says comes first."""

    url: Annotated[str | None, Meta(description="Of the router.", examples=["wss://example.com/ws"])] = None
    realm: Annotated[str | None, Meta(description="To join.")] = None
    serializer: Annotated[
        Literal["json", "msgpack", "cbor"] | None, Meta(description="What messages are written in.")
    ] = None
    authmethod: Annotated[
        tuple[str, ...], Meta(description="Authentication methods to offer, in order of preference.")
    ] = ()
    authid: Annotated[str | None, Meta(description="Who joins.")] = None
    authrole: Annotated[str | None, Meta(description="The role to ask for.")] = None
    secret: Annotated[
        Secret | None, Meta(description="Ticket, password or private key, as the method wants it.")
    ] = None
    channel_binding: Annotated[
        Literal["tls-unique"] | None, Meta(description="What binds cryptosign to the TLS connection.")
    ] = None
    tls_ca: Annotated[str | None, Meta(description="File of the certificates that are trusted.")] = None
    tls_cert: Annotated[str | None, Meta(description="File of this client's certificate.")] = None
    tls_key: Annotated[str | None, Meta(description="File of its key.")] = None
    cookie_file: Annotated[str | None, Meta(description="File that keeps cookies.")] = None
    header: Annotated[tuple[str, ...], Meta(description="Headers of a WebSocket's request.")] = ()
    connect_timeout_ms: Annotated[
        int, Meta(description="Time to connect and join in.", ge=1, le=86_400_000)
    ] = 10_000


class Profiles(Section, frozen=True, kw_only=True):
    """Profiles by name; ``default`` is used where a file is named, but no profile."""

    profiles: Annotated[dict[Name, Profile], Meta(description="Routers by name.")] = {}


def profile(file: str | None, name: str | None, environ: Mapping[str, str]) -> dict[str, Any]:
    """
    Give what the profile ``name`` says, secrets resolved: key -> value, without what it leaves out.

    Raises:
        UsageError: the file has a mistake, with its place, or no such profile.
    """
    path = Path(file).expanduser() if file else default_file(environ)
    name = name or "default"
    document: Document[Profiles] = read(path, Profiles, {Secret: SecretSources(path.parent, environ).read})
    own = path_text(("profiles", name))
    # What is wrong with another profile, as a secret that is not there now, is nothing to this one.
    problems = [one for one in document.problems if one.path.startswith(own) or "." not in one.path]
    if problems:
        raise UsageError("\n".join(map(str, problems)))
    for warning in document.warnings:
        if warning.path.startswith(own):
            note(str(warning))
    found = document.values.get(("profiles", name))
    if not isinstance(found, Profile):
        names = document.names.get(("profiles",), [])
        raise UsageError(f"{path}: unknown profile '{name}'{did_you_mean(name, names)}")
    values = {key: getattr(found, key) for key in Profile.__struct_fields__}
    return {
        key: value.reveal() if isinstance(value, Secret) else value
        for key, value in values.items()
        if value is not None
    }


def default_file(environ: Mapping[str, str]) -> Path:
    """Give where profiles are kept."""
    home = environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home, "concord", "client.yaml")
