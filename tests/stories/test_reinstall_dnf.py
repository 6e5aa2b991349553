"""The packages of a host of dnf come back on a fresh system before its files."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.debian_systems import run
from tests.support.dnf_systems import DnfSystem, RpmArchive, make_dnf_base
from tests.support.reinstalling import INSTALL, cut_off, killed, measured, silent

SWITCH = os.environ.get("PACHA_REINSTALL_DNF", "")
pytestmark = [
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not SWITCH, reason="PACHA_REINSTALL_DNF=1 makes systems of dnf (mmdebstrap, rpm, createrepo-c, gnupg)"
    ),
]
SERVES = (
    "%pre\ngetent passwd served >/dev/null || useradd -r served\n%post\nprintenv SYSTEMD_OFFLINE >/usr/share/offline\n"
)
NAMES = ["tool", "kept-1.0", "served", "gone", "kernel-core"]
COMES_BACK = [
    "base-1-1.noarch",
    "kept-1.0-1.noarch",
    "served-1.0-1.noarch",
    "tool-1.0-1.noarch",
    "tool-data-1.0-1.noarch",
]


@dataclass
class Scene:
    """The host, a fresh machine and the archive."""

    bar: DnfSystem
    fresh: DnfSystem
    archive: RpmArchive
    base: Path


@pytest.fixture(name="base", scope="module")
def base_tar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dnf_base(Path(SWITCH) if SWITCH.startswith("/") else tmp_path_factory.mktemp("base") / "base.tar")


def system(base: Path, root: Path, master: Path) -> DnfSystem:
    """A system with dnf and without packages."""
    made = DnfSystem.unpacked(base, root, master)
    made.prepare()
    return made


@pytest.fixture(name="scene")
def made_scene(tmp_path: Path, base: Path, as_root: None) -> Iterator[Scene]:
    tmp_path.chmod(0o755)
    archive = RpmArchive.made(tmp_path / "archive")
    archive.add_rpm("main", "base", "1", head="Provides: /bin/sh")
    archive.add_rpm("main", "tool", "1.0", head="Requires: tool-data")
    archive.add_rpm("main", "tool-data", "1.0")
    for version in ("1.0", "2.0"):
        archive.add_rpm("main", "kept", version)
    archive.add_rpm("main", "kernel-core", "9")
    archive.add_rpm("third", "served", "1.0", conf="as shipped", body=SERVES)
    gone = archive.add_rpm("third", "gone", "1.0")
    own = archive.add_rpm("own", "own-made", "1.0")
    for area in ("main", "third"):
        archive.publish(area)
    bar = system(base, tmp_path / "bar", tmp_path / "master")
    fresh = system(base, tmp_path / "fresh", tmp_path / "master")
    furnish(bar, archive, own)
    gone.unlink()
    archive.publish("third")
    fresh.said("useradd", "-r", "-u", "998", "somebody")
    try:
        yield Scene(bar, fresh, archive, base)
    finally:
        archive.close()


def furnish(bar: DnfSystem, archive: RpmArchive, own: Path) -> None:
    """Install everything on the host, and live a little."""
    key = (archive.folder / "key.asc").read_bytes()
    bar.write("/etc/pki/rpm-gpg/RPM-GPG-KEY-main-9", key)
    bar.write("/usr/share/third/KEY.asc", key)
    bar.write("/etc/dnf/vars/area", "main\n")
    text = f"[off]\nname=off\nbaseurl=http://127.0.0.2:1/\nenabled=0\n[first]\nname=first\nbaseurl={archive.address}/$area\n"
    bar.write("/etc/yum.repos.d/first.repo", text + "gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-$area-9\n")
    text = f"[third]\nname=third\nbaseurl={archive.address}/third\ngpgcheck=1\ngpgkey=file:///usr/share/third/KEY.asc\n"
    bar.write("/etc/yum.repos.d/third.repo", text)
    bar.write("/root/own.rpm", own.read_bytes())
    bar.dnf("install", *NAMES)
    bar.dnf("install", "/root/own.rpm")
    bar.dnf("versionlock", "add", "kept")
    bar.write("/etc/served.conf", "as bar has it\n")
    bar.said("useradd", "-u", "1234", "-m", "ann")
    bar.pacha("watch", "/etc")
    bar.pacha("push")


def test_the_packages_come_back_with_everything(scene: Scene) -> None:
    bar, fresh = scene.bar, scene.fresh
    before = etc(fresh)
    planned = fresh.pacha("rebuild", "bar", "--dry-run", code=0)
    assert "--packages install" in planned.out and "dnf install" in planned.out, planned
    planned = fresh.pacha("rebuild", "bar", "--dry-run", "--packages", "install", code=3)
    assert f"{scene.archive.address}/main first, signed by /etc/pki/rpm-gpg/RPM-GPG-KEY-main-9" in planned.out, planned
    assert etc(fresh) == before and not Path(f"{fresh.root}/var/cache/pacha").exists()
    done = fresh.pacha(*INSTALL, code=3)
    assert "gone, own-made" in done.err and "kernel-core" in done.out, done
    check_complete(scene)
    gone = ("gone-", "own-made-", "kernel-core-")
    assert fresh.manual() == [name for name in bar.manual() if not name.startswith(gone)]
    assert fresh.read("/etc/pki/rpm-gpg/RPM-GPG-KEY-main-9") and not fresh.read("/usr/share/third/KEY.asc")
    assert fresh.said("stat", "-c", "%u %a", "/usr/share/served") == "0 644\n"
    assert "the home of 'ann' is not there" in done.err
    assert fresh.said("rpm", "-V", "tool", "kept", "tool-data", "base") == ""
    assert fresh.said("dnf", "versionlock", "list").split()[-1] == "kept-0:1.0-1.*"
    assert not Path(f"{fresh.root}/var/cache/pacha/packages").exists()
    assert list(Path(f"{fresh.root}/state/rebuilds").glob("*/packages.txt"))
    fresh.run("mkdir", "/home/ann").must(0)
    again = fresh.pacha(*INSTALL, "--json", code=3)
    assert json.loads(again.out)["packages_done"]["installed"] == []


def etc(machine: DnfSystem) -> str:
    """What lies in /etc, and which packages rpm has."""
    listed = run("find", f"{machine.root}/etc", "-type", "f", "-exec", "sha256sum", "{}", "+")
    return "\n".join([*sorted(listed.splitlines()), *machine.installed()])


def check_complete(scene: Scene) -> None:
    """The fresh machine has everything now."""
    fresh = scene.fresh
    assert fresh.installed() == COMES_BACK
    assert fresh.read("/etc/served.conf") == "as bar has it\n" and fresh.read("/usr/share/kept") == "1.0\n"
    assert fresh.read("/usr/share/offline") == "1\n"


def test_a_dead_source_keeps_only_its_own_away(scene: Scene) -> None:
    shutil.rmtree(scene.archive.folder / "www/third")
    done = scene.fresh.pacha(*INSTALL, "--json", code=3)
    told = json.loads(done.out)
    assert {one["name"] for one in told["packages_done"]["installed"]} == {"base", "tool", "tool-data", "kept"}, done
    reasons = [one["reason"] for one in told["concerns"] if one["path"] == "packages"]
    assert any("a source failed: third: dnf: " in reason for reason in reasons), reasons
    assert any("not to be had: gone, own-made, served" in reason for reason in reasons), reasons


def test_a_package_with_another_signature_ends_it_before_any_file(scene: Scene, tmp_path: Path) -> None:
    other = RpmArchive.made(tmp_path / "other")
    forged = other.add_rpm("main", "tool-data", "1.0", body="%post\ntouch /forged\n")
    other.close()
    shutil.copy(forged, scene.archive.folder / "www/main/noarch")
    scene.archive.publish("main")
    before = etc(scene.fresh)
    done = scene.fresh.pacha(*INSTALL, code=1)
    assert "no file was restored" in done.err, done
    assert etc(scene.fresh) == before and not scene.fresh.read("/usr/share/tool")


def test_another_release_gets_them_by_name_alone(scene: Scene) -> None:
    fresh, archive = scene.fresh, scene.archive
    fresh.write("/etc/os-release", "ID=rocky\nVERSION_ID=10.0\n")
    fresh.write("/etc/own.asc", (archive.folder / "key.asc").read_bytes())
    text = f"[mine]\nname=mine\nbaseurl={archive.address}/main\ngpgkey=file:///etc/own.asc\n"
    fresh.write("/etc/yum.repos.d/mine.repo", text)
    refused = fresh.pacha(*INSTALL, code=1)
    assert "another release" in refused.err and "dnf install" in refused.out
    assert not fresh.read("/etc/served.conf") and not fresh.read("/usr/share/tool")
    done = fresh.pacha("rebuild", "bar", "--yes", "--packages", "by-name", code=3)
    assert "not to be had: gone, own-made, served" in done.err, done
    assert fresh.read("/usr/share/tool") == "1.0\n" and fresh.read("/etc/served.conf") == "as bar has it\n"


def test_a_mirror_that_is_cut_off_changes_nothing_until_all_is_here(scene: Scene) -> None:
    cut_off(scene.fresh, scene.archive, etc)
    check_complete(scene)


def test_a_mirror_that_says_nothing_is_given_up_and_named(scene: Scene) -> None:
    silent(scene.fresh, scene.archive, etc, 90)


def test_a_rebuild_that_is_killed_ends_well_when_it_is_run_again(scene: Scene, tmp_path: Path) -> None:
    kills = int(os.environ.get("PACHA_KILLS") or 4)
    whole = measured(system(scene.base, tmp_path / "measured", scene.bar.master))
    for number in range(kills):
        machine = system(scene.base, tmp_path / "killed", scene.bar.master)
        has_begun = killed(machine, etc, whole * (number + 0.5) / kills)
        again = Scene(scene.bar, machine, scene.archive, scene.base)
        machine.pacha(*(INSTALL[:3] if has_begun else INSTALL), code=3)  # how was remembered
        check_complete(again)
        assert machine.said("rpm", "-V", "tool", "kept", "tool-data", "base") == ""
        shutil.rmtree(machine.root)
