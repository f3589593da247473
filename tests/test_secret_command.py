"""``concord secret``: what it prints lets the client in, by what the realm makes of it."""

import base64
import io
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from autobahn.wamp.auth import compute_wcs, derive_key
from certificates import Authority
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from realms.auth.config import Authentication
from realms.auth.passwords import Derivation, salted_as_autobahn, salted_password
from realms.auth.scram import derive
from realms.config import read_realm
from router.command import main
from router.configuration import SecretSources


@pytest.fixture(autouse=True)
def _in_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def secret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run ``concord secret``; read what it printed as a realm's file, and give that and what it said."""

    def run(*arguments: str) -> tuple[Authentication, str]:
        assert main(["secret", *arguments]) == 0
        printed = capsys.readouterr()
        file = tmp_path / "realm1.yaml"
        file.write_text("roles: {clerk: {}}\n" + printed.out)
        document = read_realm(file, SecretSources(tmp_path))
        assert document.problems == []
        assert document.value is not None
        return document.value.authentication, printed.err

    return run


def fails(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run it; give its one line of what is wrong."""
    assert main(["secret", *arguments]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    return printed.err.removeprefix("concord: ").removesuffix("\n")


class TestTicket:
    def test_is_drawn(self, secret: Any) -> None:
        found = {
            secret("ticket", "ann", "clerk")[0].ticket.principals["ann"].secret.reveal() for _ in range(9)
        }
        assert len(found) == 9
        assert {len(text) for text in found} == {32}

    def test_is_given(self, secret: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TICKET", "1234")
        authentication, said = secret("ticket", "ann", "clerk", "--password-env", "TICKET")
        principal = authentication.ticket.principals["ann"]
        assert (principal.role, principal.secret.reveal(), said) == ("clerk", "1234", "")

    def test_the_key_of_signed_requests_is_drawn_alike(self, secret: Any) -> None:
        authentication, _ = secret("signature", "ann", "clerk")
        assert len(authentication.signature.principals["ann"].secret.reveal()) == 32


class TestWampCra:
    def test_the_password_itself_is_not_in_it(self, secret: Any) -> None:
        """A client that derives the key from the salt signs the same."""
        authentication, said = secret("wampcra", "ann", "clerk", "--generate")
        password = said.removeprefix("password for the client: ").strip()
        principal = authentication.wampcra.principals["ann"]
        key = derive_key(password, principal.salt, principal.iterations, principal.keylen).decode()
        assert principal.secret.reveal() == key
        assert compute_wcs(key, "challenge")
        assert principal.iterations == 10_000

    def test_the_password_itself(self, secret: Any, tmp_path: Path) -> None:
        (tmp_path / "password").write_text("sesame\nsecond line\n")
        authentication, _ = secret("wampcra", "ann", "clerk", "--plain", "--password-file", "password")
        principal = authentication.wampcra.principals["ann"]
        assert (principal.secret.reveal(), principal.salt) == ("sesame", None)


class TestScram:
    @pytest.mark.parametrize("kdf", ["argon2id13", "pbkdf2"])
    def test_keys_of_both_dialects(self, secret: Any, monkeypatch: pytest.MonkeyPatch, kdf: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("sesame\n"))
        options = ["--memory", "8"] if kdf == "argon2id13" else ["--iterations", "5_000"]
        authentication, said = secret("scram", "ann", "clerk", "--password-file", "-", "--kdf", kdf, *options)
        kept = authentication.scram.principals["ann"]
        assert (kept.kdf, kept.iterations, said) == (kdf, 3 if kdf == "argon2id13" else 5000, "")
        how = Derivation(kdf, base64.b64decode(kept.salt), kept.iterations, kept.memory)
        keys, others = derive(salted_password("sesame", how)), derive(salted_as_autobahn("sesame", how))
        assert base64.b64decode(kept.stored_key.reveal()) == keys.stored
        assert base64.b64decode(kept.server_key.reveal()) == keys.server
        if kdf == "pbkdf2":
            assert keys == others
            assert kept.autobahn_stored_key is None
        else:
            assert base64.b64decode(kept.autobahn_stored_key.reveal()) == others.stored
            assert base64.b64decode(kept.autobahn_server_key.reveal()) == others.server

    def test_each_has_its_own_salt(self, secret: Any) -> None:
        options = ("scram", "ann", "clerk", "--generate", "--kdf", "pbkdf2")
        assert len({secret(*options)[0].scram.principals["ann"].salt for _ in range(3)}) == 3

    def test_too_few_iterations(self, capsys: pytest.CaptureFixture[str]) -> None:
        said = fails(capsys, "scram", "ann", "clerk", "--kdf", "pbkdf2", "--iterations", "100", "--generate")
        assert said == "--iterations must be at least 4096 for pbkdf2, got 100"

    def test_where_openssl_has_no_argon2(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def missing(**_: Any) -> None:
            raise UnsupportedAlgorithm("argon2 is not supported by this version of OpenSSL")

        monkeypatch.setattr("cryptography.hazmat.primitives.kdf.argon2.Argon2id", missing)
        said = fails(capsys, "scram", "ann", "clerk", "--generate").splitlines()
        assert said[-1] == "concord: OpenSSL has no Argon2 here: use --kdf pbkdf2"

    def test_a_password_that_none_can_type(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("\a\n"))
        said = fails(capsys, "scram", "ann", "clerk", "--kdf", "pbkdf2", "--password-file", "-")
        assert said == "this can't be a password: character U+0007 is not allowed"


class TestCryptosign:
    def test_a_key_is_made_once(self, secret: Any, tmp_path: Path) -> None:
        """For its owner alone to read; the second time it is the same one."""
        one, said = secret("cryptosign", "a/nn@x", "clerk")
        file = tmp_path / "a%2Fnn@x.key"
        assert said == "private key for the client: a%2Fnn@x.key\n"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(file.read_text().strip()))
        public = private.public_key().public_bytes_raw().hex()
        assert one.cryptosign.principals["a/nn@x"].authorized_keys == (public,)
        again, said = secret("cryptosign", "a/nn@x", "clerk")
        assert (again, said) == (one, "")

    def test_a_key_of_openssh(self, secret: Any, tmp_path: Path) -> None:
        private = Ed25519PrivateKey.generate()
        pem, openssh = serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH
        (tmp_path / "id_ed25519").write_bytes(
            private.private_bytes(pem, openssh, serialization.NoEncryption())
        )
        authentication, _ = secret("cryptosign", "ann", "clerk", "--key", "id_ed25519")
        public = private.public_key().public_bytes_raw().hex()
        assert authentication.cryptosign.principals["ann"].authorized_keys == (public,)

    def test_what_is_no_key(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        pem, openssh = serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH
        other = generate_private_key(SECP256R1())
        for content in (
            b"",
            b"ab" * 31,
            b"\xff" * 64,
            other.private_bytes(pem, openssh, serialization.NoEncryption()),
        ):
            (tmp_path / "key").write_bytes(content)
            said = fails(capsys, "cryptosign", "ann", "clerk", "--key", "key")
            assert said.startswith("key is no Ed25519 private key: 64 hexadecimal digits, or OpenSSH's")

    def test_a_file_that_cannot_be(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        said = fails(capsys, "cryptosign", "ann", "clerk", "--key", "no/where/key")
        assert said == "no/where/key can't be written: No such file or directory"
        said = fails(capsys, "cryptosign", "ann", "clerk", "--key", str(tmp_path))
        assert said == f"{tmp_path} can't be read: Is a directory"


class TestTls:
    def test_a_certificate_is_made_once(self, secret: Any, tmp_path: Path) -> None:
        """Its key for its owner alone to read; the second time it is the same one."""
        one, said = secret("tls", "ann.lee", "clerk", "--days", "2")
        files = "certificate for the client: ann.lee.pem\nprivate key for the client: ann.lee.key.pem\n"
        assert said == files
        assert stat.S_IMODE((tmp_path / "ann.lee.key.pem").stat().st_mode) == 0o600
        certificate = x509.load_pem_x509_certificate((tmp_path / "ann.lee.pem").read_bytes())
        key = serialization.load_pem_private_key((tmp_path / "ann.lee.key.pem").read_bytes(), None)
        assert key.public_key() == certificate.public_key()
        assert certificate.subject.rfc4514_string() == "CN=ann.lee"
        assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 2
        fingerprint = certificate.fingerprint(hashes.SHA256()).hex()
        assert one.tls.principals["ann.lee"].fingerprints == (fingerprint,)
        again, said = secret("tls", "ann.lee", "clerk")
        assert (again, said) == (one, "")

    def test_one_that_is_there(self, secret: Any, tmp_path: Path) -> None:
        issued = Authority("clients").issue("ann")
        issued.write(tmp_path, "own")
        authentication, said = secret("tls", "ann", "clerk", "--certificate", "own.pem")
        assert authentication.tls.principals["ann"].fingerprints == (issued.fingerprint,)
        assert said == ""

    def test_what_is_none(self, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
        (tmp_path / "ann.pem").write_text("nothing")
        assert fails(capsys, "tls", "ann", "clerk") == "ann.pem holds no certificate in PEM"

    def test_a_key_that_is_there_is_not_overwritten(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        (tmp_path / "ann.key.pem").write_text("precious")
        assert fails(capsys, "tls", "ann", "clerk") == "ann.key.pem can't be written: File exists"
        assert (tmp_path / "ann.key.pem").read_text() == "precious"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestPassword:
    def test_is_asked_for_twice(self, secret: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        answers = ["sesame", "sesame"]
        monkeypatch.setattr("sys.stdin", Terminal())
        monkeypatch.setattr("getpass.getpass", lambda prompt: answers.pop())
        authentication, _ = secret("wampcra", "ann", "clerk", "--plain")
        assert authentication.wampcra.principals["ann"].secret.reveal() == "sesame"
        assert answers == []

    def test_mistyped(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        answers = ["sesame", "seasme"]
        monkeypatch.setattr("sys.stdin", Terminal())
        monkeypatch.setattr("getpass.getpass", lambda prompt: answers.pop())
        assert fails(capsys, "wampcra", "ann", "clerk") == "the two passwords differ"

    def test_nobody_to_ask(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO("sesame\n"))
        text = "nobody to ask for a password: use --password-file, --password-env or --generate"
        assert fails(capsys, "wampcra", "ann", "clerk") == text

    @pytest.mark.parametrize("option", ["--password-env", "--password-file"])
    def test_empty(self, capsys: pytest.CaptureFixture[str], tmp_path: Path, option: str) -> None:
        (tmp_path / "NOTHING").write_text("")
        assert fails(capsys, "ticket", "ann", "clerk", option, "NOTHING") == "the password is empty"

    def test_a_file_that_is_not_there(self, capsys: pytest.CaptureFixture[str]) -> None:
        said = fails(capsys, "ticket", "ann", "clerk", "--password-file", "none")
        assert said == "none can't be read: No such file or directory"

    def test_is_no_argument(self, capsys: pytest.CaptureFixture[str]) -> None:
        with pytest.raises(SystemExit) as raised:
            main(["secret", "ticket", "ann", "clerk", "sesame"])
        assert raised.value.code == 2
        assert "unrecognized arguments: sesame" in capsys.readouterr().err


@pytest.mark.parametrize("authid", ["yes", "1e5", "a: b", "J\u00fcrgen", "'x'"])
def test_names_are_quoted_where_yaml_needs_it(capsys: pytest.CaptureFixture[str], authid: str) -> None:
    assert main(["secret", "ticket", authid, "null"]) == 0
    principals = yaml.safe_load(capsys.readouterr().out)["authentication"]["ticket"]["principals"]
    assert {name: found["role"] for name, found in principals.items()} == {authid: "null"}


def test_numbers_out_of_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["secret", "scram", "ann", "clerk", "--memory", "7"])
    assert "must be 8 to 4194304, got 7" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["secret", "scram", "ann", "clerk", "--iterations", "many"])
    assert "invalid number value: 'many'" in capsys.readouterr().err
