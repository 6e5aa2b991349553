"""paramiko's channel for a command, made to send nothing after it has told the server that it is closed.

paramiko looks whether a channel is open, and sends later, without the lock. If the command ends in between, the thread
that reads closes the channel first, and OpenSSH hangs up on what comes then ("data packet referred to nonexistent
channel"). So while something is being sent, the close waits for it: whoever sends then also sends the close.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pacha.wire.ssh.library import paramiko


class CommandChannel(paramiko.Channel):
    """A channel that sends nothing after its close. ``of`` makes it from an open channel."""

    _senders = 0
    _farewell: tuple[Any, ...] = ()  #: messages that close it, to send when nobody sends

    @classmethod
    def of(cls, channel: paramiko.Channel) -> CommandChannel:
        """The same ``channel``; its transport makes them, and takes no other class."""
        channel.__class__ = cls
        assert isinstance(channel, cls)
        return channel

    def send(self, s: bytes | bytearray) -> int:
        with self._sending():
            return super().send(s)

    def shutdown_write(self) -> None:
        with self._sending():
            super().shutdown_write()

    def _close_internal(self) -> tuple[Any, ...]:
        """The messages to send at once. Whoever calls this has the lock."""
        messages: tuple[Any, ...] = super()._close_internal()  # type: ignore[misc]
        if self._senders and any(messages):
            self._farewell, messages = messages, (None, None)
        return messages

    @contextmanager
    def _sending(self) -> Iterator[None]:
        with self.lock:
            self._senders += 1
        try:
            yield
        finally:
            with self.lock:
                self._senders -= 1
                farewell: tuple[Any, ...] = ()
                if not self._senders:
                    farewell, self._farewell = self._farewell, farewell
            for message in filter(None, farewell):
                self.transport._send_user_message(message)  # type: ignore[union-attr]
