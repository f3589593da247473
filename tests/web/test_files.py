"""Static files by HTTP, over a transport of Twisted's tests."""

import gzip
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from router.web.site import site_for
from router.web.static_config import RealmFiles, StaticRules
from router.web.streaming import PIECE_BYTES, STALL_SECONDS

TEXT = b"a line of text that is like the others\n" * 100
GZIP = {"Accept-Encoding": "gzip, deflate, br;q=0"}
PAST = "Wed, 21 Oct 2015 07:28:00 GMT"
TURN = 0.001


class Turns(Clock):
    """A clock by which what is called as soon as possible is called in the next turn, as a reactor does."""

    def callLater(self, when: float, *call: Any, **named: Any) -> Any:
        return super().callLater(max(when, TURN), *call, **named)


class Answer:
    """An answer as it came over the wire."""

    def __init__(self, wire: bytes) -> None:
        head, _, self.body = wire.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        assert len(self.headers) == len(lines), "a header is there twice"
        if self.headers.get("transfer-encoding") == "chunked":
            self.body = b"".join(_chunks(self.body))

    def __getitem__(self, name: str) -> str | None:
        return self.headers.get(name.lower())


def _chunks(body: bytes) -> Iterator[bytes]:
    while body:
        size, _, body = body.partition(b"\r\n")
        yield body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]


class Browser:
    """A client of a site, with a clock of its own."""

    def __init__(self, page: str, **rules: Any) -> None:
        self.clock = Turns()
        self.site = site_for(page, "/ws", {}, StaticRules(**rules), self.clock)
        self.connect()

    def connect(self) -> None:
        self.transport = StringTransport()
        self.channel = self.site.buildProtocol(None)
        self.channel.makeConnection(self.transport)

    def send(self, path: str, method: str = "GET", headers: dict[str, str] | None = None) -> None:
        lines = [f"{name}: {value}" for name, value in {"Host": "x", **(headers or {})}.items()]
        self.channel.dataReceived("\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode())

    def get(self, path: str, method: str = "GET", **headers: str) -> Answer:
        """Send a request and take the whole answer; ``If_Match`` is the header If-Match."""
        self.send(path, method, {name.replace("_", "-"): value for name, value in headers.items()})
        while self.channel._channel.requests:
            self.clock.advance(TURN)
        wire = self.transport.value()
        self.transport.clear()
        return Answer(wire)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A directory of files, with something beside it that is nobody's business."""
    web = tmp_path / "web"
    (web / "docs").mkdir(parents=True)
    (web / "empty").mkdir()
    (web / ".git").mkdir()
    for name, content in {
        "index.html": b"<p>the index",
        "docs/index.html": b"<p>the docs",
        "text.txt": TEXT,
        "digits": b"0123456789",
        "nothing.txt": b"",
        ".env": b"top secret",
        ".git/config": b"top secret",
        "docs/.env": b"top secret",
        "../secret.txt": b"top secret",
    }.items():
        (web / name).write_bytes(content)
    return web


@pytest.fixture
def browse(web: Path) -> Callable[..., Browser]:
    return lambda **rules: Browser(str(web), **rules)


class TestWhich:
    def test_a_file_and_the_index_of_a_directory(self, browse: Callable[..., Browser]) -> None:
        browser = browse()
        assert browser.get("/").body == browser.get("/index.html?x=1").body == b"<p>the index"
        assert browser.get("/docs/").body == b"<p>the docs"
        assert (browser.get("/text.txt").body, browser.get("/nothing.txt").body) == (TEXT, b"")

    def test_a_directory_without_a_slash_is_sent_to_the_one_with_it(
        self, browse: Callable[..., Browser]
    ) -> None:
        answer = browse().get("/docs?q=1&r=/")
        assert (answer.status, answer["Location"]) == (301, "./docs/?q=1&r=/")
        assert browse().get("/empty").status == 404
        assert browse().get("//docs").status == 404  # an address of another host, if it were sent back

    @pytest.mark.parametrize(
        "path",
        [
            *("/../secret.txt", "/%2e%2e/secret.txt", "/docs/%2e%2e/%2e%2e/secret.txt", "/docs/../text.txt"),
            *("/..%2fsecret.txt", "/..\\secret.txt", "/%5c..%5csecret.txt", "//text.txt", "/./text.txt"),
            *("/.env", "/%2eenv", "/.git/config", "/docs/.env", "/docs/.well-known/x", "/.well-known"),
            *("/text.txt%00", "/%ff", "/%0a", "/docs/%2fx"),
        ],
    )
    def test_nothing_else(self, browse: Callable[..., Browser], path: str) -> None:
        for rules in ({}, {"fallback": "index.html"}):
            assert browse(**rules).get(path).status == 404

    @pytest.mark.parametrize("path", ["/empty/", "/text.txt/", "/text.txt/x", "/no", "/" + "x" * 5000])
    def test_what_is_not_there(self, browse: Callable[..., Browser], path: str) -> None:
        assert browse().get(path).status == 404
        assert browse(fallback="index.html").get(path).body == b"<p>the index"

    def test_no_link_leads_out(self, browse: Callable[..., Browser], web: Path) -> None:
        (web / "out.txt").symlink_to(web.parent / "secret.txt")
        (web / "up").symlink_to(web.parent)
        (web / "beside").mkdir()
        (web.parent / "web-other").mkdir()
        (web.parent / "web-other" / "x.txt").write_text("top secret")
        (web / "other").symlink_to(web.parent / "web-other")
        (web / "loop").symlink_to(web / "loop")
        (web / "inside.txt").symlink_to("text.txt")
        browser = browse()
        for path in ("/out.txt", "/up/secret.txt", "/other/x.txt", "/loop", "/up/web/text.txt/x"):
            assert browser.get(path).status == 404, path
        assert browser.get("/inside.txt").body == TEXT

    def test_a_directory_may_be_a_link_that_moves(self, tmp_path: Path) -> None:
        for release in ("one", "two"):
            (tmp_path / release).mkdir()
            (tmp_path / release / "index.html").write_text(release)
        current = tmp_path / "current"
        current.symlink_to("one")
        browser = Browser(str(current))
        assert browser.get("/").body == b"one"
        current.unlink()
        current.symlink_to("two")
        assert browser.get("/").body == b"two"

    def test_what_is_no_file_is_not_waited_for(self, browse: Callable[..., Browser], web: Path) -> None:
        os.mkfifo(web / "pipe")
        assert browse().get("/pipe").status == 404

    def test_well_known_names(self, browse: Callable[..., Browser], web: Path) -> None:
        (web / ".well-known").mkdir()
        (web / ".well-known" / "security.txt").write_text("Contact: mailto:x@example.com")
        assert browse().get("/.well-known/security.txt").status == 200
        assert browse().get("/.well-known/.env").status == 404

    def test_a_page_of_an_application_with_routes(self, browse: Callable[..., Browser]) -> None:
        browser = browse(fallback="index.html")
        assert browser.get("/orders/7").body == b"<p>the index"
        assert browser.get("/empty/").body == b"<p>the index"
        assert browser.get("/docs/").body == b"<p>the docs"
        assert browser.get("/app.js").status == 404
        assert browser.get("/orders/app.js").status == 404
        assert browse().get("/orders/7").status == 404


class TestHeaders:
    @pytest.mark.parametrize(
        ("name", "media_type"),
        [
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.JS", "text/javascript; charset=utf-8"),
            ("a.wasm", "application/wasm"),
            ("a.webmanifest", "application/manifest+json"),
            ("a.svg", "image/svg+xml"),
            ("a.woff2", "font/woff2"),
            ("a.json", "application/json"),
            ("a.png", "image/png"),
            ("a.unheard-of", "application/octet-stream"),
            ("a", "application/octet-stream"),
            ("a.tar.gz", "application/gzip"),
            ("a.geojson", "application/geo+json"),
        ],
    )
    def test_types(self, browse: Callable[..., Browser], web: Path, name: str, media_type: str) -> None:
        (web / name).write_text("x")
        answer = browse(types={".geojson": "application/geo+json"}).get(f"/{name}")
        assert (answer.status, answer["Content-Type"]) == (200, media_type)

    def test_security(self, browse: Callable[..., Browser]) -> None:
        for path in ("/", "/no.txt", "/docs"):
            answer = browse().get(path)
            assert (answer["Content-Security-Policy"] or "").startswith("default-src 'self';")
            assert (answer["X-Content-Type-Options"], answer["X-Frame-Options"]) == ("nosniff", "DENY")
            assert answer["Referrer-Policy"] == "no-referrer"
            assert answer["Server"] == "Concord"

    def test_security_as_configured(self, browse: Callable[..., Browser]) -> None:
        headers = {"x-frame-options": "", "referrer-policy": "same-origin", "Permissions-Policy": "camera=()"}
        answer = browse(content_security_policy="default-src 'none'", headers=headers).get("/")
        assert answer["Content-Security-Policy"] == "default-src 'none'"
        assert (answer["X-Frame-Options"], answer["X-Content-Type-Options"]) == (None, "nosniff")
        assert (answer["Referrer-Policy"], answer["Permissions-Policy"]) == ("same-origin", "camera=()")
        assert browse(content_security_policy="").get("/")["Content-Security-Policy"] is None

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("index.html", "no-cache"),
            ("page-3f2a9c1b.html", "no-cache"),
            ("text.txt", "no-cache"),
            ("app.3f2a9c1b77.js", "public, max-age=31536000, immutable"),
            ("chunk-QX5KD2TS.js.map", "public, max-age=31536000, immutable"),
            ("index-BxK3f_9a.css", "public, max-age=31536000, immutable"),
            ("index-Bx-3f_9a.css", "public, max-age=31536000, immutable"),
            ("app-settings.js", "no-cache"),
            ("report-20241123.pdf", "no-cache"),
            ("jquery-10.11.12.js", "no-cache"),
            ("fonts/sans.woff2", "public, max-age=86400"),
        ],
    )
    def test_caching(self, browse: Callable[..., Browser], web: Path, name: str, value: str) -> None:
        (web / "fonts").mkdir()
        (web / name).write_text("x")
        rules = {"fonts/*": "public, max-age=86400", "fonts/sans*": "no-store"}
        assert browse(cache_control=rules).get(f"/{name}")["Cache-Control"] == value

    def test_head_is_get_without_the_body(self, browse: Callable[..., Browser]) -> None:
        browser = browse()
        for path in ("/text.txt", "/nothing.txt", "/no.txt", "/docs"):
            head, get = browser.get(path, "HEAD"), browser.get(path)
            assert head.body == b""
            assert {**head.headers, "date": ""} == {**get.headers, "date": ""}
        assert browser.get("/text.txt", "POST").status == 405


class TestConditions:
    def test_what_did_not_change_is_not_sent(self, browse: Callable[..., Browser]) -> None:
        browser = browse()
        first = browser.get("/text.txt")
        for headers in ({"If_None_Match": first["ETag"]}, {"If_Modified_Since": first["Last-Modified"]}):
            answer = browser.get("/text.txt", **headers)  # type: ignore[arg-type]
            assert (answer.status, answer.body) == (304, b"")
            for name in ("ETag", "Cache-Control", "Vary", "Last-Modified"):
                assert answer[name] == first[name]
            assert answer["Content-Type"] is None

    def test_what_changed_is_sent(self, browse: Callable[..., Browser], web: Path) -> None:
        browser = browse()
        tag = browser.get("/digits")["ETag"]
        old = (web / "digits").stat()
        (web / "new").write_bytes(b"9876543210")  # of the same size, and with the same time
        os.utime(web / "new", ns=(old.st_atime_ns, old.st_mtime_ns))
        (web / "new").rename(web / "digits")
        answer = browser.get("/digits", If_None_Match=str(tag))
        assert (answer.status, answer.body) == (200, b"9876543210")

    def test_conditions_of_a_change_that_nobody_makes(self, browse: Callable[..., Browser]) -> None:
        assert browse().get("/digits", If_Match='"other"').status == 412
        assert browse().get("/digits", If_Unmodified_Since=PAST).status == 412


class TestRanges:
    @pytest.mark.parametrize(
        ("asked", "which", "body"),
        [
            ("bytes=0-3", "0-3", b"0123"),
            ("bytes=8-", "8-9", b"89"),
            ("bytes=-3", "7-9", b"789"),
            ("bytes=-99", "0-9", b"0123456789"),
            ("bytes=5-99", "5-9", b"56789"),
        ],
    )
    def test_a_part(self, browse: Callable[..., Browser], asked: str, which: str, body: bytes) -> None:
        answer = browse().get("/digits", Range=asked)
        assert (answer.status, answer.body) == (206, body)
        assert (answer["Content-Range"], answer["Content-Length"]) == (f"bytes {which}/10", str(len(body)))

    @pytest.mark.parametrize("asked", ["bytes=10-", "bytes=99-100", "bytes=-0"])
    def test_a_part_that_is_not_there(self, browse: Callable[..., Browser], asked: str) -> None:
        answer = browse().get("/digits", Range=asked)
        assert (answer.status, answer["Content-Range"], answer.body) == (416, "bytes */10", b"")

    @pytest.mark.parametrize("asked", ["bytes=5-1", "bytes=-", "lines=0-1", "bytes=0-1,3-4", "bytes=x-", ""])
    def test_what_is_no_part(self, browse: Callable[..., Browser], asked: str) -> None:
        answer = browse().get("/digits", Range=asked)
        assert (answer.status, answer.body, answer["Accept-Ranges"]) == (200, b"0123456789", "bytes")

    def test_the_rest_of_a_file_that_changed_is_all_of_it(self, browse: Callable[..., Browser]) -> None:
        browser = browse()
        tag = str(browser.get("/digits")["ETag"])
        assert browser.get("/digits", Range="bytes=5-", If_Range=tag).status == 206
        assert browser.get("/digits", Range="bytes=5-", If_Range='"other"').status == 200
        assert browser.get("/digits", Range="bytes=5-", If_Range=f"W/{tag}").status == 200

    def test_a_part_is_of_the_file_as_it_is(self, browse: Callable[..., Browser]) -> None:
        answer = browse().get("/text.txt", Range="bytes=0-9", **{"Accept-Encoding": "gzip"})
        assert (answer.status, answer.body, answer["Content-Encoding"]) == (206, TEXT[:10], None)


class TestCompression:
    def test_text_is_compressed_as_it_is_sent_and_then_kept(self, browse: Callable[..., Browser]) -> None:
        browser = browse()
        first, second = (browser.get("/text.txt", **GZIP) for _ in range(2))
        for answer in (first, second):
            assert (answer["Content-Encoding"], answer["Vary"]) == ("gzip", "Accept-Encoding")
            assert gzip.decompress(answer.body) == TEXT
        assert (first["Content-Length"], second["Content-Length"]) == (None, str(len(second.body)))
        assert first["ETag"] == second["ETag"] != browser.get("/text.txt")["ETag"]
        assert browser.get("/text.txt", If_None_Match=str(first["ETag"]), **GZIP).status == 304

    def test_who_does_not_take_it_gets_it_as_it_is(self, browse: Callable[..., Browser]) -> None:
        for accepted in ("identity", "gzip;q=0, *;q=0", "br, zstd", "gzip;q=0.2, identity;q=0.8", "gzip;q=x"):
            answer = browse().get("/text.txt", **{"Accept-Encoding": accepted})
            assert (answer.body, answer["Content-Encoding"]) == (TEXT, None), accepted
            assert answer["Vary"] == "Accept-Encoding"

    def test_what_gains_nothing_is_sent_as_it_is(self, browse: Callable[..., Browser], web: Path) -> None:
        (web / "photo.jpg").write_bytes(TEXT)
        answer = browse().get("/photo.jpg", **GZIP)
        assert (answer.body, answer["Vary"]) == (TEXT, None)
        assert browse().get("/index.html", **GZIP)["Content-Encoding"] is None  # too short
        assert browse(compress=False).get("/text.txt", **GZIP).body == TEXT

    def test_neighbours_go_first(self, browse: Callable[..., Browser], web: Path) -> None:
        (web / "text.txt.br").write_bytes(b"by brotli")
        (web / "text.txt.gz").write_bytes(gzip.compress(b"by gzip"))
        browser = browse()
        both = browser.get("/text.txt", **{"Accept-Encoding": "gzip, deflate, br"})
        assert (both.body, both["Content-Encoding"]) == (b"by brotli", "br")
        assert both["Content-Type"] == "text/plain; charset=utf-8"
        assert gzip.decompress(browser.get("/text.txt", **GZIP).body) == b"by gzip"
        assert browser.get("/text.txt").body == TEXT
        assert browser.get("/text.txt.br")["Content-Encoding"] is None

    def test_a_neighbour_of_an_earlier_file_does_not_count(
        self, browse: Callable[..., Browser], web: Path
    ) -> None:
        (web / "text.txt.gz").write_bytes(gzip.compress(b"earlier"))
        os.utime(web / "text.txt.gz", (1, 1))
        assert gzip.decompress(browse().get("/text.txt", **GZIP).body) == TEXT

    def test_a_changed_file_is_compressed_anew(self, browse: Callable[..., Browser], web: Path) -> None:
        browser = browse()
        browser.get("/text.txt", **GZIP)
        (web / "text.txt").write_bytes(TEXT * 2)
        assert gzip.decompress(browser.get("/text.txt", **GZIP).body) == TEXT * 2

    def test_what_is_kept_is_bounded(self, browse: Callable[..., Browser], web: Path) -> None:
        browser = browse(compressed_bytes=1000)
        for number in range(50):
            (web / f"{number}.txt").write_bytes(TEXT + b"%d" % number)
            browser.get(f"/{number}.txt", **GZIP)
        place = browser.site.pages.place_of(b"/")
        assert place is not None
        assert 500 < place.kept_bytes <= 1000
        assert gzip.decompress(browser.get("/0.txt", **GZIP).body) == TEXT + b"0"


class TestBigFiles:
    def test_a_piece_a_turn_and_no_more_than_the_connection_takes(
        self, browse: Callable[..., Browser], web: Path
    ) -> None:
        content = os.urandom(10 * PIECE_BYTES + 7)
        (web / "big").write_bytes(content)
        browser = browse()
        browser.send("/big")
        head = browser.transport.value().partition(b"\r\n\r\n")[0]
        assert len(browser.transport.value()) == len(head) + 4 + PIECE_BYTES
        producer: Any = browser.transport.producer
        producer.pauseProducing()
        for _ in range(5):
            browser.clock.advance(TURN)
        assert len(browser.transport.value()) == len(head) + 4 + PIECE_BYTES
        producer.resumeProducing()
        browser.clock.advance(TURN)
        assert len(browser.transport.value()) == len(head) + 4 + 2 * PIECE_BYTES
        while browser.channel._channel.requests:
            browser.clock.advance(TURN)
        assert Answer(browser.transport.value()).body == content

    def test_what_is_asked_for_while_the_connection_is_full_waits(
        self, browse: Callable[..., Browser], web: Path
    ) -> None:
        """A client that sends many requests in one piece and reads nothing takes no memory for big files."""
        (web / "big").write_bytes(bytes(8 * PIECE_BYTES))
        browser = browse()
        channel: Any = browser.channel._channel
        request = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"
        for _ in range(3):
            channel.pauseProducing()  # Twisted says so once, and then not until all was taken
            browser.channel.dataReceived(request % b"nothing" + request % b"big")
            for _ in range(20):
                browser.clock.advance(TURN)
            assert len(browser.transport.value()) < PIECE_BYTES
            channel.resumeProducing()
            while channel.requests:
                browser.clock.advance(TURN)
            assert len(browser.transport.value()) > 8 * PIECE_BYTES
            browser.transport.clear()

    def test_compressed_a_piece_a_turn(self, browse: Callable[..., Browser], web: Path) -> None:
        (web / "big.txt").write_bytes(os.urandom(8 * PIECE_BYTES))
        browser = browse()
        browser.send("/big.txt", headers=GZIP)
        sent, turns = len(browser.transport.value()), 0
        while browser.channel._channel.requests:
            browser.clock.advance(TURN)
            assert len(browser.transport.value()) - sent <= 1.2 * PIECE_BYTES
            sent, turns = len(browser.transport.value()), turns + 1
        assert turns >= 8
        unpacked = gzip.decompress(Answer(browser.transport.value()).body)
        assert zlib.crc32(unpacked) == zlib.crc32((web / "big.txt").read_bytes())

    def test_too_big_to_be_compressed_for_each_who_asks(
        self, browse: Callable[..., Browser], web: Path
    ) -> None:
        (web / "big.txt").write_bytes(TEXT * 2000)
        assert browse().get("/big.txt", "HEAD", **GZIP)["Content-Encoding"] is None

    def test_who_takes_nothing_is_gone_and_the_file_is_closed(
        self, browse: Callable[..., Browser], web: Path
    ) -> None:
        (web / "big").write_bytes(bytes(4 * PIECE_BYTES))
        browser = browse()
        before = descriptors()
        browser.send("/big")
        producer: Any = browser.transport.producer
        producer.pauseProducing()
        assert descriptors() == before + 1
        browser.clock.advance(STALL_SECONDS - 1)
        assert not browser.transport.disconnecting
        browser.clock.advance(2)
        assert browser.transport.disconnecting or browser.transport.disconnected
        assert descriptors() == before

    def test_who_goes_away_leaves_nothing_open(self, browse: Callable[..., Browser], web: Path) -> None:
        (web / "big").write_bytes(bytes(4 * PIECE_BYTES))
        browser = browse()
        before = descriptors()
        browser.send("/big")
        browser.channel.connectionLost(Failure(ConnectionLost()))
        assert descriptors() == before
        browser.clock.advance(1)

    def test_a_file_that_became_shorter_ends_the_connection(
        self, browse: Callable[..., Browser], web: Path
    ) -> None:
        (web / "big").write_bytes(bytes(4 * PIECE_BYTES))
        browser = browse()
        before = descriptors()
        browser.send("/big")
        os.truncate(web / "big", PIECE_BYTES)
        browser.clock.advance(TURN)
        assert browser.transport.disconnecting or browser.transport.disconnected
        assert descriptors() == before

    def test_no_request_leaves_a_file_open(self, browse: Callable[..., Browser], web: Path) -> None:
        (web / "text.txt.gz").write_bytes(gzip.compress(TEXT))
        browser = browse(fallback="index.html")
        before = descriptors()
        for path in ("/", "/docs", "/docs/", "/text.txt", "/nothing.txt", "/no/where", "/no.txt", "/empty"):
            for headers in ({}, GZIP, {"Range": "bytes=99999-"}, {"If_None_Match": "*"}, {"If_Match": '"x"'}):
                for method in ("GET", "HEAD"):
                    browser.get(path, method, **headers)
        assert descriptors() == before


class TestRealms:
    def test_files_of_realms_come_and_go(self, web: Path, tmp_path: Path) -> None:
        shop = tmp_path / "shop"
        shop.mkdir()
        (shop / "index.html").write_text("the shop")
        browser = Browser("none")
        assert browser.get("/shop/").status == browser.get("/dstm/dstm.js").status == 404
        files = RealmFiles(path="/shop", directory=str(shop), content_security_policy="default-src 'none'")
        browser.site.pages.take({"shop": files})
        place = browser.site.pages.place_of(b"/shop/")
        answer = browser.get("/shop/")
        assert (answer.body, answer["Content-Security-Policy"]) == (b"the shop", "default-src 'none'")
        assert browser.get("/shop")["Location"] == "./shop/"
        assert browser.get("/shopping").status == 404
        assert browser.get("/dstm/dstm.js").status == 200
        browser.site.pages.take({"shop": files, "web": RealmFiles(path="/shop/web", directory=str(web))})
        assert browser.site.pages.place_of(b"/shop/x") is place
        assert browser.get("/shop/web/digits").body == b"0123456789"
        browser.site.pages.take({})
        assert browser.get("/shop/").status == browser.get("/dstm/dstm.js").status == 404

    def test_they_stand_beside_the_page(self, web: Path, tmp_path: Path) -> None:
        browser = Browser(str(web), fallback="index.html")
        (tmp_path / "shop").mkdir()
        browser.site.pages.take({"shop": RealmFiles(path="/shop", directory=str(tmp_path / "shop"))})
        assert browser.get("/shop/orders").status == 404
        assert browser.get("/orders").body == b"<p>the index"
        assert browser.get("/dstm/nothing").status == 404
