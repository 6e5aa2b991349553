"""SSH against a real sshd: what runs, by way of another host, and what happens when the line breaks."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from pacha.errors import PachaError, UnreachableError
from pacha.wire.scp import Limits, Totals, receive
from pacha.wire.scp_header import Refused
from pacha.wire.ssh import Commands, Endpoint, resolve
from tests.support.connecting import Opens, refused, through
from tests.support.sshd import Account, Relay, Sshd


class TestRun:
    def test_status_output_and_errors_come_back(self, connection: Commands) -> None:
        result = connection.run(["sh", "-c", "cat; echo oops >&2; exit 3"], stdin=b"in")
        assert (result.status, result.stdout, result.stderr) == (3, b"in", b"oops\n")

    def test_what_it_says_is_in_a_language_that_we_know(self, tmp_path: Path, bar: Account, opens: Opens) -> None:
        """As on a Debian master set to German: LANG is the server's, LC_* may be sent (AcceptEnv of Debian)."""
        with Sshd(tmp_path / "sshd", extra=["SetEnv LANG=de_DE.UTF-8 LANGUAGE=de", "AcceptEnv LANG LC_*"]) as german:
            german.authorize(bar.name)
            endpoint = resolve(
                german.address, user=bar.name, port=german.port, key=str(german.key),
                known_hosts=str(german.known_hosts), ssh_config=None,
            )  # fmt: skip
            with opens(endpoint) as connection:
                assert connection.run(["printenv", "LC_ALL"]).stdout == b"C\n"
                assert b"No such file" in connection.run(["sha256sum", "/nowhere"]).stderr

    def test_every_word_stays_one_word(self, connection: Commands) -> None:
        words = [b"a b", b"'", b'"', b"$(id)", b"`id`", b";", b"*", b"", b"-n", b"\\", b"\xff\xfe", b"a\nb"]
        result = connection.run(["printf", r"%s\0", *words])
        assert result.stdout.split(b"\0")[:-1] == words

    def test_a_zero_byte_cannot_be_sent(self, connection: Commands) -> None:
        with pytest.raises(PachaError, match="can be sent"):
            connection.run(["echo", b"a\0b"])

    def test_a_lot_of_input_and_output(self, connection: Commands) -> None:
        data = os.urandom(3_000_000)
        assert connection.run(["cat"], stdin=data).stdout == data

    def test_input_that_nobody_reads_is_no_error(self, connection: Commands) -> None:
        assert connection.run(["true"], stdin=bytes(8_000_000)).status == 0

    def test_a_chatty_remote_never_blocks_and_is_cut_short(self, connection: Commands) -> None:
        result = connection.run(["sh", "-c", "head -c 9000000 /dev/zero >&2; echo done"], timeout=30)
        assert (result.stdout, len(result.stderr)) == (b"done\n", 65536)

    def test_endless_output_is_refused(self, connection: Commands) -> None:
        with pytest.raises(UnreachableError, match="without end"):
            connection.run(["cat", "/dev/zero"], limit=100_000)

    def test_a_command_that_does_not_end_is_given_up(self, connection: Commands) -> None:
        start = time.monotonic()
        with pytest.raises(UnreachableError, match="took too long"):
            connection.run(["sleep", "30"], timeout=0.5)
        assert time.monotonic() - start < 5
        assert connection.run(["echo", "still here"]).stdout == b"still here\n"

    def test_a_command_that_trickles_is_given_up(self, connection: Commands) -> None:
        with pytest.raises(UnreachableError, match="took too long"):
            connection.run(["sh", "-c", "while sleep 0.1; do echo x; done"], timeout=1)

    def test_a_command_killed_by_a_signal_has_no_good_status(self, connection: Commands) -> None:
        assert connection.run(["sh", "-c", "kill -9 $PPID"]).status == -1

    def test_a_file_is_written(self, connection: Commands, bar: Account) -> None:
        path = os.fsencode(bar.home) + b"/it's $(odd) \xff"
        assert connection.write(path, b"content\0").status == 0
        assert connection.run(["cat", path]).stdout == b"content\0"
        failed = connection.write(b"/no/such/folder", b"x")
        assert failed.status != 0 and b"/no/such/folder" in failed.stderr

    def test_no_such_command(self, connection: Commands) -> None:
        assert connection.run(["no-such-command"]).status == 127


class TestJumping:
    def test_through_another_connection(self, endpoint: Endpoint, opens: Opens) -> None:
        twice = dataclasses.replace(endpoint, proxy_jump=dataclasses.replace(endpoint, proxy_jump=endpoint))
        with opens(twice) as connection:
            data = os.urandom(2_000_000)
            assert connection.run(["cat"], stdin=data).stdout == data

    def test_the_host_in_between_is_checked_as_well(self, endpoint: Endpoint, tmp_path: Path) -> None:
        stranger = dataclasses.replace(endpoint, known_hosts=(str(tmp_path / "none"),))
        assert "is not known" in refused(dataclasses.replace(endpoint, proxy_jump=stranger)).message
        assert "is not known" in refused(dataclasses.replace(stranger, proxy_jump=endpoint)).message

    def test_what_lies_behind_cannot_be_reached(self, endpoint: Endpoint) -> None:
        error = refused(dataclasses.replace(endpoint, port=1, proxy_jump=endpoint))
        assert "cannot be reached through 127.0.0.1" in error.message


def fetch(connection: Commands, path: Path, inbox: Path) -> Totals:
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

    def test_many_files_over_a_long_line(
        self, server: Sshd, endpoint: Endpoint, opens: Opens, store: Path, tmp_path: Path
    ) -> None:
        with Relay((server.address, server.port), rtt=0.1) as relay:
            with opens(through(endpoint, relay, server)) as connection:
                before = relay.turns
                totals = fetch(connection, store, tmp_path / "inbox")
                turns = relay.turns - before
        assert totals.files == 2000
        assert subprocess.run(["diff", "-r", str(store), str(tmp_path / "inbox")]).returncode == 0
        assert turns < 40  # waiting for each answer would make it 4,000

    def test_what_is_not_there(self, connection: Commands, bar: Account, tmp_path: Path) -> None:
        with pytest.raises(Refused):
            fetch(connection, bar.home / "nothing", tmp_path / "inbox")

    def test_a_stalled_line_ends_in_time(
        self, server: Sshd, endpoint: Endpoint, opens: Opens, store: Path, tmp_path: Path
    ) -> None:
        with Relay((server.address, server.port)) as relay:
            with opens(through(endpoint, relay, server), stall=0.8) as connection:
                relay.stall_after = relay.down + 500_000
                start = time.monotonic()
                with pytest.raises(UnreachableError, match="was lost") as caught:
                    fetch(connection, store, tmp_path / "inbox")
                assert time.monotonic() - start < 6
                assert "nothing was heard for 0.8 seconds" in caught.value.why.replace(" from it", "")

    def test_a_stalled_line_frees_a_writer(self, server: Sshd, endpoint: Endpoint, opens: Opens) -> None:
        with Relay((server.address, server.port)) as relay:
            with opens(through(endpoint, relay, server), stall=0.8) as connection:
                with connection.stream(["cat"]) as stream:
                    relay.stall()
                    with pytest.raises(UnreachableError):
                        for _ in range(1000):
                            stream.write(bytes(100_000))

    def test_a_stalled_line_frees_who_starts_a_command(self, server: Sshd, endpoint: Endpoint, opens: Opens) -> None:
        with Relay((server.address, server.port)) as relay:
            with opens(through(endpoint, relay, server), stall=0.8) as connection:
                relay.stall()
                with pytest.raises(UnreachableError, match="was lost"):
                    connection.run(["true"])

    def test_a_quiet_command_on_a_good_line_is_waited_for(self, endpoint: Endpoint, opens: Opens) -> None:
        with opens(endpoint, stall=0.4) as connection:
            assert connection.run(["sh", "-c", "sleep 2; echo done"]).stdout == b"done\n"

    @pytest.mark.parametrize("after", [10_000, 300_000])
    def test_a_line_that_is_cut_is_never_taken_for_the_end(
        self, server: Sshd, endpoint: Endpoint, opens: Opens, store: Path, tmp_path: Path, after: int
    ) -> None:
        with Relay((server.address, server.port)) as relay:
            with opens(through(endpoint, relay, server)) as connection:
                relay.cut_after = relay.down + after
                with pytest.raises(UnreachableError, match="was lost"):
                    fetch(connection, store, tmp_path / "inbox")
                with pytest.raises(UnreachableError):
                    connection.run(["true"])

    def test_closing_leaves_nothing_behind(self, endpoint: Endpoint, opens: Opens) -> None:
        opens(endpoint).close()
        threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with opens(endpoint) as connection:
                connection.run(["true"])
        deadline = time.monotonic() + 3
        while threading.active_count() > threads and time.monotonic() < deadline:
            time.sleep(0.02)
        assert threading.active_count() <= threads
        assert len(os.listdir("/proc/self/fd")) <= descriptors
