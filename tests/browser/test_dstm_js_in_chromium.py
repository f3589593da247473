"""dstm.js in a real browser: the scenarios of every client, IndexedDB, and the tabs of a page."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
IN_CI = os.environ.get("CI", "").lower() in ("1", "true")


class Pages(SimpleHTTPRequestHandler):
    """The tests' pages, the library at the place where the router has it, and a way to send results back."""

    results: Queue[Any] = Queue()

    def translate_path(self, path: str) -> str:
        if path.startswith("/dstm/"):
            path = f"/router/web{path}"
        return super().translate_path(path)

    def do_POST(self) -> None:
        self.results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


Pages.extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript"}


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Pages, directory=str(ROOT)))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("page", "least"), [("scenarios", 50), ("offline", 5)])
def test_page(site: str, page: str, least: int, tmp_path: Path) -> None:
    if CHROMIUM is None:
        assert not IN_CI, "Chromium must be tested here"
        pytest.skip("Chromium is not installed")
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    url = f"{site}/tests/browser/{page}.html"
    with subprocess.Popen([*command, url], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
        try:
            results = Pages.results.get(timeout=60)
        finally:
            browser.terminate()
    assert len(results) >= least
    wrong = "\n".join(f"{it['name']}: {it['why']}" for it in results if "why" in it)
    assert not wrong, wrong
