"""What the packages of any manager must stand, on a fresh machine: a mirror that fails, and a kill."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.support.debian_systems import Archive, Debian
from tests.support.stage import PACHA

INSTALL = ("rebuild", "bar", "--yes", "--packages", "install")

#: What must not change before everything is fetched, as a text.
Picture = Callable[[Debian], str]


def cut_off(fresh: Debian, archive: Archive, picture: Picture) -> None:
    """The mirror hangs up after so many requests, more each time; nothing changes before all is fetched."""
    points = int(os.environ.get("PACHA_CUTS") or 4)
    before = picture(fresh)
    for point in range(points):
        archive.cut_after = point
        done = fresh.run(PACHA, *INSTALL)
        if done.code == 3:  # so late that all was fetched, or only a source of few packages is lost
            break
        assert done.code == 1 and "nothing was changed" in done.err, (point, done)
        assert picture(fresh) == before, point
    archive.cut_after = None
    fresh.pacha(*INSTALL, code=3)


def silent(fresh: Debian, archive: Archive, picture: Picture, seconds: float) -> None:
    """The mirror answers nothing: it is given up within ``seconds``, and nothing has changed."""
    archive.hangs = True
    began, before = time.monotonic(), picture(fresh)
    done = fresh.run(PACHA, *INSTALL, PACHA_PACKAGES_TIMEOUT="5")
    assert done.code == 1 and "still at work after 5 seconds" in done.err, done
    assert time.monotonic() - began < seconds and picture(fresh) == before


def killed(machine: Debian, picture: Picture, seconds: float) -> bool:
    """Kill the rebuild after ``seconds``: nothing has changed unless packages are installed; whether they are."""
    before = picture(machine)
    arguments = machine.arguments(PACHA, *INSTALL)
    process = subprocess.Popen(arguments, env=machine.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(seconds)
    process.kill()
    process.wait()
    has_begun = Path(f"{machine.root}/var/cache/pacha/packages/installing").exists()
    if not has_begun and not machine.read("/usr/share/tool"):  # the packages are unpacked in any order
        assert picture(machine) == before, seconds
    return has_begun


def measured(machine: Debian) -> float:
    """The seconds that the whole takes on a machine of its own, which is removed."""
    began = time.monotonic()
    machine.pacha(*INSTALL, code=3)
    shutil.rmtree(machine.root)
    return time.monotonic() - began
