"""Who gets in: keys, kinds of keys, and an agent."""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.system import details
from pacha.wire.ssh import Connection, Endpoint, resolve
from pacha.wire.ssh.agent import TO_LIST
from tests.support.agent import SshAgent, certify, make_token_key, ssh_agent
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
        assert "pacha add-host" in error.hint

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
        assert "MaxAuthTries" in error.hint and "pacha.ssh.key" in error.hint and "add-host" in error.hint

    def test_a_forced_command_and_no_password(self, server: Sshd, endpoint: Endpoint) -> None:
        with account(f"pacha-forced-{os.getpid()}") as other:
            server.authorize(other.name, options='restrict,command="echo forced"')
            with Connection.open(dataclasses.replace(endpoint, user=other.name)) as connection:
                assert connection.run(["id"]).stdout == b"forced\n"


class TestAgent:
    @pytest.fixture
    def agent(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SshAgent]:
        with ssh_agent(tmp_path / "agent") as running:
            monkeypatch.setenv("SSH_AUTH_SOCK", str(running.socket))
            yield running

    def test_its_keys_let_in(self, agent: SshAgent, server: Sshd, endpoint: Endpoint) -> None:
        agent.add(server.key)
        Connection.open(dataclasses.replace(endpoint, key_files=(), only_these_keys=False)).close()

    def test_a_key_with_a_passphrase_that_it_holds(
        self, agent: SshAgent, server: Sshd, endpoint: Endpoint, bar: Account, tmp_path: Path
    ) -> None:
        locked = make_key(tmp_path / "locked", passphrase="secret")
        server.authorize(bar.name, Path(f"{locked}.pub"))
        agent.add(locked, "secret")
        Connection.open(dataclasses.replace(endpoint, key_files=(str(locked),))).close()

    @pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
    def test_a_locked_key_without_its_public_half(
        self, agent: SshAgent, server: Sshd, endpoint: Endpoint, bar: Account, tmp_path: Path, kind: str
    ) -> None:
        locked = make_key(tmp_path / "locked", kind, "secret")
        server.authorize(bar.name, Path(f"{locked}.pub"))
        agent.add(locked, "secret")
        Path(f"{locked}.pub").unlink()
        Connection.open(dataclasses.replace(endpoint, key_files=(str(locked),))).close()

    def test_where_one_key_is_named_it_offers_no_other(
        self, agent: SshAgent, server: Sshd, endpoint: Endpoint, tmp_path: Path
    ) -> None:
        agent.add(server.key)
        wrong = str(make_key(tmp_path / "wrong"))
        assert "agent" not in refused(dataclasses.replace(endpoint, key_files=(wrong,))).why

    def test_one_that_is_gone(self, endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "nobody"))
        Connection.open(endpoint).close()

    def test_the_public_half_of_a_key_that_it_has(
        self, agent: SshAgent, server: Sshd, endpoint: Endpoint, bar: Account, tmp_path: Path
    ) -> None:
        key = make_key(tmp_path / "key")
        server.authorize(bar.name, Path(f"{key}.pub"))
        agent.add(key)
        key.unlink()
        for name in (f"{key}.pub", str(key)):
            Connection.open(dataclasses.replace(endpoint, key_files=(name,))).close()

    def test_a_public_half_of_which_nobody_has_the_other(self, endpoint: Endpoint, tmp_path: Path) -> None:
        key = make_key(tmp_path / "key")
        error = refused(dataclasses.replace(endpoint, key_files=(f"{key}.pub",)))
        assert "the public half" in error.why and "not its .pub" in error.hint

    def test_a_named_key_comes_before_all_that_it_has(
        self, agent: SshAgent, endpoint: Endpoint, tmp_path: Path
    ) -> None:
        for number in range(7):  # one more than sshd lets anybody try
            agent.add(make_key(tmp_path / f"other{number}"))
        Connection.open(dataclasses.replace(endpoint, only_these_keys=False, named_keys=True)).close()

    def test_a_key_of_a_token_that_is_not_there(
        self, agent: SshAgent, server: Sshd, endpoint: Endpoint, bar: Account, tmp_path: Path
    ) -> None:
        token = make_token_key(tmp_path / "token")
        server.authorize(bar.name, Path(f"{token}.pub"))
        agent.add(token)
        named = dataclasses.replace(endpoint, key_files=(str(token), str(server.key)), only_these_keys=False)
        Connection.open(named).close()
        Connection.open(dataclasses.replace(endpoint, only_these_keys=False, named_keys=False)).close()
        error = refused(dataclasses.replace(endpoint, key_files=(str(token),)))
        assert "does not sign" in error.why and "plugged in" in error.hint

    def test_a_certificate_that_it_has(
        self, agent: SshAgent, server: Sshd, endpoint: Endpoint, bar: Account, tmp_path: Path
    ) -> None:
        key = make_key(tmp_path / "key")
        server.authorize(bar.name, certify(key, bar.name), options="cert-authority")
        agent.add(key)
        Path(f"{key}-cert.pub").unlink()
        key.unlink()
        Connection.open(dataclasses.replace(endpoint, key_files=(str(key),))).close()


class TestSilentAgent:
    @pytest.fixture(autouse=True)
    def agent(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        """It takes connections and never says a word."""
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(tmp_path / "silent"))
            listener.listen(5)
            monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "silent"))
            yield

    def test_a_named_key_needs_none(self, endpoint: Endpoint) -> None:
        began = time.monotonic()
        Connection.open(dataclasses.replace(endpoint, only_these_keys=False, named_keys=True)).close()
        assert time.monotonic() - began < TO_LIST

    def test_the_usual_keys_come_after_it(self, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
        told: list[str] = []
        monkeypatch.setattr(details, "_listeners", [told.append])
        Connection.open(dataclasses.replace(endpoint, only_these_keys=False, named_keys=False)).close()
        assert "did not answer within 3 seconds" in told[0]

    def test_it_is_named_where_nothing_else_lets_in(self, endpoint: Endpoint, tmp_path: Path) -> None:
        locked = str(make_key(tmp_path / "locked", passphrase="secret"))
        error = refused(dataclasses.replace(endpoint, key_files=(locked,)))
        assert "did not answer within 3 seconds" in error.why and "ssh-add -l" in error.hint


class TestCertificates:
    def test_an_expired_one_beside_a_good_key(
        self, server: Sshd, endpoint: Endpoint, bar: Account, tmp_path: Path
    ) -> None:
        key = make_key(tmp_path / "key")
        server.authorize(bar.name, Path(f"{key}.pub"))
        certify(key, bar.name, "20200101:20200102")
        Connection.open(dataclasses.replace(endpoint, key_files=(str(key),))).close()

    @pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
    def test_one_that_lets_in_where_the_key_does_not(
        self, server: Sshd, endpoint: Endpoint, bar: Account, tmp_path: Path, kind: str
    ) -> None:
        key = make_key(tmp_path / "key", kind)
        server.authorize(bar.name, certify(key, bar.name), options="cert-authority")
        Connection.open(dataclasses.replace(endpoint, key_files=(str(key),))).close()

    def test_one_that_is_named(self, server: Sshd, endpoint: Endpoint, bar: Account, tmp_path: Path) -> None:
        key = make_key(tmp_path / "key")
        server.authorize(bar.name, certify(key, bar.name), options="cert-authority")
        named = Path(f"{key}-cert.pub").rename(tmp_path / "elsewhere.pub")
        found = dataclasses.replace(endpoint, key_files=(str(key),), certificates=(str(named),))
        Connection.open(found).close()


def test_a_key_that_others_may_read(endpoint: Endpoint, server: Sshd, tmp_path: Path) -> None:
    key = shutil.copy(server.key, tmp_path / "key")
    key.chmod(0o644)
    error = refused(dataclasses.replace(endpoint, key_files=(str(key),)))
    assert "others than its owner" in error.why and "chmod 600" in error.hint


def test_an_rsa_key_where_the_master_takes_none(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    with (
        account(f"pacha-norsa-{os.getpid()}") as user,
        Sshd(tmp_path_factory.mktemp("sshd"), extra=["PubkeyAcceptedAlgorithms ssh-ed25519"]) as server,
    ):
        server.authorize(user.name)
        keys = (str(make_key(tmp_path / "rsa", "rsa")), str(server.key))
        found = resolve(
            server.address,
            user=user.name,
            port=server.port,
            key=None,
            known_hosts=str(server.known_hosts),
            ssh_config=None,
        )
        Connection.open(dataclasses.replace(found, key_files=keys, only_these_keys=True)).close()
