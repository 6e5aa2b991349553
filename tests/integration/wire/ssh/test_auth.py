"""Who gets in: keys, kinds of keys, and an agent."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.wire.ssh import Connection, Endpoint
from tests.support.connecting import refused
from tests.support.sshd import Account, Sshd, account, make_key


class TestLoggingIn:
    def test_no_such_user(self, endpoint: Endpoint) -> None:
        error = refused(dataclasses.replace(endpoint, user="nobody-of-that-name"))
        assert "does not let us in as nobody-of-that-name" in error.message
        assert endpoint.key_files[0] in error.why

    def test_a_key_that_is_not_let_in(self, endpoint: Endpoint, tmp_path: Path) -> None:
        wrong = str(make_key(tmp_path / "wrong"))
        error = refused(dataclasses.replace(endpoint, key_files=(wrong,)))
        assert f"{wrong} (refused)" in error.why
        assert "authorized_keys" in error.hint

    def test_no_key_at_all(self, endpoint: Endpoint, tmp_path: Path) -> None:
        files = (str(tmp_path / "a"), str(tmp_path / "b"))
        error = refused(dataclasses.replace(endpoint, key_files=files, only_these_keys=False))
        assert "no key" in error.why and "ssh-keygen" in error.hint

    def test_the_key_that_was_named_is_missing_or_none(self, endpoint: Endpoint, tmp_path: Path) -> None:
        junk = tmp_path / "junk"
        junk.write_text("not a key")
        error = refused(dataclasses.replace(endpoint, key_files=(str(tmp_path / "gone"), str(junk))))
        assert "gone (No such file or directory)" in error.why
        assert "junk (not a key that can be used)" in error.why

    @pytest.mark.parametrize("kind", ["ed25519", "rsa"])
    def test_a_passphrase_is_never_asked_for(self, endpoint: Endpoint, tmp_path: Path, kind: str) -> None:
        locked = str(make_key(tmp_path / "locked", kind, "secret"))
        error = refused(dataclasses.replace(endpoint, key_files=(locked,)))
        assert "needs a passphrase" in error.why
        assert "ssh-add" in error.hint

    @pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
    def test_other_kinds_of_key(
        self, server: Sshd, endpoint: Endpoint, bar: Account, tmp_path: Path, kind: str
    ) -> None:
        key = make_key(tmp_path / "key", kind)
        server.authorize(bar.name, Path(f"{key}.pub"))
        Connection.open(dataclasses.replace(endpoint, key_files=(str(key),))).close()

    def test_the_second_key_is_tried(self, endpoint: Endpoint, tmp_path: Path) -> None:
        wrong = str(make_key(tmp_path / "wrong"))
        Connection.open(dataclasses.replace(endpoint, key_files=(wrong, *endpoint.key_files))).close()

    def test_a_server_that_loses_patience(self, endpoint: Endpoint, tmp_path: Path) -> None:
        wrong = tuple(str(make_key(tmp_path / f"wrong{number}")) for number in range(8))
        error = refused(dataclasses.replace(endpoint, key_files=wrong))
        assert "hung up" in error.why

    def test_a_forced_command_and_no_password(self, server: Sshd, endpoint: Endpoint) -> None:
        with account(f"pacha-forced-{os.getpid()}") as other:
            server.authorize(other.name, options='restrict,command="echo forced"')
            with Connection.open(dataclasses.replace(endpoint, user=other.name)) as connection:
                assert connection.run(["id"]).stdout == b"forced\n"


class TestAgent:
    @pytest.fixture
    def agent(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        path = tmp_path / "agent"
        process = subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL)
        try:
            while not path.exists():
                time.sleep(0.01)
            monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
            yield
        finally:
            process.terminate()
            process.wait()

    def add(self, key: Path, passphrase: str = "") -> None:
        script = key.parent / "askpass"
        script.write_text(f"#!/bin/sh\necho '{passphrase}'\n")
        script.chmod(0o700)
        environment = {**os.environ, "SSH_ASKPASS": str(script), "SSH_ASKPASS_REQUIRE": "force"}
        command = ["ssh-add", "-q", str(key)]
        subprocess.run(command, check=True, env=environment, stdin=subprocess.DEVNULL)

    def test_its_keys_let_in(self, agent: None, server: Sshd, endpoint: Endpoint) -> None:
        self.add(server.key)
        Connection.open(dataclasses.replace(endpoint, key_files=(), only_these_keys=False)).close()

    def test_a_key_with_a_passphrase_that_it_holds(
        self, agent: None, server: Sshd, endpoint: Endpoint, bar: Account, tmp_path: Path
    ) -> None:
        locked = make_key(tmp_path / "locked", passphrase="secret")
        server.authorize(bar.name, Path(f"{locked}.pub"))
        self.add(locked, "secret")
        Connection.open(dataclasses.replace(endpoint, key_files=(str(locked),))).close()

    def test_where_one_key_is_named_it_offers_no_other(
        self, agent: None, server: Sshd, endpoint: Endpoint, tmp_path: Path
    ) -> None:
        self.add(server.key)
        wrong = str(make_key(tmp_path / "wrong"))
        assert "agent" not in refused(dataclasses.replace(endpoint, key_files=(wrong,))).why

    @pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paramiko's own leak
    def test_one_that_is_gone(self, endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "nobody"))
        Connection.open(endpoint).close()
