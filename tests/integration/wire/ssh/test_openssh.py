"""The system's ssh in place of Pacha's own: what it logs in with, what it refuses, what it leaves."""

from __future__ import annotations

import dataclasses
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from pacha.errors import ConfigError, UnreachableError
from pacha.wire.ssh import Endpoint, OpenSsh, resolve
from pacha.wire.ssh.channel import alarm
from pacha.wire.ssh.multiplexed_channel import MultiplexedChannel
from pacha.wire.ssh.openssh import find_ssh
from tests.support.connecting import knowing, refused, through
from tests.support.sshd import Account, Relay, Sshd, make_key

SSH = shutil.which("ssh") or "ssh"
open_ssh = partial(OpenSsh.open, "ssh")


@pytest.fixture(autouse=True)
def leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No folder stays."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # a socket's path is short
        monkeypatch.setattr("tempfile.tempdir", folder)
        yield
        assert os.listdir(folder) == []


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's own file."""
    folder = tmp_path / "ssh"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("PACHA_SSH", str(folder))
    return folder / "config"


def asked(config: Path, server: Sshd, bar: Account, *, key: Path | None) -> Endpoint:
    """The server as ``config`` has it, under the name "master"."""
    known = str(server.known_hosts)
    return resolve(
        "master", user=bar.name, port=server.port, key=key and str(key), known_hosts=known, ssh_config=config
    )


def test_a_certificate_of_the_user(tmp_path: Path, bar: Account, config: Path) -> None:
    authority = make_key(tmp_path / "authority")
    key = make_key(tmp_path / "key")
    sign = ["ssh-keygen", "-q", "-s", str(authority), "-I", "bar", "-n", bar.name, "-V", "+1h", f"{key}.pub"]
    subprocess.run(sign, check=True)
    with Sshd(tmp_path / "sshd", extra=[f"TrustedUserCAKeys {authority}.pub"]) as server:
        config.write_text(f"Host master\n  HostName {server.address}\n")
        with open_ssh(asked(config, server, bar, key=key)) as connection:
            assert connection.run(["echo", "in"]).stdout == b"in\n"
        Path(f"{key}-cert.pub").unlink()
        assert refused(asked(config, server, bar, key=key), open_ssh).code == "login-refused"


def test_a_proxy_command(endpoint: Endpoint, server: Sshd) -> None:
    pipe = f"{SSH} -F none -o BatchMode=yes -o UserKnownHostsFile={server.known_hosts} -i {server.key}"
    command = f"{pipe} -p {server.port} -l {endpoint.user} -W {server.address}:{server.port} {server.address}"
    behind = dataclasses.replace(endpoint, host="192.0.2.1", host_key_name=server.name, proxy_command=command)
    with open_ssh(behind) as connection:
        data = os.urandom(1_000_000)
        assert connection.run(["cat"], stdin=data).stdout == data
    unknown = dataclasses.replace(behind, host_key_name="nobody")
    assert refused(unknown, open_ssh).code == "host-key-unknown"
    assert refused(dataclasses.replace(endpoint, proxy_command="false"), open_ssh).code == "proxy-command-failed"


def test_a_connection_that_the_user_has_already(tmp_path: Path, server: Sshd, bar: Account, config: Path) -> None:
    """As after a login with a second factor: the key alone would not let Pacha in."""
    path = tmp_path / "cm"
    config.write_text(f"Host master\n  HostName {server.address}\n  ControlPath {path}\n")
    nobody = make_key(tmp_path / "nobody")
    known = ["-o", f"UserKnownHostsFile={server.known_hosts}", "-o", "GlobalKnownHostsFile=none"]
    login = ["-i", str(server.key), "-p", str(server.port), "-l", bar.name, server.address]
    assert refused(asked(config, server, bar, key=nobody), open_ssh).code == "login-refused"
    subprocess.run([SSH, "-F", "none", "-fNM", "-S", str(path), *known, *login], check=True, stderr=subprocess.DEVNULL)
    try:
        endpoint = asked(config, server, bar, key=nobody)
        for _ in range(2):  # the first leaves it open
            with open_ssh(endpoint) as connection:
                assert connection.run(["echo", "in"]).stdout == b"in\n"
        path.chmod(0o666)
        assert refused(endpoint, open_ssh).code == "login-refused"
    finally:
        subprocess.run([SSH, "-S", str(path), "-O", "exit", "master"], check=True, capture_output=True)


@pytest.mark.parametrize(
    "word", ["StrictHostKeyChecking no", "NoHostAuthenticationForLocalhost yes", "KnownHostsCommand /bin/cat {known}"]
)
def test_an_unknown_server_is_refused_whatever_the_file_says(
    word: str, server: Sshd, bar: Account, config: Path, tmp_path: Path
) -> None:
    word = word.format(known=server.known_hosts)
    config.write_text(f"Host master\n  HostName {server.address}\n  {word}\n")
    endpoint = dataclasses.replace(asked(config, server, bar, key=server.key), known_hosts=(str(tmp_path / "none"),))
    assert refused(endpoint, open_ssh).code == "host-key-unknown"
    jump = dataclasses.replace(asked(config, server, bar, key=server.key), proxy_jump=endpoint)
    assert refused(jump, open_ssh).code == "host-key-unknown"
    assert "Accepted" not in server.log_text().split("Connection from")[-1]


def test_a_host_key_that_changed_or_is_revoked(endpoint: Endpoint, server: Sshd, tmp_path: Path) -> None:
    other = Path(f"{make_key(tmp_path / 'other')}.pub").read_text()
    changed = knowing(endpoint, tmp_path, f"{server.name} {other}")
    assert refused(changed, open_ssh).code == "host-key-changed"
    keys = [f"{server.name} {server.public(kind)}" for kind in ("ed25519", "rsa")]
    revoked = knowing(endpoint, tmp_path, *keys, *(f"@revoked {key}" for key in keys))
    assert refused(revoked, open_ssh).code == "host-key-revoked"


def test_known_hosts_that_others_may_change(endpoint: Endpoint, server: Sshd, tmp_path: Path) -> None:
    open_file = tmp_path / "open"
    shutil.copy(server.known_hosts, open_file)
    open_file.chmod(0o666)
    with pytest.raises(ConfigError) as caught:
        open_ssh(dataclasses.replace(endpoint, known_hosts=(str(open_file),)))
    assert caught.value.code == "ssh-file-not-trusted"


def test_a_key_that_would_need_a_person(endpoint: Endpoint, tmp_path: Path) -> None:
    locked = make_key(tmp_path / "locked", passphrase="secret")
    start = time.monotonic()
    assert refused(dataclasses.replace(endpoint, key_files=(str(locked),)), open_ssh).code == "login-refused"
    assert time.monotonic() - start < 15


def test_a_server_that_is_not_there_or_says_nothing(endpoint: Endpoint) -> None:
    assert refused(dataclasses.replace(endpoint, port=1), open_ssh).code == "connection-refused"
    nowhere = dataclasses.replace(endpoint, host="no-such-host.invalid")
    assert refused(nowhere, open_ssh).code == "unknown-address"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hanging = dataclasses.replace(endpoint, port=silent.getsockname()[1])
        assert refused(hanging, open_ssh, timeout=1.0).code == "no-ssh-greeting"


def test_a_server_that_drops_who_logs_in(endpoint: Endpoint) -> None:
    """As one does that has no room (MaxStartups of sshd_config(5))."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drop() -> None:
            with suppress(OSError):
                while True:
                    listener.accept()[0].close()

        threading.Thread(target=drop, daemon=True).start()
        there = dataclasses.replace(endpoint, port=listener.getsockname()[1])
        start = time.monotonic()
        assert refused(there, open_ssh, patience=3.0).code == "login-dropped"
        assert time.monotonic() - start > 1
        listener.shutdown(socket.SHUT_RDWR)


def test_a_server_that_is_full(endpoint: Endpoint) -> None:
    with open_ssh(endpoint) as connection:
        full = [MultiplexedChannel(connection._path, b"cat", 10) for _ in range(10)]
        with pytest.raises(UnreachableError) as caught:
            connection.run(["true"])
        assert caught.value.code == "too-many-sessions"
        with alarm(0.05, full[0].close):
            assert connection.run(["true"]).status == 0
        for channel in full:
            channel.close()


def test_a_connection_that_is_cut_under_a_silent_command(server: Sshd, endpoint: Endpoint) -> None:
    with Relay((server.address, server.port)) as relay:
        with open_ssh(through(endpoint, relay, server)) as connection:
            with connection.stream(["sh", "-c", "echo x; sleep 30"]) as stream:
                assert stream.read(10) == b"x\n"
                relay.cut()
                with pytest.raises(UnreachableError) as caught:
                    stream.read(10)
                assert caught.value.code == "connection-lost"


@pytest.mark.parametrize("name", ["100%", "${HOME}", "%h", "a b"])
def test_a_temporary_folder_of_any_name(name: str, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(tempfile.gettempdir(), name)
    folder.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(folder))
        with open_ssh(endpoint) as connection:
            assert connection.run(["echo", "in"]).stdout == b"in\n"
    folder.rmdir()


def test_a_temporary_folder_that_others_may_change(endpoint: Endpoint) -> None:
    """They could put another socket in the place of ssh's, and read all that is pushed."""
    os.chmod(tempfile.gettempdir(), 0o777)
    with pytest.raises(ConfigError) as caught:
        open_ssh(endpoint)
    assert caught.value.code == "temporary-folder-not-trusted"


def test_folders_of_killed_runs_are_removed(endpoint: Endpoint) -> None:
    old, new, used = (Path(tempfile.gettempdir(), f"pacha-ssh-{name}") for name in ("old", "new", "used"))
    for folder in (old, new, used):
        folder.mkdir()
    (used / "s").touch()
    for folder in (old, used):
        os.utime(folder, (0, 0))
    open_ssh(endpoint).close()
    assert [folder.exists() for folder in (old, new, used)] == [False, True, True]
    new.rmdir()
    shutil.rmtree(used)


@pytest.mark.parametrize("name", ["no-such-ssh", "/no/such/ssh"])
def test_no_such_program(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_ssh(name)
    assert caught.value.code == "ssh-program-missing"


def test_a_program_that_others_may_change(tmp_path: Path) -> None:
    program = tmp_path / "ssh"
    shutil.copy(SSH, program)
    assert find_ssh("ssh") == SSH
    program.chmod(0o777)
    with pytest.raises(ConfigError) as caught:
        find_ssh(str(program))
    assert caught.value.code == "ssh-program-not-trusted"
