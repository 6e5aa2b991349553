"""Whose home counts."""

from __future__ import annotations

import os
import pwd

import pytest

from pacha.system.home import expand_home, home_dir, own_home, ssh_dir

OWN = pwd.getpwuid(os.getuid()).pw_dir


def test_the_home_is_the_account_s_whatever_is_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/mallory")
    monkeypatch.delenv("PACHA_SSH")
    assert home_dir() == OWN
    assert ssh_dir() == f"{OWN}/.ssh"
    assert expand_home("~") == OWN
    assert expand_home("~/.ssh/id") == f"{OWN}/.ssh/id"
    assert expand_home("~root/x") == f"{pwd.getpwnam('root').pw_dir}/x"
    assert expand_home("/x/~/y") == "/x/~/y"


def test_another_folder_stands_for_that_of_ssh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PACHA_SSH", "/srv/ssh")
    assert ssh_dir() == "/srv/ssh"
    assert expand_home("~/.ssh/id") == expand_home(f"{OWN}/.ssh/id") == "/srv/ssh/id"
    assert expand_home("~/keys/id") == f"{OWN}/keys/id"


def test_own_files_are_where_home_says_and_else_in_that_of_the_account() -> None:
    assert own_home({"HOME": "/srv/home"}) == "/srv/home"
    assert own_home({}) == own_home({"HOME": ""}) == OWN
