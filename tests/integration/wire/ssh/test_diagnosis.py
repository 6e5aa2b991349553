"""Why the system's ssh did not get in, by the way that Pacha goes itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from pacha.wire.ssh import Endpoint
from pacha.wire.ssh.diagnosis import diagnose
from tests.support.connecting import knowing
from tests.support.sshd import Sshd


def code(endpoint: Endpoint) -> str:
    error = diagnose(endpoint, 5.0, "its last line")
    assert all(text.isprintable() for text in (error.message, error.why, error.hint))
    return error.code


def test_a_server_that_answers_refused_the_login(endpoint: Endpoint) -> None:
    error = diagnose(endpoint, 5.0, "its last line")
    assert (error.code, error.why, error.exit_code) == ("login-refused", "its last line", 11)
    assert "ssh -p" in error.hint and "BatchMode=yes" in error.hint


def test_what_is_found_on_the_way(endpoint: Endpoint, server: Sshd, tmp_path: Path) -> None:
    assert code(dataclasses.replace(endpoint, port=1)) == "connection-refused"
    assert code(knowing(endpoint, tmp_path)) == "host-key-unknown"
    signed = knowing(endpoint, tmp_path, f"@cert-authority {server.name} {server.public()}")
    assert code(signed) == "ssh-failed"  # ssh may take a certificate that Pacha does not


def test_a_server_in_between(endpoint: Endpoint, tmp_path: Path) -> None:
    assert code(dataclasses.replace(endpoint, proxy_jump=knowing(endpoint, tmp_path))) == "host-key-unknown"
    keyless = dataclasses.replace(endpoint, key_files=(str(tmp_path / "none"),))
    assert code(dataclasses.replace(endpoint, proxy_jump=keyless)) == "ssh-failed"
