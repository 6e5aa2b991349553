"""Which lines of known_hosts speak of a server, as OpenSSH reads them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pacha.wire.ssh import Connection, Endpoint
from tests.support.connecting import knowing, refused
from tests.support.sshd import Sshd, hashed


class TestLines:
    """What a file of known hosts says, as a real connection takes it."""

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
        Connection.open(knowing(endpoint, tmp_path, *lines)).close()

    def test_a_cert_authority_s_key_is_not_a_host_s(self, server: Sshd, endpoint: Endpoint, tmp_path: Path) -> None:
        error = refused(knowing(endpoint, tmp_path, f"@cert-authority * {server.public()}"))
        assert "is not known" in error.message

    def test_hashed(self, server: Sshd, endpoint: Endpoint, tmp_path: Path) -> None:
        Connection.open(knowing(endpoint, tmp_path, f"{hashed(server.name)} {server.public()}")).close()
        error = refused(knowing(endpoint, tmp_path, f"{hashed('[127.0.0.1]:1')} {server.public()}"))
        assert "is not known" in error.message

    def test_hashed_by_openssh_itself(self, server: Sshd, endpoint: Endpoint, tmp_path: Path) -> None:
        known = knowing(endpoint, tmp_path, f"{server.name} {server.public()}")
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
        known = knowing(endpoint, tmp_path, f"{field} {server.public()}")
        if accepted:
            Connection.open(known).close()
        else:
            assert "is not known" in refused(known).message
