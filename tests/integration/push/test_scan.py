"""A push that cannot look at what is there records nothing of it as gone."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.support.stage import PACHA
from tests.support.standalone import Standalone, standalone_host  # noqa: F401  (a fixture)

pytestmark = pytest.mark.usefixtures("as_root")


def without_proc(bar: Standalone, *words: str) -> subprocess.CompletedProcess[str]:
    """Run pacha as ``bar`` where another file system hides /proc, as in a chroot from a rescue system."""
    hide = 'mount -t tmpfs none /proc && exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", hide, "sh", str(PACHA), *words]
    places = {"PACHA_STATE": str(bar.top / "state"), "PACHA_CONFIG": str(bar.top / "pacha.conf")}
    return subprocess.run(command, env={**os.environ, **places}, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("words", [("push",), ("verify",), ("rebuild", "bar", "--yes"), ("undo", "--yes"), ("hosts",)])
def test_without_proc_nothing_is_done(bar: Standalone, words: tuple[str, ...]) -> None:
    (bar.top / "pacha.conf").write_text(
        f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {bar.top}/hosts\npacha.hostname = bar\n"
    )
    tip = bar.push().tip
    (bar.tree / "one").write_text("edited\n")
    done = without_proc(bar, *words)
    assert done.returncode == 1 and "mount -t proc proc /proc" in done.stderr and "Traceback" not in done.stderr
    assert bar.context().state.read().tip == tip and (bar.tree / "one").read_text() == "edited\n"
    assert bar.push().changes.content == (bar.path + b"/one",)
