"""The section ``webhooks``: what is refused, and which addresses are public."""

from pathlib import Path

import pytest
import yaml

from realms.config import RealmConfig, read_realm
from realms.webhook_config import Retry, Webhook, is_public, key_of
from router.config_directory import DEFAULT_DIRECTORY
from router.configuration import Document, Secret, SecretSources

HOOK = {"topic": "com.example.news", "role": "user", "url": "https://example.com/hook", "secret": "key"}


def read(directory: Path, *hooks: dict[str, str], before: str = "") -> Document[RealmConfig]:
    entries = ["{" + ", ".join(f"{key}: {value}" for key, value in hook.items()) + "}" for hook in hooks]
    file = directory / "shop.yaml"
    file.write_text(f"roles: {{user: {{}}}}\n{before}\nwebhooks: [{', '.join(entries)}]\n")
    return read_realm(file, SecretSources(directory, {}))


def test_a_webhook(tmp_path: Path) -> None:
    document = read(tmp_path, HOOK, {**HOOK, "name": "second", "match": "prefix", "topic": "com."})
    assert document.problems == []
    assert document.value is not None
    first, second = document.value.webhooks
    assert (first.topic, first.match, first.name) == ("com.example.news", "exact", "")
    assert (second.name, second.match) == ("second", "prefix")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"url": "ftp://example.com/"}, "webhooks[0].url: must be a URL as https://example.com/hook"),
        ({"url": "example.com"}, "must be a URL"),
        ({"url": "'https:///hook'"}, "must be a URL"),
        ({"url": "'https://[::1/'"}, "must be a URL"),
        ({"url": "'https://example.com:99999/'"}, "must be a URL"),
        ({"url": "'https://example.com/a b'"}, "must be a URL"),
        ({"url": "'https://user:pw@example.com/'"}, "must have no user and no fragment"),
        ({"url": "'https://example.com/#x'"}, "must have no user and no fragment"),
        ({"url": "http://127.0.0.1:8000/"}, "127.0.0.1 is no public address: set allow_private_addresses"),
        ({"url": "'http://[::1]/'"}, "::1 is no public address"),
        ({"url": "http://localhost/"}, "localhost is no public address"),
        ({"topic": "'com..news'"}, "webhooks[0].topic: 'com..news' is no valid URI for match 'exact'"),
        ({"role": "usr"}, "unknown role 'usr': did you mean 'user'?"),
        ({"secret": "whsec_!"}, "webhooks[0].secret: what follows whsec_ must be Base64"),
        ({"secret": "whsec_"}, "webhooks[0].secret: what follows whsec_ must be Base64"),
        ({"attempts": "3"}, "attempts"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, change: dict[str, str], problem: str) -> None:
    document = read(tmp_path, {**HOOK, **change})
    assert any(problem in str(found) for found in document.problems), document.problems


def test_the_realms_rules_of_uris_hold(tmp_path: Path) -> None:
    document = read(tmp_path, {**HOOK, "topic": "com.Example"}, before="uri_check: strict")
    assert "uri_check: strict" in str(document.problems[0])


def test_names_are_unique(tmp_path: Path) -> None:
    document = read(tmp_path, HOOK, {**HOOK, "name": "webhook-1"})
    assert "'webhook-1' is also that of webhooks[0]" in str(document.problems[0])


def test_private_addresses_where_they_are_meant(tmp_path: Path) -> None:
    hook = {**HOOK, "url": "http://127.0.0.1:8000/", "allow_private_addresses": "true"}
    assert read(tmp_path, hook).problems == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::1", False),
        ("::", False),
        ("fe80::1", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_keys() -> None:
    assert key_of("plain") == b"plain"
    assert key_of("whsec_a2V5") == b"key"


def test_the_shipped_comment_is_true() -> None:
    """It can be put in as it is, and shows the defaults of every key that has one."""
    lines = (DEFAULT_DIRECTORY / "realms" / "realm1.yaml").read_text().splitlines()
    start = lines.index("webhooks: []") + 1
    end = next(i for i in range(start, len(lines)) if not lines[i].startswith("#"))
    (shown,) = yaml.safe_load("\n".join(line.removeprefix("# ") for line in lines[start:end]))
    retry = shown.pop("retry")
    assert set(shown) | {"retry"} == set(Webhook.__struct_fields__)
    assert retry == {name: getattr(Retry(), name) for name in Retry.__struct_fields__}
    given = Webhook(topic=shown["topic"], role=shown["role"], url=shown["url"], secret=Secret("x"))
    defaults = ("timeout_ms", "parallel", "queue", "queue_bytes", "allow_private_addresses")
    assert {name: shown[name] for name in defaults} == {name: getattr(given, name) for name in defaults}
