"""Pacha on a master: its greeting for a host, what it can do, and what its answers tell."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pacha.wire import control
from pacha.wire.message import OutOfRange, absurd, count

if TYPE_CHECKING:
    from pacha.wire.control import Control, Hello
    from pacha.wire.master import Probe
    from pacha.wire.plain_account import PlainAccount
    from pacha.wire.ssh import Commands


class RemotePacha:
    """The control channel to the Pacha behind ``connection``, opened at its first use.

    ``plain``: the account to ask if Pacha does not answer, or is too old. Its ``hosts_path`` becomes the one that the
    greeting names.
    """

    def __init__(self, connection: Commands, plain: PlainAccount) -> None:
        self._connection = connection
        self._plain = plain
        self._host: str | None = None  #: the host of the greeting
        self._control: Control | None = None
        self._greeting: Hello | None = None
        self._greet = threading.RLock()
        self.contents: Collection[str] = ()  #: the repositories that the greeting lists

    @property
    def answers(self) -> bool | None:
        """Whether Pacha answers; None before it was asked."""
        return None if self._host is None else self._greeting is not None

    def was_asked(self, host: str) -> bool:
        """Whether the greeting for ``host`` was asked for, even if none came."""
        return self._host == host

    def greeting(self, host: str) -> Hello | None:
        """The greeting for ``host``, which is waited for; None where Pacha does not answer. Raises PachaError."""
        with self._greet:
            if self._host != host or (self._control is not None and self._control.is_closed):
                self._meet(host)
            return self._greeting

    def can(self, host: str, capability: str) -> Control | None:
        """The control channel, if the master has ``capability``. Raises PachaError."""
        greeting = self.greeting(host)
        return self._control if greeting is not None and capability in greeting.capabilities else None

    def probe(self, host: str, names: Sequence[str]) -> Probe:
        """The probe in the greeting, the first time; then a new one. Pacha probes all repositories at once."""
        return of_those(self._probe(host, names), names)

    def repository_command(self, host: str, name: str) -> list[bytes | str]:
        """The command that serves the repository ``name`` in a channel of its own."""
        return [*self._command(host), "--repository", name]

    def close(self) -> None:
        """End the control channel."""
        if self._control is not None:
            self._control.close()

    def _probe(self, host: str, names: Sequence[str]) -> Probe:
        greeting = self.greeting(host)
        if greeting is not None and greeting.probe is not None:
            probe, self._greeting = greeting.probe, replace(greeting, probe=None)
            return probe
        channel = self.can(host, control.PROBE)
        if channel is None or greeting is None:
            return self._plain.probe(host, names)
        return probe_in(channel.ask(control.PROBE), greeting)

    def _meet(self, host: str) -> None:
        self.close()
        self._control, self._greeting, self._host = None, None, None
        stream = self._connection.stream([*self._command(host), "--control"])
        channel = control.Control(stream)
        try:
            self._greeting = channel.greeting()
        finally:
            if self._greeting is None:
                stream.close()
        self._host = host
        if self._greeting is not None:
            self._control = channel
            self.contents = self._greeting.probe.contents if self._greeting.probe else ()
            self._plain.hosts_path = self._greeting.hosts_path
            self._plain.leave_shell()

    def _command(self, host: str) -> list[bytes | str]:
        return ["pacha", "serve", host, "--hosts-path", self._plain.hosts_path]


def probe_in(answer: dict[str, Any], greeting: Hello) -> Probe:
    """The probe that an ``answer`` has. Raises DamagedError."""
    try:
        return control.probe_of(answer, greeting.may)
    except OutOfRange as error:
        raise absurd(error) from None
    except (ValueError, KeyError, TypeError):
        raise control.senseless("the time") from None


def of_those(probe: Probe, names: Sequence[str]) -> Probe:
    """``probe`` with the repositories ``names`` alone, without those about which the master says nothing.

    An older master lists no repository, not even ``db``; a newer one at most ``MOST_TOLD``: a name that is missing in
    so long a list may be there all the same.
    """
    tells_all = 0 < len(probe.contents) < control.MOST_TOLD
    contents = {name: probe.contents.get(name) for name in names if tells_all or name in probe.contents}
    return replace(probe, contents=contents)


def free_bytes(value: object) -> int | None:
    """The free bytes that the master reports; None if they are missing or invalid."""
    try:
        return count(value)
    except (TypeError, ValueError):
        return None
