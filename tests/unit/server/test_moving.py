"""What a host has is renamed, and nothing replaced, also where the file system has no renameat2(2)."""

from __future__ import annotations

import errno
from contextlib import ExitStack

import pytest

from pacha.errors import PachaError
from pacha.server import moving
from tests.support.away import Master, master_of_this_user  # noqa: F401  (a fixture)


@pytest.mark.parametrize("supported", [True, False])
def test_nothing_is_replaced(master: Master, monkeypatch: pytest.MonkeyPatch, supported: bool) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.EINVAL, "no such flag")

    if not supported:
        monkeypatch.setattr(moving, "rename_new", refused)
    master.add("bar")
    (master.hosts / "baz").mkdir()
    with ExitStack() as held:
        bar, baz, new = (moving.live(master.path, host, held) for host in ("bar", "baz", "new"))
        with pytest.raises(PachaError) as caught, moving.explained("bar"):
            moving.move_folder(bar, baz)
        assert caught.value.code == "host-not-moved" and (master.hosts / "bar" / "db").exists()
        moving.move_folder(bar, new)
        moving.move_folder(bar, new)
    assert (master.hosts / "new" / "db").exists()


def test_a_link_in_the_place_of_the_hooks_is_not_followed(master: Master) -> None:
    (master.hosts / ".hooks").symlink_to("/etc")
    with ExitStack() as held, pytest.raises(PachaError), moving.explained("bar"):
        moving.live(master.path, "bar", held)
