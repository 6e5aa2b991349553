from __future__ import annotations

from pacha.server.purge import PlannedPath, PlannedPurge, PurgeResult
from pacha.ui.purge import plan_lines, result_line

ROW = PlannedPath(path="/etc/key", count=2, size=80, first=1.7e9, last=1.7e9 + 86400, users=("root@bar", "alice@bar"))


def test_each_path_has_a_line_and_the_last_is_the_sum() -> None:
    lines = list(plan_lines(PlannedPurge(mark="", at=1.7e9, paths=(ROW, ROW))))
    assert lines[0].startswith("/etc/key: 2 contents, 80 bytes, 2023-11-1") and lines[0].endswith(
        "by root@bar, alice@bar"
    )
    assert lines[-1] == "Together: 4 contents, 160 bytes"


def test_many_paths_are_counted() -> None:
    planned = PlannedPurge(mark="", at=1.7e9, paths=(ROW,) * 60)
    assert "... and 10 more paths (all of them: -v)" in list(plan_lines(planned))
    assert len(list(plan_lines(planned, every=True))) == 61
    assert list(plan_lines(PlannedPurge(mark="", at=1.7e9, paths=()))) == []


def test_the_result_says_what_it_gave_back() -> None:
    line = result_line(PurgeResult(erased=1, before=4096, after=1024))
    assert line.startswith("Erased 1 file revision; ") and "4096 bytes before, 1024 bytes now" in line
