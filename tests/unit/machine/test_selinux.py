"""The labels of SELinux: those of what changed are set, whole folders in one."""

from __future__ import annotations

import pytest

from pacha.machine import selinux


def test_what_changed_is_labelled_and_nothing_beside_it() -> None:
    changed = [b"/etc/ssh/sshd_config", b"/opt/foo/x", b"/opt/foo", b"/opt/foo-bar", b"/file"]
    (argv,) = selinux.relabel(changed)
    assert argv == ("restorecon", "-R", "-i", "--", "/etc/ssh/sshd_config", "/file", "/opt/foo", "/opt/foo-bar")


def test_no_command_line_is_too_long() -> None:
    changed = [b"/srv/%06d" % number for number in range(100_000)]
    lines = list(selinux.relabel(changed))
    assert sum(len(argv) - 4 for argv in lines) == 100_000 and max(map(len, lines)) < 500


def test_without_a_policy_nothing_is_labelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selinux, "_MOUNT", "/nowhere")
    assert not selinux.is_active()
