"""What is installed is what was tested: the sdist, the wheel made from it, and the package for Debian."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path

import pytest

import pacha

CHECKOUT = Path(__file__).resolve().parents[2]

#: sh(1), in namespaces of its own: the package is installed in a view of this system that is thrown away.
#: $1 a folder, $2 the folder of the package.
_SMOKE = r"""
set -eu
mount -t tmpfs pacha-test "$1"
mkdir "$1/root" "$1/upper" "$1/work"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" pacha-test "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs pacha-test "$1/root/run"
mount -t tmpfs pacha-test "$1/root/tmp"
cp "$2"/pacha_*.deb "$1/root/tmp"
exec env -i PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root chroot "$1/root" sh -eux <<'END'
cd /
dpkg -i /tmp/pacha_*.deb
pacha --version
pacha demo
pacha demo --ssh
su nobody -s /bin/sh -c 'cd /; pacha --help' >/dev/null
test -e /usr/share/man/man1/pacha.1.gz -a -e /usr/share/man/man5/pacha.conf.5.gz
test -s /usr/share/bash-completion/completions/pacha
test -s /usr/share/zsh/vendor-completions/_pacha
test -s /usr/share/fish/vendor_completions.d/pacha.fish
mkdir -p /etc/pacha
printf '[DEFAULT]\npacha.host = local\n' >/etc/pacha/pacha.conf
pacha schedule install --cron || test $? = 3  # no cron runs here
grep -q '/usr/bin/pacha -q push --due' /etc/cron.d/pacha
dpkg --verify pacha
/usr/lib/pacha/bin/hg version -q
install -D /etc/hostname /var/lib/pacha/kept
install -D /etc/hostname /pacha/hosts/kept
dpkg -i /tmp/pacha_*.deb  # an upgrade keeps the job
test -e /etc/cron.d/pacha
dpkg -r pacha
test ! -e /usr/lib/pacha -a ! -e /etc/cron.d/pacha -a -e /etc/pacha/pacha.conf
dpkg -P pacha
test -e /etc/pacha/pacha.conf -a -e /var/lib/pacha/kept -a -e /pacha/hosts/kept
END
"""


def run(*command: str | Path, **more: str) -> str:
    """Run it to its end, without this virtual environment; returns what it printed."""
    environment = {key: text for key, text in os.environ.items() if not key.startswith(("PACHA_", "PYTHON"))}
    done = subprocess.run(command, env={**environment, **more}, capture_output=True, text=True, timeout=580)
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A copy of what belongs to the project, so that nothing is built in the checkout."""
    copy = tmp_path / "source"
    left = shutil.ignore_patterns(".venv", ".git", ".*_cache", "__pycache__", "*.egg-info", "_build", "build", "dist")
    shutil.copytree(CHECKOUT, copy, ignore=left)
    return copy


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_sdist_makes_a_wheel_that_installs_and_works(source: Path, tmp_path: Path) -> None:
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", tmp_path / "dist", source)
    (sdist,), (wheel,) = (list((tmp_path / "dist").glob(kind)) for kind in ("*.tar.gz", "*.whl"))
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = ["setup.py", "tests/run", "docs/rebuild.svg", "debian/rules", "benchmarks/picture", "pacha.conf.example"]
    assert not set(wanted) - names
    assert not [name for name in names if name.endswith(".pyc")]
    venv.create(tmp_path / "fresh", with_pip=True)
    run(tmp_path / "fresh/bin/pip", "install", "-q", wheel)
    program = tmp_path / "fresh/bin/pacha"
    assert run(program, "--version") == f"Pacha {pacha.__version__}\n"
    assert "13 of 13 paths came back exactly" in run(program, "demo", HOME=str(tmp_path))


@pytest.mark.timeout(1800)
@pytest.mark.skipif(not os.environ.get("PACHA_DEB"), reason="PACHA_DEB=1 builds the package for Debian")
def test_the_package_for_debian_installs_works_and_goes_without_a_trace(source: Path, tmp_path: Path) -> None:
    path = "/usr/sbin:/usr/bin:/sbin:/bin"
    subprocess.run(["dpkg-buildpackage", "-us", "-uc", "-b"], cwd=source, env={**os.environ, "PATH": path}, check=True)
    (tmp_path / "root").mkdir()
    apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
    said = run(*apart, "sh", "-c", _SMOKE, "sh", tmp_path / "root", tmp_path)
    assert f"Pacha {pacha.__version__}\n" in said
    assert said.count("13 of 13 paths came back exactly") == 2


@pytest.mark.timeout(3600)
@pytest.mark.skipif(not os.environ.get("PACHA_ROOTS"), reason="PACHA_ROOTS=FOLDER tries dist/ on pristine roots in it")
def test_the_one_file_and_the_deb_push_and_rebuild_on_each_root() -> None:
    tried = subprocess.run([CHECKOUT / "packaging/try"], check=True, stdout=subprocess.PIPE, text=True).stdout
    assert [line.rpartition("|")[2] for line in tried.splitlines()] == ["as it was"] * 9
