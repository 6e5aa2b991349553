"""Commands that run side by side on one connection: streams, their limits and their ends."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from operator import attrgetter
from pathlib import Path

import paramiko
import pytest
from paramiko.common import AUTH_SUCCESSFUL, OPEN_SUCCEEDED

from pacha.errors import PachaError, UnreachableError
from pacha.wire.ssh import Commands, Connection, Endpoint
from pacha.wire.ssh.channel import alarm
from pacha.wire.ssh.commands import MAX_STREAMS
from tests.support.connecting import through
from tests.support.sshd import Account, Relay, Sshd, make_key

HG = "/usr/bin/hg"


class TestStreams:
    def test_many_short_commands_at_once_do_not_end_the_line(self, connection: Commands) -> None:
        """Ending the input of a command that ends at that moment made OpenSSH hang up."""
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            with ThreadPoolExecutor(6) as pool:
                results = list(pool.map(lambda _: connection.run(["true"]).status, range(300)))
        finally:
            sys.setswitchinterval(interval)
        assert results == [0] * 300

    def test_a_server_that_is_full_for_an_instant_is_asked_again(self, own: Connection) -> None:
        """OpenSSH counts a session that has ended until it has next looked round (MaxSessions of sshd_config(5))."""
        full = [own.transport.open_session() for _ in range(10)]
        with alarm(0.05, full[0].close):
            assert own.run(["true"]).status == 0
        for channel in full:
            channel.close()

    def test_a_server_that_stays_full(self, own: Connection) -> None:
        full = [own.transport.open_session() for _ in range(10)]
        with pytest.raises(UnreachableError) as caught:
            own.run(["true"])
        assert "refuses" in caught.value.message and "MaxSessions" in caught.value.hint
        for channel in full:
            channel.close()

    def test_a_channel_that_was_closed_before_it_was_used(self, own: Connection) -> None:
        """A server may do that to one that says nothing (ChannelTimeout of sshd_config(5))."""
        own.open_ahead(1)
        own._opened[0].result(5).close()
        assert own.run(["true"]).status == 0

    def test_many_at_once_on_one_connection(self, connection: Commands) -> None:
        streams = [connection.stream(["cat"]) for _ in range(MAX_STREAMS)]
        for number, stream in enumerate(streams):
            stream.write(b"%d" % number)
        for number, stream in enumerate(streams):
            stream.close_write()
            assert stream.read(100) == b"%d" % number
            assert stream.read(100) == b""
            assert stream.finish().status == 0

    def test_one_after_another_without_end(self, connection: Commands) -> None:
        for _ in range(MAX_STREAMS * 4):
            with connection.stream(["true"]) as stream:
                assert stream.finish(end_input=False).status == 0

    def test_one_too_many_is_an_error_and_not_a_hang(self, connection: Commands) -> None:
        streams = [connection.stream(["cat"]) for _ in range(MAX_STREAMS)]
        with pytest.raises(PachaError, match="Too many"):
            connection.stream(["cat"], idle=0.2)
        for stream in streams:
            stream.close()
        assert connection.run(["true"]).status == 0

    def test_the_files_are_what_mercurial_wants(self, connection: Commands) -> None:
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

    def test_a_silent_command_is_given_up(self, connection: Commands) -> None:
        with connection.stream(["sleep", "30"], idle=0.5) as stream:
            with pytest.raises(UnreachableError, match="was lost") as caught:
                stream.read(1)
        assert "said nothing for 0.5 seconds" in caught.value.why

    def test_what_another_command_says_is_not_said_by_this_one(self, connection: Commands) -> None:
        with connection.stream(["sleep", "30"], idle=1.0) as silent, ThreadPoolExecutor(1) as pool:
            other = pool.submit(connection.run, ["sh", "-c", "sleep 0.3; echo x"])
            with pytest.raises(UnreachableError) as caught:
                silent.read(1)
            assert other.result(10).stdout == b"x\n"
        assert "said nothing for 1 seconds" in caught.value.why

    @pytest.mark.parametrize("read", ["stdout.read", "stdout.readline", "read", "stdout.read1"])
    def test_a_command_that_dribbles_is_given_up(self, connection: Commands, read: str) -> None:
        """A byte now and then is no answer: neither a short one nor a long one comes to its end."""
        start = time.monotonic()
        with connection.stream(["sh", "-c", "while sleep 0.1; do printf x; done"], idle=1.0) as stream:
            with pytest.raises(UnreachableError) as caught:
                while True:
                    attrgetter(read)(stream)(1000)
        assert caught.value.code == "connection-lost" and "said hardly anything for 1 seconds" in caught.value.why
        assert time.monotonic() - start < 10

    def test_an_answer_that_comes_late_and_at_once_is_taken(self, connection: Commands) -> None:
        """Each question may be thought about; all together take longer than one may."""
        with connection.stream(["sh", "-c", "while read line; do sleep 0.7; echo $line; done"], idle=1.5) as stream:
            for number in range(4):
                stream.stdin.write(b"%d\n" % number)
                assert stream.stdout.readline() == b"%d\n" % number

    def test_a_command_that_takes_its_input_bytewise_is_given_up(self, connection: Commands) -> None:
        taking = "while dd bs=100 count=1 of=/dev/null status=none; do sleep 0.1; done"
        with connection.stream(["sh", "-c", taking], idle=1.0) as stream:
            with pytest.raises(UnreachableError) as caught:
                stream.stdin.write(bytes(20_000_000))
        assert "read hardly anything for" in caught.value.why

    @pytest.mark.slow
    def test_a_line_of_56_kbit_is_waited_for(self, endpoint: Endpoint, server: Sshd) -> None:
        """Two conversations share it, each with more in it than comes in the time of a silence."""
        with Relay((server.address, server.port), rate=7000) as relay:
            with Connection.open(through(endpoint, relay, server), idle=9.0) as connection:
                with ThreadPoolExecutor(2) as pool:
                    down = pool.submit(connection.run, ["head", "-c", "70000", "/dev/zero"])
                    with connection.stream(["sh", "-c", "cat >/dev/null; echo done"]) as stream:
                        stream.stdin.write(bytes(70_000))
                        stream.close_write()
                        assert stream.stdout.read(100) == b"done\n"
                        assert stream.finish().status == 0
                    assert len(down.result(60).stdout) == 70_000

    def test_a_command_that_reads_nothing_is_given_up(self, connection: Commands) -> None:
        with connection.stream(["sleep", "30"], idle=0.5) as stream:
            with pytest.raises(UnreachableError) as caught:
                stream.write(bytes(20_000_000))
        assert "read hardly anything" in caught.value.why

    def test_writing_to_a_command_that_ended_is_a_broken_pipe(self, connection: Commands) -> None:
        with connection.stream(["true"]) as stream:
            stream.finish(end_input=False)
            with pytest.raises(BrokenPipeError):
                stream.write(b"x")

    def test_finishing_early_stops_a_command_that_goes_on(self, connection: Commands) -> None:
        with connection.stream(["cat", "/dev/zero"]) as stream:
            stream.read(10)
            assert stream.finish().status == -1
        assert connection.run(["true"]).status == 0

    def test_finishing_has_an_end(self, connection: Commands) -> None:
        with connection.stream(["sh", "-c", "while sleep 0.1; do echo x; done"], idle=0.5) as stream:
            with pytest.raises(UnreachableError, match="took too long"):
                stream.finish()

    def test_mercurial_answers_over_a_stream(self, connection: Commands, bar: Account) -> None:
        if not os.path.exists(HG):
            pytest.skip(f"needs {HG}")
        repo = bar.home / f"repo of {type(connection).__name__}"
        assert connection.run([HG, "init", str(repo)]).status == 0
        with connection.stream([HG, "-R", str(repo), "serve", "--stdio"]) as stream:
            stream.stdin.write(b"hello\n")
            length = int(stream.stdout.readline())
            assert stream.stdout.read(length).startswith(b"capabilities:")
            assert stream.finish().status == 0

    def test_what_was_said_ahead_is_not_sent_again(self, connection: Commands) -> None:
        with connection.stream(["cat"]) as stream:
            stream.stdin.say_ahead(b"one two ")
            assert stream.read(100) == b"one two "
            assert [stream.stdin.write(part) for part in (b"one ", b"two ", b"three")] == [4, 4, 5]
            assert stream.read(100) == b"three"

    def test_something_else_than_what_was_said_ahead_is_a_fault(self, connection: Commands) -> None:
        with connection.stream(["cat"]) as stream:
            stream.stdin.say_ahead(b"one")
            with pytest.raises(RuntimeError):
                stream.stdin.write(b"two")

    def test_what_is_said_ahead_to_a_command_that_has_ended_is_no_error(self, connection: Commands) -> None:
        with connection.stream(["false"]) as stream:
            assert stream.read(1) == b""
            stream.stdin.say_ahead(b"one")
            assert stream.finish().status == 1

    def test_channels_that_were_opened_ahead_are_used_first(self, connection: Commands) -> None:
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
