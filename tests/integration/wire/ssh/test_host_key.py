"""Nothing about us is sent to a server that is not known for certain."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path

import pytest

from pacha.wire.ssh import Connection, Endpoint
from tests.support.connecting import knowing, refused
from tests.support.sshd import Sshd, make_key


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

    def test_unknown(self, server: Sshd, endpoint: Endpoint, tmp_path: Path) -> None:
        watched = Watched(server)
        error = refused(knowing(endpoint, tmp_path))
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

    def test_a_certificate_alone(self, endpoint: Endpoint, server: Sshd, tmp_path: Path) -> None:
        authority = Path(f"{make_key(tmp_path / 'ca')}.pub").read_text()
        known = knowing(endpoint, tmp_path, "# one line above", f"@cert-authority {server.name} {authority}")
        error = refused(known)
        assert "is not known" in error.message and f"({tmp_path}/known line 2) does not count" in error.why
        assert "-o HostKeyAlgorithms=ssh-ed25519" in error.hint

    def test_where_ssh_would_remember_nothing(self, endpoint: Endpoint, tmp_path: Path) -> None:
        remembering = str(tmp_path / "known")
        error = refused(dataclasses.replace(endpoint, known_hosts=("/dev/null", remembering)))
        assert f"UserKnownHostsFile={remembering}" in error.hint

    def test_no_known_hosts_file(self, endpoint: Endpoint, tmp_path: Path) -> None:
        error = refused(dataclasses.replace(endpoint, known_hosts=(str(tmp_path / "none"),)))
        assert "is not known" in error.message

    @pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
    def test_changed(self, server: Sshd, endpoint: Endpoint, tmp_path: Path, kind: str) -> None:
        other = make_key(tmp_path / "other", kind)
        public = " ".join(Path(f"{other}.pub").read_text().split()[:2])
        watched = Watched(server)
        error = refused(knowing(endpoint, tmp_path, "# one line above", f"{server.name} {public}"))
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
        error = refused(knowing(endpoint, tmp_path, plain, line))
        assert "revoked" in error.message and "line 2" in error.why
        assert attempts(watched.text()) == []

    def test_another_s_revoked_key_changes_nothing(self, server: Sshd, endpoint: Endpoint, tmp_path: Path) -> None:
        lines = f"@revoked elsewhere {server.public()}", f"{server.name} {server.public()}"
        Connection.open(knowing(endpoint, tmp_path, *lines)).close()

    @pytest.mark.parametrize("kind", ["ed25519", "rsa"])
    def test_only_one_kind_of_key_is_known(self, server: Sshd, endpoint: Endpoint, tmp_path: Path, kind: str) -> None:
        Connection.open(knowing(endpoint, tmp_path, f"{server.name} {server.public(kind)}")).close()

    def test_another_key_on_the_usual_port_is_not_a_change(
        self, server: Sshd, endpoint: Endpoint, tmp_path: Path
    ) -> None:
        public = " ".join(Path(f"{make_key(tmp_path / 'other')}.pub").read_text().split()[:2])
        assert "is not known" in refused(knowing(endpoint, tmp_path, f"127.0.0.1 {public}")).message
