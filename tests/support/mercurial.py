"""The system's own hg, run on a repository of ours."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest


def run_hg(*arguments: str) -> str:
    done = subprocess.run([system_hg(), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def system_hg() -> str:
    """The hg of the system, which on most masters is older than ours."""
    found = shutil.which("hg", path="/usr/bin:/usr/local/bin:" + os.environ["PATH"])
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("hg is not installed, and CI is set")
        pytest.skip("needs hg")
    return found
