"""A master over SSH: what is asked beside what."""

from __future__ import annotations

import io
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from pacha.errors import DamagedError, UnreachableError
from pacha.wire import control
from pacha.wire.remote_pacha import RemotePacha
from pacha.wire.ssh_master import SshMaster, _conversation


class Ended(BaseException):
    """As Ctrl-C is."""


def test_who_interrupts_the_first_copy_does_not_wait_for_the_greeting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pacha on the master may be silent for as long as pacha.ssh.timeout."""
    greeted = threading.Event()

    def fetch(*_: Any) -> None:
        raise Ended

    monkeypatch.setattr(RemotePacha, "greeting", lambda self, host: greeted.wait(5))
    plain: Any = SimpleNamespace(hosts_path=b"/hosts", fetch=fetch)
    connection: Any = SimpleNamespace(open_ahead=lambda count: None)
    waited = threading.Timer(1, greeted.set)
    waited.start()
    with pytest.raises(Ended):
        SshMaster(connection, plain, False, lambda greets: None).fetch("bar", "db", 0, lambda one: None)
    assert not greeted.is_set()
    waited.cancel()
    greeted.set()


def test_a_process_there_that_ended_is_no_damaged_history() -> None:
    """A pull would go on without the head that it seems unable to give."""
    stream: Any = SimpleNamespace(complaints=b"", finish=lambda: SimpleNamespace(stderr=b"Killed\n"))
    stream.stdin = SimpleNamespace(write=len)
    for said, kind in ((b"", UnreachableError), (b'{"of": 9, "bytes": 1}\nx', DamagedError)):
        stream.stdout = io.BytesIO(said)
        with pytest.raises(kind), _conversation(control.Control(stream), "etc") as talk:
            talk.stdout.readline()
