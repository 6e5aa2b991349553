"""Nothing about us is sent to a server that is not known for certain."""

from __future__ import annotations

import dataclasses
import subprocess
import time
from pathlib import Path

import pytest

from pacha.wire.ssh import Connection, Endpoint
from tests.support.connecting import refused
from tests.support.sshd import Sshd, hashed, make_key


class Watched:
    """What sshd logs while a ``with`` lasts."""

    def __init__(self, server: Sshd) -> None:
        self._server = server
        self._before = len(server.log_text())

    def text(self) -> str:
        """The new lines; a moment is given to the last of them."""
        time.sleep(0.3)
        return self._server.log_text()[self._before :]


def attempts(log: str) -> list[str]:
    """Lines of a log of sshd that tell of a login that was tried."""
    words = ("Accepted", "Failed", "Invalid user", "userauth", "authenticating user", "AuthorizedKeysCommand")
    return [line for line in log.splitlines() if any(word in line for word in words)]


class TestHostKeys:
    """Nothing about us is sent to a server that is not known for certain."""

    def known(self, endpoint: Endpoint, tmp_path: Path, *lines: str) -> Endpoint:
        file = tmp_path / "known"
        file.write_text("".join(f"{line}\n" for line in lines))
        return dataclasses.replace(endpoint, known_hosts=(str(file),))

    def test_unknown(self, server: Sshd, endpoint: Endpoint, tmp_path: Path) -> None:
        watched = Watched(server)
        error = refused(self.known(endpoint, tmp_path))
        assert f"(port {server.port}) is not known" in error.message
        assert server.fingerprint() in error.why
        assert "ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub" in error.hint
        assert f"ssh -p {server.port}" in error.hint and endpoint.label in error.hint
        log = watched.text()
        assert "Connection from" in log
        assert attempts(log) == []

    def test_the_log_would_show_an_attempt(self, server: Sshd, endpoint: Endpoint) -> None:
        watched = Watched(server)
        Connection.open(endpoint).close()
        assert attempts(watched.text())

    def test_no_known_hosts_file(self, endpoint: Endpoint, tmp_path: Path) -> None:
        error = refused(dataclasses.replace(endpoint, known_hosts=(str(tmp_path / "none"),)))
        assert "is not known" in error.message

    @pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
    def test_changed(self, server: Sshd, endpoint: Endpoint, tmp_path: Path, kind: str) -> None:
        other = make_key(tmp_path / "other", kind)
        public = " ".join(Path(f"{other}.pub").read_text().split()[:2])
        watched = Watched(server)
        error = refused(self.known(endpoint, tmp_path, "# one line above", f"{server.name} {public}"))
        assert "has changed" in error.message
        assert f"{tmp_path}/known line 2" in error.why
        assert f"ssh-keygen -f {tmp_path}/known -R '{server.name}', and accept" in error.hint
        assert server.fingerprint("rsa" if kind == "rsa" else "ed25519") in error.why
        assert attempts(watched.text()) == []

    @pytest.mark.parametrize("name", ["{name}", "*", "[127.0.0.*]:*"])
    def test_revoked_even_if_also_known(self, server: Sshd, endpoint: Endpoint, tmp_path: Path, name: str) -> None:
        plain = f"{server.name} {server.public()}"
        line = f"@revoked {name.format(name=server.name)} {server.public()}"
        watched = Watched(server)
        error = refused(self.known(endpoint, tmp_path, plain, line))
        assert "revoked" in error.message and "line 2" in error.why
        assert attempts(watched.text()) == []

    def test_another_s_revoked_key_changes_nothing(self, server: Sshd, endpoint: Endpoint, tmp_path: Path) -> None:
        lines = f"@revoked elsewhere {server.public()}", f"{server.name} {server.public()}"
        Connection.open(self.known(endpoint, tmp_path, *lines)).close()

    @pytest.mark.parametrize("kind", ["ed25519", "rsa"])
    def test_only_one_kind_of_key_is_known(self, server: Sshd, endpoint: Endpoint, tmp_path: Path, kind: str) -> None:
        Connection.open(self.known(endpoint, tmp_path, f"{server.name} {server.public(kind)}")).close()

    def test_lines_that_mean_nothing_here_are_passed_over(
        self, server: Sshd, endpoint: Endpoint, tmp_path: Path
    ) -> None:
        lines = (
            "",
            "# comment",
            f"@cert-authority * {server.public()}",
            "@cert-authority *",
            "@revoked",
            "@unknown-marker x ssh-rsa AAAA",
            "broken",
            f"{server.name} ssh-ed25519",
            f"{server.name} ssh-ed25519 !!!notbase64",
            f"{server.name} ssh-ed25519 AAAA",
            f"{server.name} 1024 35 1234567890",
            "|1|broken|hash ssh-rsa AAAA",
            "|2|AAAA|AAAA ssh-rsa AAAA",
            "\udcff\udcfe".encode("utf-8", "surrogateescape").decode("latin-1") + " ssh-rsa AAAA",
            f"other,{server.name} {server.public()} a comment",
        )
        Connection.open(self.known(endpoint, tmp_path, *lines)).close()

    def test_a_cert_authority_s_key_is_not_a_host_s(self, server: Sshd, endpoint: Endpoint, tmp_path: Path) -> None:
        error = refused(self.known(endpoint, tmp_path, f"@cert-authority * {server.public()}"))
        assert "is not known" in error.message

    def test_hashed(self, server: Sshd, endpoint: Endpoint, tmp_path: Path) -> None:
        Connection.open(self.known(endpoint, tmp_path, f"{hashed(server.name)} {server.public()}")).close()
        error = refused(self.known(endpoint, tmp_path, f"{hashed('[127.0.0.1]:1')} {server.public()}"))
        assert "is not known" in error.message

    def test_hashed_by_openssh_itself(self, server: Sshd, endpoint: Endpoint, tmp_path: Path) -> None:
        known = self.known(endpoint, tmp_path, f"{server.name} {server.public()}")
        file = known.known_hosts[0]
        subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True)
        assert server.address not in Path(file).read_text()
        Connection.open(known).close()

    @pytest.mark.parametrize(
        ("names", "accepted"),
        [
            ("*", True),
            ("[127.0.0.?]:*", True),
            ("*,!{name},!127.0.0.1", False),
            ("!127.0.0.1,!{name},*", False),
            ("{name},!elsewhere", True),
            ("127.0.0.1", True),  # the same key on the usual port: as OpenSSH has it
            ("[127.0.0.1]:22", False),
            ("[127.0.0.2]:{port}", False),
        ],
    )
    def test_patterns(self, server: Sshd, endpoint: Endpoint, tmp_path: Path, names: str, accepted: bool) -> None:
        field = names.format(name=server.name, port=server.port)
        known = self.known(endpoint, tmp_path, f"{field} {server.public()}")
        if accepted:
            Connection.open(known).close()
        else:
            assert "is not known" in refused(known).message

    def test_another_key_on_the_usual_port_is_not_a_change(
        self, server: Sshd, endpoint: Endpoint, tmp_path: Path
    ) -> None:
        public = " ".join(Path(f"{make_key(tmp_path / 'other')}.pub").read_text().split()[:2])
        assert "is not known" in refused(self.known(endpoint, tmp_path, f"127.0.0.1 {public}")).message
