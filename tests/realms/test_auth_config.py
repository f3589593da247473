"""What stands under ``authentication`` in a realm's file, and what is wrong with it."""

from pathlib import Path
from typing import Any

import pytest

from realms.config import RealmConfig, read_realm
from router.configuration import Document, SecretSources

KEY = "00" * 32
OPENSSH = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43


@pytest.fixture
def realm(tmp_path: Path) -> Any:
    """Read a realm with the roles a and b, and these lines under ``authentication``."""

    def read(*lines: str) -> Document[RealmConfig]:
        file = tmp_path / "realm1.yaml"
        file.write_text("\n".join(("roles: {a: {}, b: {}}", "authentication:", *(f"  {x}" for x in lines))))
        return read_realm(file, SecretSources(tmp_path))

    return read


def messages(document: Document[RealmConfig]) -> list[tuple[int, str, str]]:
    return [(problem.line, problem.path, problem.message) for problem in sorted(document.problems)]


class TestExpiry:
    @pytest.mark.parametrize("text", ["2027-01-31T12:00:00Z", "2027-01-31T12:00:00+02:00"])
    def test_a_time(self, realm: Any, text: str) -> None:
        document = realm(f"ticket: {{principals: {{joe: {{role: a, secret: x, expires: '{text}'}}}}}}")
        assert document.problems == []
        assert document.value.authentication.ticket.principals["joe"].expires == text
        assert not document.value.authentication.ticket.principals["joe"].expired()

    @pytest.mark.parametrize("text", ["tomorrow", "2027-01-31T12:00:00", "2027-01-31", "12:00Z", ""])
    def test_what_is_none(self, realm: Any, text: str) -> None:
        """A time without its offset would mean another moment on another machine."""
        document = realm(f"ticket: {{principals: {{joe: {{role: a, secret: x, expires: '{text}'}}}}}}")
        message = f"must be a time with its offset, as 2027-01-31T12:00:00Z, got '{text}'"
        assert messages(document) == [(3, "authentication.ticket.principals.joe.expires", message)]

    def test_without_quotes(self, realm: Any) -> None:
        document = realm("ticket: {principals: {joe: {role: a, secret: x, expires: 2027-01-31T12:00:00Z}}}")
        ((_, _, message),) = messages(document)
        assert message.endswith("(which YAML reads as timestamp): put it in quotes")


class TestCryptosign:
    def test_in_full(self, realm: Any) -> None:
        document = realm(
            "cryptosign:",
            "  principals:",
            f"    joe: {{role: a, authorized_keys: ['{KEY}', '{'01' * 32}']}}",
            "  trusted_keys:",
            f"    - {{role: b, keys: ['{'02' * 32}']}}",
            f"  router_key: '{KEY}'",
        )
        assert document.problems == []
        section = document.value.authentication.cryptosign
        assert section.principals["joe"].authorized_keys == (KEY, "01" * 32)
        assert (section.trusted_keys[0].role, section.trusted_keys[0].keys) == ("b", ("02" * 32,))
        assert section.router_key.reveal() == KEY

    def test_a_key_that_is_none(self, realm: Any) -> None:
        document = realm(f"cryptosign: {{principals: {{joe: {{role: a, authorized_keys: ['{KEY[1:]}']}}}}}}")
        ((_, path, message),) = messages(document)
        assert path == "authentication.cryptosign.principals.joe.authorized_keys[0]"
        assert message == (
            f"must be an Ed25519 public key: 64 hexadecimal digits, or 'ssh-ed25519 AAAA...', got '{KEY[1:]}'"
        )

    def test_no_key(self, realm: Any) -> None:
        document = realm("cryptosign: {principals: {joe: {role: a, authorized_keys: []}}}")
        ((_, _, message),) = messages(document)
        assert message == "must have at least 1 entries, got 0"

    def test_a_key_of_two(self, realm: Any) -> None:
        """It would tell neither, in whatever spelling."""
        document = realm(
            "cryptosign:",
            "  principals:",
            f"    ann: {{role: a, authorized_keys: ['{KEY}']}}",
            f"    joe: {{role: a, authorized_keys: ['{OPENSSH}']}}",
            "  trusted_keys:",
            f"    - {{role: b, keys: ['{KEY}']}}",
        )
        text = "the same key as authentication.cryptosign.principals.ann.authorized_keys[0] on line 5"
        assert messages(document) == [
            (6, "authentication.cryptosign.principals.joe.authorized_keys[0]", text),
            (8, "authentication.cryptosign.trusted_keys[0].keys[0]", text),
        ]

    def test_a_private_key_that_is_none_is_not_shown(self, realm: Any) -> None:
        document = realm("cryptosign: {router_key: sesame}")
        text = "must be an Ed25519 private key: 64 hexadecimal digits"
        assert messages(document) == [(3, "authentication.cryptosign.router_key", text)]

    def test_an_unknown_role(self, realm: Any) -> None:
        document = realm(f"cryptosign: {{trusted_keys: [{{role: c, keys: ['{KEY}']}}]}}")
        ((_, path, message),) = messages(document)
        assert path == "authentication.cryptosign.trusted_keys[0].role"
        assert message.startswith("unknown role 'c'")


class TestScram:
    FULL = f"salt: AAAAAAAAAAA=, iterations: 1, memory: 8, stored_key: '{KEY}', server_key: '{KEY}'"

    def problem(self, realm: Any, text: str) -> tuple[str, str]:
        ((_, path, message),) = messages(realm(f"scram: {{principals: {{joe: {{role: a, {text}}}}}}}"))
        return path.removeprefix("authentication.scram.principals.joe"), message

    def test_in_full(self, realm: Any) -> None:
        more = f"autobahn_stored_key: '{KEY}', autobahn_server_key: '{KEY}'"
        document = realm(f"scram: {{principals: {{joe: {{role: a, {self.FULL}, {more}}}}}}}")
        assert document.problems == []
        principal = document.value.authentication.scram.principals["joe"]
        assert (principal.kdf, principal.iterations, principal.memory) == ("argon2id13", 1, 8)
        assert "Secret(...)" in repr(principal)

    @pytest.mark.parametrize(
        ("old", "new", "path", "message"),
        [
            ("AAAAAAAAAAA=", "salt1234", ".salt", "must be at least 8 bytes in Base64"),
            ("AAAAAAAAAAA=", "AAAAAAAAAA==", ".salt", "must be at least 8 bytes in Base64"),
            ("memory: 8", "memory: 7", ".memory", "must be 8 to 4194304, got 7"),
            (
                "memory: 8",
                "kdf: pbkdf2",
                ".iterations",
                "must be at least 4096 for pbkdf2, got 1",
            ),
            ("memory: 8", "memory: 8, kdf: argon2id-13", ".kdf", "unknown function 'argon2id-13'"),
            (
                f"stored_key: '{KEY}'",
                "stored_key: sesame",
                ".stored_key",
                "must be 32 bytes in Base64 or in hexadecimal",
            ),
            (
                f", server_key: '{KEY}'",
                "",
                "",
                "stored_key and server_key belong together: one is missing",
            ),
            (
                f", stored_key: '{KEY}', server_key: '{KEY}'",
                "",
                "",
                "has no keys: 'concord secret scram' makes them",
            ),
            (
                f"stored_key: '{KEY}'",
                f"stored_key: '{KEY}', autobahn_stored_key: '{KEY}'",
                "",
                "autobahn_stored_key and autobahn_server_key belong together: one is missing",
            ),
        ],
    )
    def test_what_is_wrong(self, realm: Any, old: str, new: str, path: str, message: str) -> None:
        text = self.FULL.replace(old, new)
        found, said = self.problem(realm, text)
        assert found == path
        assert said.startswith(message)


class TestTls:
    def test_in_full(self, realm: Any) -> None:
        text = f"{{role: a, fingerprints: ['{KEY}'], subjects: ['CN:joe', 'DNS:joe.example.com']}}"
        document = realm(f"tls: {{principals: {{joe: {text}}}}}")
        assert document.problems == []
        principal = document.value.authentication.tls.principals["joe"]
        assert (principal.fingerprints, len(principal.subjects)) == ((KEY,), 2)

    def test_no_certificate(self, realm: Any) -> None:
        text = "names no certificate: 'fingerprints' or 'subjects' must"
        document = realm("tls: {principals: {joe: {role: a}}}")
        assert messages(document) == [(3, "authentication.tls.principals.joe", text)]

    def test_what_is_none(self, realm: Any) -> None:
        document = realm("tls: {principals: {joe: {role: a, fingerprints: [abc], subjects: [joe]}}}")
        (_, _, one), (_, _, other) = messages(document)
        assert one == "must be the SHA-256 of a certificate, 64 hexadecimal digits, got 'abc'"
        names = "'CN:', 'DNS:', 'EMAIL:', 'URI:', 'IP:'"
        assert other == f"must be a name behind one of {names}, as 'CN:ann', got 'joe'"

    def test_a_certificate_of_two(self, realm: Any) -> None:
        document = realm(
            "tls:",
            "  principals:",
            f"    ann: {{role: a, fingerprints: ['{KEY}'], subjects: ['DNS:x.example']}}",
            f"    joe: {{role: a, fingerprints: ['{'00:' * 31}00'], subjects: ['DNS:X.example']}}",
        )
        first = "authentication.tls.principals.ann"
        assert [message for _, _, message in messages(document)] == [
            f"the same certificate as {first}.fingerprints[0] on line 5",
            f"the same name as {first}.subjects[0] on line 5",
        ]
