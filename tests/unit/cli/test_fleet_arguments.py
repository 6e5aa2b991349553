"""The globs of --hosts."""

from __future__ import annotations

from pacha.cli.fleet_arguments import split_globs


def test_globs_with_commas_between() -> None:
    assert split_globs("web*, db1,") == ["web*", "db1"] and split_globs("") == []
