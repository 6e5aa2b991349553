"""SSH against a real sshd: who is trusted, who gets in, what runs, and what happens when the line breaks."""

from __future__ import annotations

import dataclasses
import errno
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko
import pytest
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from pacha.errors import ConfigError, PachaError, UnreachableError
from pacha.wire.scp import Limits, Refused, Totals, receive
from pacha.wire.ssh import Connection, Endpoint, resolve
from pacha.wire.ssh.channel import alarm
from pacha.wire.ssh.connection import MAX_STREAMS
from tests.support.sshd import Account, Relay, Sshd, account, hashed, make_key, require_sshd

HG = "/usr/bin/hg"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    require_sshd()
    with Sshd(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture(scope="module")
def bar(server: Sshd) -> Iterator[Account]:
    """The account that a host uses at the master."""
    with account(f"pacha-bar-{os.getpid()}") as user:
        server.authorize(user.name)
        yield user


@pytest.fixture(autouse=True)
def no_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)


@pytest.fixture
def endpoint(server: Sshd, bar: Account) -> Endpoint:
    return resolve(
        server.address,
        user=bar.name,
        port=server.port,
        key=str(server.key),
        known_hosts=str(server.known_hosts),
        ssh_config=None,
    )


@pytest.fixture
def connection(endpoint: Endpoint) -> Iterator[Connection]:
    with Connection.open(endpoint) as opened:
        yield opened


def through(endpoint: Endpoint, relay: Relay, server: Sshd) -> Endpoint:
    """The same server by way of a relay, known by its own name."""
    return dataclasses.replace(endpoint, port=relay.port, host_key_name=server.name)


def refused(endpoint: Endpoint, **options: float) -> UnreachableError:
    """The error of a connection that must not come about, fit to be shown."""
    with pytest.raises(UnreachableError) as caught:
        Connection.open(endpoint, **options).close()
    error = caught.value
    assert error.exit_code == 11
    for text in (error.message, error.why, error.hint):
        assert text and text.isprintable()
    return error


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


class TestRun:
    def test_status_output_and_errors_come_back(self, connection: Connection) -> None:
        result = connection.run(["sh", "-c", "cat; echo oops >&2; exit 3"], stdin=b"in")
        assert (result.status, result.stdout, result.stderr) == (3, b"in", b"oops\n")

    def test_what_it_says_is_in_a_language_that_we_know(self, tmp_path: Path, bar: Account) -> None:
        """As on a Debian master set to German: LANG is the server's, LC_* may be sent (AcceptEnv of Debian)."""
        with Sshd(tmp_path / "sshd", extra=["SetEnv LANG=de_DE.UTF-8 LANGUAGE=de", "AcceptEnv LANG LC_*"]) as german:
            german.authorize(bar.name)
            endpoint = resolve(
                german.address, user=bar.name, port=german.port, key=str(german.key),
                known_hosts=str(german.known_hosts), ssh_config=None,
            )  # fmt: skip
            with Connection.open(endpoint) as connection:
                assert connection.run(["printenv", "LC_ALL"]).stdout == b"C\n"
                assert b"No such file" in connection.run(["sha256sum", "/nowhere"]).stderr

    def test_every_word_stays_one_word(self, connection: Connection) -> None:
        words = [b"a b", b"'", b'"', b"$(id)", b"`id`", b";", b"*", b"", b"-n", b"\\", b"\xff\xfe", b"a\nb"]
        result = connection.run(["printf", r"%s\0", *words])
        assert result.stdout.split(b"\0")[:-1] == words

    def test_a_zero_byte_cannot_be_sent(self, connection: Connection) -> None:
        with pytest.raises(PachaError, match="can be sent"):
            connection.run(["echo", b"a\0b"])

    def test_a_lot_of_input_and_output(self, connection: Connection) -> None:
        data = os.urandom(3_000_000)
        assert connection.run(["cat"], stdin=data).stdout == data

    def test_input_that_nobody_reads_is_no_error(self, connection: Connection) -> None:
        assert connection.run(["true"], stdin=bytes(8_000_000)).status == 0

    def test_a_chatty_remote_never_blocks_and_is_cut_short(self, connection: Connection) -> None:
        result = connection.run(["sh", "-c", "head -c 9000000 /dev/zero >&2; echo done"], timeout=30)
        assert (result.stdout, len(result.stderr)) == (b"done\n", 65536)

    def test_endless_output_is_refused(self, connection: Connection) -> None:
        with pytest.raises(UnreachableError, match="without end"):
            connection.run(["cat", "/dev/zero"], limit=100_000)

    def test_a_command_that_does_not_end_is_given_up(self, connection: Connection) -> None:
        start = time.monotonic()
        with pytest.raises(UnreachableError, match="took too long"):
            connection.run(["sleep", "30"], timeout=0.5)
        assert time.monotonic() - start < 5
        assert connection.run(["echo", "still here"]).stdout == b"still here\n"

    def test_a_command_that_trickles_is_given_up(self, connection: Connection) -> None:
        with pytest.raises(UnreachableError, match="took too long"):
            connection.run(["sh", "-c", "while sleep 0.1; do echo x; done"], timeout=1)

    def test_a_command_killed_by_a_signal_has_no_good_status(self, connection: Connection) -> None:
        assert connection.run(["sh", "-c", "kill -9 $PPID"]).status == -1

    def test_a_file_is_written(self, connection: Connection, bar: Account) -> None:
        path = os.fsencode(bar.home) + b"/it's $(odd) \xff"
        assert connection.write(path, b"content\0").status == 0
        assert connection.run(["cat", path]).stdout == b"content\0"
        failed = connection.write(b"/no/such/folder", b"x")
        assert failed.status != 0 and b"/no/such/folder" in failed.stderr

    def test_no_such_command(self, connection: Connection) -> None:
        assert connection.run(["no-such-command"]).status == 127


class TestStreams:
    def test_many_short_commands_at_once_do_not_end_the_line(self, connection: Connection) -> None:
        """Ending the input of a command that ends at that moment made OpenSSH hang up."""
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            with ThreadPoolExecutor(6) as pool:
                results = list(pool.map(lambda _: connection.run(["true"]).status, range(300)))
        finally:
            sys.setswitchinterval(interval)
        assert results == [0] * 300

    def test_a_server_that_is_full_for_an_instant_is_asked_again(self, connection: Connection) -> None:
        """OpenSSH counts a session that has ended until it has next looked round (MaxSessions of sshd_config(5))."""
        full = [connection.transport.open_session() for _ in range(10)]
        with alarm(0.05, full[0].close):
            assert connection.run(["true"]).status == 0
        for channel in full:
            channel.close()

    def test_a_server_that_stays_full(self, connection: Connection) -> None:
        full = [connection.transport.open_session() for _ in range(10)]
        with pytest.raises(UnreachableError) as caught:
            connection.run(["true"])
        assert "refuses" in caught.value.message and "MaxSessions" in caught.value.hint
        for channel in full:
            channel.close()

    def test_a_channel_that_was_closed_before_it_was_used(self, connection: Connection) -> None:
        """A server may do that to one that says nothing (ChannelTimeout of sshd_config(5))."""
        connection.open_ahead(1)
        connection._opened[0].result(5).close()
        assert connection.run(["true"]).status == 0

    def test_many_at_once_on_one_connection(self, connection: Connection) -> None:
        streams = [connection.stream(["cat"]) for _ in range(MAX_STREAMS)]
        for number, stream in enumerate(streams):
            stream.write(b"%d" % number)
        for number, stream in enumerate(streams):
            stream.close_write()
            assert stream.read(100) == b"%d" % number
            assert stream.read(100) == b""
            assert stream.finish().status == 0

    def test_one_after_another_without_end(self, connection: Connection) -> None:
        for _ in range(MAX_STREAMS * 4):
            with connection.stream(["true"]) as stream:
                assert stream.finish().status == 0

    def test_one_too_many_is_an_error_and_not_a_hang(self, connection: Connection) -> None:
        streams = [connection.stream(["cat"]) for _ in range(MAX_STREAMS)]
        with pytest.raises(PachaError, match="Too many"):
            connection.stream(["cat"], idle=0.2)
        for stream in streams:
            stream.close()
        assert connection.run(["true"]).status == 0

    def test_the_files_are_what_mercurial_wants(self, connection: Connection) -> None:
        with connection.stream(["sh", "-c", "echo err >&2; cat"]) as stream:
            assert stream.stdin.write(b"one\ntwo\nthree") == 13
            stream.stdin.flush()
            stream.stdin.close()
            assert stream.stdout.readline() == b"one\n"
            assert stream.stdout.read(2) == b"tw"
            assert stream.stdout.read1(100) == b"o\nthree"
            assert os.read(stream.stderr.fileno(), 10) == b""
            ended = stream.finish()
        assert (ended.status, ended.stderr) == (0, b"err\n")

    def test_a_silent_command_is_given_up(self, connection: Connection) -> None:
        with connection.stream(["sleep", "30"], idle=0.5) as stream:
            with pytest.raises(UnreachableError, match="was lost") as caught:
                stream.read(1)
        assert "said nothing for 0.5 seconds" in caught.value.why

    def test_a_command_that_reads_nothing_is_given_up(self, connection: Connection) -> None:
        with connection.stream(["sleep", "30"], idle=0.5) as stream:
            with pytest.raises(UnreachableError) as caught:
                stream.write(bytes(20_000_000))
        assert "read nothing" in caught.value.why

    def test_writing_to_a_command_that_ended_is_a_broken_pipe(self, connection: Connection) -> None:
        with connection.stream(["true"]) as stream:
            stream.finish()
            with pytest.raises(BrokenPipeError):
                stream.write(b"x")

    def test_finishing_early_stops_a_command_that_goes_on(self, connection: Connection) -> None:
        with connection.stream(["cat", "/dev/zero"]) as stream:
            stream.read(10)
            assert stream.finish().status == -1
        assert connection.run(["true"]).status == 0

    def test_finishing_has_an_end(self, connection: Connection) -> None:
        with connection.stream(["sh", "-c", "while sleep 0.1; do echo x; done"], idle=0.5) as stream:
            with pytest.raises(UnreachableError, match="took too long"):
                stream.finish()

    def test_mercurial_answers_over_a_stream(self, connection: Connection, bar: Account) -> None:
        if not os.path.exists(HG):
            pytest.skip(f"needs {HG}")
        repo = bar.home / "repo"
        assert connection.run([HG, "init", str(repo)]).status == 0
        with connection.stream([HG, "-R", str(repo), "serve", "--stdio"]) as stream:
            stream.stdin.write(b"hello\n")
            length = int(stream.stdout.readline())
            assert stream.stdout.read(length).startswith(b"capabilities:")
            assert stream.finish().status == 0

    def test_what_was_said_ahead_is_not_sent_again(self, connection: Connection) -> None:
        with connection.stream(["cat"]) as stream:
            stream.stdin.say_ahead(b"one two ")
            assert stream.read(100) == b"one two "
            assert [stream.stdin.write(part) for part in (b"one ", b"two ", b"three")] == [4, 4, 5]
            assert stream.read(100) == b"three"

    def test_something_else_than_what_was_said_ahead_is_a_fault(self, connection: Connection) -> None:
        with connection.stream(["cat"]) as stream:
            stream.stdin.say_ahead(b"one")
            with pytest.raises(RuntimeError):
                stream.stdin.write(b"two")

    def test_what_is_said_ahead_to_a_command_that_has_ended_is_no_error(self, connection: Connection) -> None:
        with connection.stream(["false"]) as stream:
            assert stream.read(1) == b""
            stream.stdin.say_ahead(b"one")
            assert stream.finish().status == 1

    def test_channels_that_were_opened_ahead_are_used_first(self, connection: Connection) -> None:
        connection.open_ahead(MAX_STREAMS + 5)
        streams = [connection.stream(["cat"]) for _ in range(MAX_STREAMS)]
        for stream in streams:
            stream.close()
        assert connection.run(["true"]).status == 0

    def test_a_channel_opened_ahead_of_a_lost_line(self, endpoint: Endpoint, server: Sshd) -> None:
        with Relay((server.address, server.port)) as relay:
            with Connection.open(through(endpoint, relay, server)) as connection:
                relay.cut()
                connection.open_ahead(1)
                with pytest.raises(UnreachableError):
                    connection.run(["true"])

    def test_a_command_that_the_server_does_not_begin(self, tmp_path: Path) -> None:
        key = paramiko.RSAKey.from_private_key_file(str(make_key(tmp_path / "host", "rsa")))
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=refuse_commands, args=(listener, key), daemon=True).start()
            port = listener.getsockname()[1]
            (tmp_path / "known").write_text(f"[127.0.0.1]:{port} ssh-rsa {key.get_base64()}\n")
            endpoint = Endpoint(
                host="127.0.0.1",
                port=port,
                user="x",
                key_files=(str(make_key(tmp_path / "own")),),
                known_hosts=(str(tmp_path / "known"),),
                host_key_name=f"[127.0.0.1]:{port}",
            )
            with Connection.open(endpoint) as connection:
                # Which of the two depends on whose word about the channel's end comes first.
                try:
                    assert connection.run(["true"], stdin=b"x" * 100, timeout=20).status < 0
                except UnreachableError:
                    pass


class _Refusing(paramiko.ServerInterface):
    """A server that lets everybody in, opens a channel and runs nothing on it."""

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return int(AUTH_SUCCESSFUL)

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return int(OPEN_SUCCEEDED)


def refuse_commands(listener: socket.socket, key: paramiko.PKey) -> None:
    """Be that server for one client."""
    transport = paramiko.Transport(listener.accept()[0])
    transport.add_server_key(key)
    transport.start_server(server=_Refusing())
    transport.join(60)


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


class TestReaching:
    def test_a_closed_port(self, endpoint: Endpoint) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        error = refused(dataclasses.replace(endpoint, port=port))
        assert "refuses connections" in error.message
        assert "pacha.ssh.port" in error.hint

    def test_a_name_that_nobody_knows(self, endpoint: Endpoint) -> None:
        error = refused(dataclasses.replace(endpoint, host="no-such-host.invalid"))
        assert "no-such-host.invalid is not known to this machine's resolver" in error.message

    def test_something_else_than_ssh(self, endpoint: Endpoint) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:

            def answer() -> None:
                sock, _ = other.accept()
                with sock:
                    sock.sendall(b"HTTP/1.0 400 \x1b[2J\r\n" * 200)

            threading.Thread(target=answer, daemon=True).start()
            error = refused(dataclasses.replace(endpoint, port=other.getsockname()[1]))
        assert "does not talk SSH" in error.message

    def test_something_that_hangs_up_at_once(self, endpoint: Endpoint) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:

            def answer() -> None:
                sock, _ = other.accept()
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset: socket(7)
                sock.close()

            threading.Thread(target=answer, daemon=True).start()
            error = refused(dataclasses.replace(endpoint, port=other.getsockname()[1]))
        assert "does not talk SSH" in error.message

    def test_something_that_hangs_up_before_we_are_connected(
        self, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The reset comes while we wait to be connected: it is a matter of luck which is seen first."""

        def reset(*_: object) -> socket.socket:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))

        monkeypatch.setattr(socket, "create_connection", reset)
        assert "does not talk SSH" in refused(endpoint).message

    @pytest.mark.parametrize("banner", [b"", b"SSH-2.0-silent\r\n"])
    def test_something_that_says_nothing(self, endpoint: Endpoint, banner: bytes) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            sockets = []

            def answer() -> None:
                sock, _ = other.accept()
                sock.sendall(banner)
                sockets.append(sock)

            threading.Thread(target=answer, daemon=True).start()
            start = time.monotonic()
            error = refused(dataclasses.replace(endpoint, port=other.getsockname()[1]), timeout=0.5)
            assert time.monotonic() - start < 3
            assert ("says nothing" in error.message) == (not banner)
            for sock in sockets:
                sock.close()

    @pytest.mark.parametrize(
        "payload",
        [
            b"\x01\0\0\0\x02\0\0\0\x04\xff\xfe\x1b[\0\0\0\0",  # "disconnect", in no known letters
            b"\x01",
            b"\x14" + bytes(16) + b"\xff\xff\xff\xff",  # "algorithms", of an impossible length
            b"\x14" + bytes(16) + b"\0\0\0\x01x" * 10 + bytes(5),
            b"\x15",
            b"\xff",
        ],
    )
    def test_odd_packets(self, endpoint: Endpoint, payload: bytes) -> None:
        padding = bytes(8 - (len(payload) + 5) % 8 + 8)
        length = len(payload) + len(padding) + 1
        packet = length.to_bytes(4, "big") + bytes([len(padding)]) + payload + padding
        with socket.create_server(("127.0.0.1", 0)) as other:

            def answer() -> None:
                sock, _ = other.accept()
                with sock:
                    sock.sendall(b"SSH-2.0-odd\r\n" + packet)
                    sock.recv(100_000)
                    sock.shutdown(socket.SHUT_WR)

            threading.Thread(target=answer, daemon=True).start()
            error = refused(dataclasses.replace(endpoint, port=other.getsockname()[1]), timeout=2)
        assert "does not talk SSH" in error.message

    def test_a_failure_neither_prints_nor_lingers(self, endpoint: Endpoint) -> None:
        """A process whose server hangs up in the middle of the greeting ends at once and says nothing."""
        program = """
import socket, threading
from pacha.errors import UnreachableError
from pacha.wire.ssh import Connection, Endpoint
other = socket.create_server(("127.0.0.1", 0))
def answer():
    sock, _ = other.accept()
    sock.sendall(b"SSH-2.0-x\\r\\n")
    while b"curve25519" not in sock.recv(100000):
        pass
    sock.shutdown(socket.SHUT_WR)
threading.Thread(target=answer, daemon=True).start()
try:
    port = other.getsockname()[1]
    Connection.open(Endpoint(host="127.0.0.1", port=port, user="x", key_files=(), known_hosts=(), host_key_name="x"))
except UnreachableError:
    print("refused")
"""
        top = Path(__file__).parents[4]
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=8, cwd=top)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"refused\n", b"")


class TestConfiguration:
    @pytest.fixture(autouse=True)
    def home(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.setenv("HOME", str(tmp_path))
        return tmp_path

    def resolve(self, config: Path | None, host: str = "master", **given: str | int) -> Endpoint:
        values: dict[str, object] = {"user": None, "port": None, "key": None, "known_hosts": None, **given}
        return resolve(host, ssh_config=config, **values)  # type: ignore[arg-type]

    def test_without_anything(self, home: Path) -> None:
        found = self.resolve(None)
        assert (found.host, found.port, found.host_key_name) == ("master", 22, "master")
        assert found.user == "root"
        assert found.key_files == tuple(f"{home}/.ssh/id_{kind}" for kind in ("ed25519", "ecdsa", "rsa"))
        assert found.known_hosts == (f"{home}/.ssh/known_hosts", "/etc/ssh/ssh_known_hosts")
        assert found.label == "root@master"
        assert found == self.resolve(home / "no-such-config")

    def test_what_ssh_config_says_is_honoured(self, home: Path) -> None:
        config = home / "config"
        config.write_text(
            "Host master\n HostName 192.0.2.7\n Port 2222\n User bar_user\n IdentityFile ~/keys/one\n"
            " IdentityFile /keys/two\n UserKnownHostsFile ~/kh1 /kh2\n HostKeyAlias the-master\n"
            "Host *\n User nobody\n"
        )
        found = self.resolve(config)
        assert (found.host, found.port, found.user) == ("192.0.2.7", 2222, "bar_user")
        assert found.key_files == (f"{home}/keys/one", "/keys/two")
        assert found.known_hosts[:2] == (f"{home}/kh1", "/kh2")
        assert found.host_key_name == "the-master"

    def test_pacha_s_own_values_win(self, home: Path) -> None:
        config = home / "config"
        config.write_text("Host *\n Port 2222\n User x\n IdentityFile /k\n UserKnownHostsFile /kh\n")
        found = self.resolve(config, user="bar", port=22, key="~/mine", known_hosts="/mine")
        assert (found.port, found.user, found.key_files) == (22, "bar", (f"{home}/mine",))
        assert found.known_hosts == ("/mine", "/etc/ssh/ssh_known_hosts")
        assert found.only_these_keys

    def test_another_port_is_part_of_the_name(self) -> None:
        assert self.resolve(None, port=2222).host_key_name == "[master]:2222"

    def test_jumps(self, home: Path) -> None:
        config = home / "config"
        config.write_text(
            "Host master\n ProxyJump jack@one:2201,two\nHost two\n HostName two.example\n User jill\n"
            "Host off\n ProxyJump none\n"
        )
        second = self.resolve(config).proxy_jump
        assert second and (second.host, second.port, second.user) == ("two.example", 22, "jill")
        first = second.proxy_jump
        assert first and (first.host, first.port, first.user) == ("one", 2201, "jack")
        assert first.proxy_jump is None
        assert self.resolve(config, "off").proxy_jump is None

    @pytest.mark.parametrize(
        "host", ["", "-oProxyCommand=x", "a;b", "$(x)", "../x", "a b", "ü", "a\n", "x" * 300, "a/b", "a@b"]
    )
    def test_what_cannot_be_a_host(self, host: str) -> None:
        with pytest.raises(ConfigError) as caught:
            self.resolve(None, host)
        assert caught.value.why.isprintable()

    @pytest.mark.parametrize("host", ["master.example.com", "10.0.0.1", "::1", "fe80::1%eth0", "a_b-c"])
    def test_what_can(self, host: str) -> None:
        assert self.resolve(None, host).host == host

    @pytest.mark.parametrize("user", ["-x", "a;b", "a b", "$(x)", "a\n", "a/b", "`x`"])
    def test_what_cannot_be_a_user(self, user: str) -> None:
        with pytest.raises(ConfigError):
            self.resolve(None, user=user)

    def test_what_cannot_be_a_port(self, home: Path) -> None:
        (home / "config").write_text("Host *\n Port many\n")
        for port in (-1, 65536):
            with pytest.raises(ConfigError):
                self.resolve(None, port=port)
        with pytest.raises(ConfigError):
            self.resolve(home / "config")

    @pytest.mark.parametrize("line", ["HostName -oA=x", "User -x", "ProxyJump -oX=y", "ProxyJump a b"])
    def test_ssh_config_is_checked_too(self, home: Path, line: str) -> None:
        (home / "config").write_text(f"Host master\n {line}\n")
        with pytest.raises(ConfigError):
            self.resolve(home / "config")

    @pytest.mark.parametrize("text", ["nonsense\n", "Match nonsense\n", "Host 'open\n"])
    def test_ssh_config_that_cannot_be_read(self, home: Path, text: str) -> None:
        (home / "config").write_text(text)
        with pytest.raises(ConfigError, match="cannot be read"):
            self.resolve(home / "config")

    def test_a_match_that_runs_a_command(self, home: Path) -> None:
        (home / "config").write_text("Match exec true\n User right\nMatch exec false\n User wrong\n")
        asked = (
            "import pathlib, sys; from pacha.wire import ssh; print(ssh.resolve('master', user=None, port=None,"
            "key=None, known_hosts=None, ssh_config=pathlib.Path(sys.argv[1])).user)"
        )
        command = [sys.executable, "-c", asked, str(home / "config")]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        assert done.stdout == "right\n", done.stderr

    def test_it_connects_by_an_alias(self, server: Sshd, bar: Account, home: Path) -> None:
        known = home / "kh"
        known.write_text(f"the-alias {server.public()}\n")
        config = home / "config"
        config.write_text(
            f"Host master\n HostName {server.address}\n Port {server.port}\n User {bar.name}\n"
            f" IdentityFile {server.key}\n UserKnownHostsFile {known}\n HostKeyAlias the-alias\n"
        )
        with Connection.open(self.resolve(config)) as connection:
            assert connection.run(["id", "-un"]).stdout.decode().strip() == bar.name


class TestJumping:
    def test_through_another_connection(self, endpoint: Endpoint) -> None:
        twice = dataclasses.replace(endpoint, proxy_jump=dataclasses.replace(endpoint, proxy_jump=endpoint))
        with Connection.open(twice) as connection:
            data = os.urandom(2_000_000)
            assert connection.run(["cat"], stdin=data).stdout == data

    def test_the_host_in_between_is_checked_as_well(self, endpoint: Endpoint, tmp_path: Path) -> None:
        stranger = dataclasses.replace(endpoint, known_hosts=(str(tmp_path / "none"),))
        assert "is not known" in refused(dataclasses.replace(endpoint, proxy_jump=stranger)).message
        assert "is not known" in refused(dataclasses.replace(stranger, proxy_jump=endpoint)).message

    def test_what_lies_behind_cannot_be_reached(self, endpoint: Endpoint) -> None:
        error = refused(dataclasses.replace(endpoint, port=1, proxy_jump=endpoint))
        assert "cannot be reached through 127.0.0.1" in error.message


def fetch(connection: Connection, path: Path, inbox: Path) -> Totals:
    """Copy a tree as a rebuild does, and check that scp was content."""
    inbox.mkdir(0o700)
    fd = os.open(inbox, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with connection.stream(["scp", "-r", "-f", str(path)]) as stream:
            totals = receive(
                stream,
                fd,
                top=os.fsencode(path.name),
                accept=lambda name, is_dir: True,
                limits=Limits(1 << 30, 10_000, 20),
                on_file=lambda received: None,
            )
            assert stream.finish().status == 0
        return totals
    finally:
        os.close(fd)


class TestTheLine:
    @pytest.fixture
    def store(self, bar: Account) -> Path:
        """A tree of 2,000 files at the master."""
        store = bar.home / "store"
        if not store.exists():
            for number in range(2000):
                folder = store / f"d{number % 40}"
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"f{number}").write_bytes(bytes([number % 251]) * (number % 3000))
            subprocess.run(["chown", "-R", bar.name, str(store)], check=True)
        return store

    def test_many_files_over_a_long_line(self, server: Sshd, endpoint: Endpoint, store: Path, tmp_path: Path) -> None:
        with Relay((server.address, server.port), rtt=0.1) as relay:
            with Connection.open(through(endpoint, relay, server)) as connection:
                before = relay.turns
                totals = fetch(connection, store, tmp_path / "inbox")
                turns = relay.turns - before
        assert totals.files == 2000
        assert subprocess.run(["diff", "-r", str(store), str(tmp_path / "inbox")]).returncode == 0
        assert turns < 40  # waiting for each answer would make it 4,000

    def test_what_is_not_there(self, connection: Connection, bar: Account, tmp_path: Path) -> None:
        with pytest.raises(Refused):
            fetch(connection, bar.home / "nothing", tmp_path / "inbox")

    def test_a_stalled_line_ends_in_time(self, server: Sshd, endpoint: Endpoint, store: Path, tmp_path: Path) -> None:
        with Relay((server.address, server.port)) as relay:
            with Connection.open(through(endpoint, relay, server), stall=0.8) as connection:
                relay.stall_after = relay.down + 500_000
                start = time.monotonic()
                with pytest.raises(UnreachableError, match="was lost") as caught:
                    fetch(connection, store, tmp_path / "inbox")
                assert time.monotonic() - start < 6
                assert "nothing was heard" in caught.value.why

    def test_a_stalled_line_frees_a_writer(self, server: Sshd, endpoint: Endpoint) -> None:
        with Relay((server.address, server.port)) as relay:
            with Connection.open(through(endpoint, relay, server), stall=0.8) as connection:
                with connection.stream(["cat"]) as stream:
                    relay.stall()
                    with pytest.raises(UnreachableError):
                        for _ in range(1000):
                            stream.write(bytes(100_000))

    def test_a_stalled_line_frees_who_starts_a_command(self, server: Sshd, endpoint: Endpoint) -> None:
        with Relay((server.address, server.port)) as relay:
            with Connection.open(through(endpoint, relay, server), stall=0.8) as connection:
                relay.stall()
                with pytest.raises(UnreachableError, match="was lost"):
                    connection.run(["true"])

    def test_a_quiet_command_on_a_good_line_is_waited_for(self, endpoint: Endpoint) -> None:
        with Connection.open(endpoint, stall=0.4) as connection:
            assert connection.run(["sh", "-c", "sleep 2; echo done"]).stdout == b"done\n"

    @pytest.mark.parametrize("after", [10_000, 300_000])
    def test_a_line_that_is_cut_is_never_taken_for_the_end(
        self, server: Sshd, endpoint: Endpoint, store: Path, tmp_path: Path, after: int
    ) -> None:
        with Relay((server.address, server.port)) as relay:
            with Connection.open(through(endpoint, relay, server)) as connection:
                relay.cut_after = relay.down + after
                with pytest.raises(UnreachableError, match="was lost"):
                    fetch(connection, store, tmp_path / "inbox")
                with pytest.raises(UnreachableError):
                    connection.run(["true"])

    def test_closing_leaves_nothing_behind(self, endpoint: Endpoint) -> None:
        Connection.open(endpoint).close()
        threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with Connection.open(endpoint) as connection:
                connection.run(["true"])
        deadline = time.monotonic() + 3
        while threading.active_count() > threads and time.monotonic() < deadline:
            time.sleep(0.02)
        assert threading.active_count() <= threads
        assert len(os.listdir("/proc/self/fd")) <= descriptors
