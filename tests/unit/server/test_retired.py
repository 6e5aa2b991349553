"""The archive: whose it is, and what its record says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pacha.errors import DamagedError, UsageError
from pacha.server import retired
from pacha.server.retired import Record

RECORD = Record(host="bar", at=5.0, by="me@here", why="sold", account="bar_user", uid=7, keys=("a\xff",))


def test_the_record_is_kept(tmp_path: Path) -> None:
    hosts_path = bytes(tmp_path)
    with retired.opened(hosts_path, "bar", make=True) as folder:
        assert retired.read(folder) is None
        retired.write(folder, RECORD)
        assert retired.read(folder) == RECORD
    assert list(retired.every(hosts_path)) == [("bar", RECORD)]
    with pytest.raises(UsageError):
        retired.check_not_retired(hosts_path, "bar")
    (tmp_path / ".retired" / "bar" / ".record.json.1234abcd").touch()  # as a killed run leaves it
    retired.remove(hosts_path, "bar")
    assert list(retired.every(hosts_path)) == [] and not retired.is_retired(hosts_path, "bar")


def test_a_record_that_makes_no_sense(tmp_path: Path) -> None:
    with retired.opened(bytes(tmp_path), "bar", make=True) as folder:
        (tmp_path / ".retired" / "bar" / "record.json").write_text("[]")
        with pytest.raises(DamagedError):
            retired.read(folder)


def test_an_archive_of_another_is_not_used(tmp_path: Path) -> None:
    (tmp_path / ".retired").mkdir()
    (tmp_path / ".retired").chmod(0o777)
    with pytest.raises(PermissionError), retired.opened(bytes(tmp_path), "bar", make=True):
        pass
    assert os.listdir(tmp_path / ".retired") == []
