"""A Mercurial or paramiko that has moved is named; what hostile data makes them raise is not mistaken for that."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

import pytest
from mercurial import bundle2, sshpeer, streamclone, wireprotoserver, wireprotov1server

from pacha.errors import DamagedError, ExitCode
from pacha.library import UnknownLibraryError, has_moved, require, require_use
from pacha.store.hg import runtime, server
from pacha.wire.ssh import library


def raised(work: Callable[[], object]) -> Exception:
    try:
        work()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def elsewhere(source: str, **names: Any) -> Callable[[], object]:
    """A function of a module that is not ours."""
    scope: dict[str, Any] = {"__name__": "mercurial.revlog", **names}
    exec(source, scope)
    work: Callable[[], object] = scope["work"]
    return work


MOVED: list[Callable[[], object]] = [
    elsewhere("def work(): import mercurial.gone"),
    elsewhere("def work(): from mercurial import gone"),
    elsewhere("def work(): gone"),
    lambda: wireprotov1server.gone,
    lambda: sshpeer.sshv1peer.gone,
    lambda: sshpeer._make_peer(gone=1),
    lambda: server._Nowhere().gone,  # type: ignore[attr-defined]
    lambda: (lambda: None)(1),  # type: ignore[call-arg, misc]
]
DAMAGED: list[Callable[[], object]] = [
    elsewhere("def work(): None.gone"),
    elsewhere("def work(): b''.gone"),
    elsewhere("def work(): 1 + None"),
    elsewhere("def work(): b''[0].x"),
    elsewhere("def work(): entry = entry"),
    elsewhere("class Log: pass\ndef work(): Log().index"),
    lambda: True.split(),  # type: ignore[attr-defined]
    lambda: b""[1],
]


@pytest.mark.parametrize("work", MOVED)
def test_what_has_moved(work: Callable[[], object]) -> None:
    assert has_moved(raised(work), __name__) or has_moved(raised(work), "pacha.store.hg")


@pytest.mark.parametrize("work", DAMAGED)
def test_what_data_makes_of_it(work: Callable[[], object]) -> None:
    assert not has_moved(raised(work), __name__)


def test_a_mercurial_that_moved_is_not_called_damage() -> None:
    with pytest.raises(UnknownLibraryError) as caught, runtime.translate_errors("It cannot be read."):
        wireprotov1server.gone  # noqa: B018
    error = caught.value
    assert error.exit_code is ExitCode.FAILED and not isinstance(error, DamagedError)
    assert (error.code, error.subject) == ("library-not-known", "Mercurial")
    assert "gone" in error.why and "mercurial>=7.2,<8" in error.hint


def test_damage_is_still_damage() -> None:
    with pytest.raises(DamagedError), runtime.translate_errors("It cannot be read."):
        elsewhere("def work(): None.gone")()


def test_a_paramiko_that_moved_is_no_lost_line() -> None:
    with pytest.raises(UnknownLibraryError):
        library.refuse_unknown(raised(lambda: library.paramiko.gone))
    library.refuse_unknown(raised(elsewhere("def work(): None.gone")))


def test_what_is_required() -> None:
    assert require("Mercurial", sshpeer, "_make_peer", "ui", "proc") is sshpeer._make_peer
    for name, parameters in (("gone", ()), ("gone", ("ui",)), ("_make_peer", ("gone",))):
        with pytest.raises(UnknownLibraryError):
            require("Mercurial", sshpeer, name, *parameters)
    with pytest.raises(UnknownLibraryError):
        require_use("Mercurial", wireprotov1server.dispatch, "gone")


class TestTheFilterOfServe:
    """It cannot be switched off by a name that Mercurial changes: each of these was silent."""

    @pytest.fixture(autouse=True)
    def unchanged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever is replaced in this process is put back."""
        for owner, name in ((wireprotov1server, "commands"), (wireprotov1server, "wireprotocaps")):
            monkeypatch.setattr(owner, name, getattr(owner, name))
        monkeypatch.setattr(streamclone, "_makemap", streamclone._makemap)
        before = dict(bundle2.parthandlermapping)
        monkeypatch.setattr(bundle2, "parthandlermapping", before)

    @pytest.mark.parametrize(
        ("owner", "name"),
        [
            (wireprotov1server, "commands"),
            (wireprotov1server, "wireprotocaps"),
            (bundle2, "parthandlermapping"),
            (streamclone, "_makemap"),
            (wireprotov1server, "dispatch"),
            (wireprotoserver, "_runsshserver"),
        ],
    )
    def test_a_name_that_is_gone(self, owner: types.ModuleType, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delattr(owner, name)
        with pytest.raises(UnknownLibraryError, match="Mercurial"):
            server._restrict_protocol((), ())

    @pytest.mark.parametrize(
        ("owner", "function"),
        [
            (wireprotov1server, "dispatch"),
            (wireprotoserver, "_runsshserver"),
            (wireprotov1server, "_capabilities"),
            (bundle2, "_gethandler"),
            (streamclone, "consumev2"),
        ],
    )
    def test_a_name_that_nobody_reads_any_more(
        self, owner: types.ModuleType, function: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(owner, function, lambda *words: None)
        with pytest.raises(UnknownLibraryError) as caught:
            server._restrict_protocol((), ())
        assert "does not use" in caught.value.why

    def test_the_mercurial_of_today_obeys(self) -> None:
        server._restrict_protocol((b"heads",), (b"changegroup",))
        assert set(wireprotov1server.commands) == {b"heads"}
        assert set(bundle2.parthandlermapping) == {b"changegroup"}
