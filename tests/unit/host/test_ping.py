"""The service that is called after each run: how it went, and that nothing it answers does harm."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

from pacha.host import ping


class Service(http.server.BaseHTTPRequestHandler):
    """Answers 200, or by the path: an error, a redirect, nothing at all."""

    asked: list[str] = []
    stop = threading.Event()

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path[4:])
        elif self.path.startswith("/silent"):
            self.stop.wait(20)
            return
        else:
            self.send_response(500 if self.path.startswith("/broken") else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[str]:
    Service.asked.clear()
    Service.stop.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        Service.stop.set()
        server.shutdown()


def test_success_and_failure(service: str) -> None:
    assert ping.call(f"{service}/id", failed=False) == ""
    assert ping.call(f"{service}/id/?a=b", failed=True) == ""
    assert Service.asked == ["/id", "/id/fail?a=b"]


@pytest.mark.parametrize("path", ["/broken", "/to/file:///etc/passwd", "/to/ftp://127.0.0.1/x", "/to//to//to/"])
def test_what_goes_wrong_is_one_line(service: str, path: str) -> None:
    said = ping.call(service + path, failed=False)
    assert said.startswith("pacha.ping could not be called: ") and "\n" not in said


def test_a_redirect_within_the_web_is_followed(service: str) -> None:
    assert ping.call(f"{service}/to/{service}/there", failed=False) == ""
    assert Service.asked[-1] == "/there"


def test_a_silent_service_holds_nobody_up(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ping, "_SECONDS", 0.3)
    assert "could not be called" in ping.call(f"{service}/silent", failed=False)


def test_nobody_there() -> None:
    assert "refused" in ping.call("http://127.0.0.1:9/", failed=False)
