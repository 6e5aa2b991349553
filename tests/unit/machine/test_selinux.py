"""The labels of SELinux: each changed path is below one of the folders whose labels are set."""

from __future__ import annotations

import pytest

from pacha.machine import selinux


def test_the_folders_of_what_changed_once_each() -> None:
    changed = [b"/etc/ssh/sshd_config", b"/etc/ssh/ssh_config.d/a", b"/opt/foo/x", b"/opt/foo", b"/srv/f"]
    assert selinux.relabel(changed) == ("restorecon", "-R", "-i", "--", "/etc/ssh", "/opt", "/srv")


def test_without_a_policy_nothing_is_labelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selinux, "_MOUNT", "/nowhere")
    assert not selinux.is_active()
