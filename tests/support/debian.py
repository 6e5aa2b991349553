"""Debian packages and a signed repository of them, and a view of this system in which they are installed."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
#: sh(1) in namespaces of its own. $1: a folder for the view, $2: a script; the others are seen inside as outside.
_VIEW = r"""
set -eu
place=$1 script=$2; shift 2
mount -t tmpfs pacha-test "$place"
mkdir "$place/root" "$place/upper" "$place/work"
mount -t overlay -o "lowerdir=/,upperdir=$place/upper,workdir=$place/work" pacha-test "$place/root"
mount -t proc proc "$place/root/proc"
mount --rbind /dev "$place/root/dev"
mount -t tmpfs pacha-test "$place/root/run"
mount -t tmpfs pacha-test "$place/root/tmp"
chmod 1777 "$place/root/tmp"
for shared do
    mkdir -p "$place/root$shared"
    mount --rbind "$shared" "$place/root$shared"
done
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 HGRCPATH= \
    chroot "$place/root" sh -eu -c "$script"
"""
_SHARED = (sys.prefix, sys.base_prefix, str(CHECKOUT))


@dataclass
class Repository:
    """A repository in ``folder``, below which everything lies, signed with a key of its own."""

    folder: Path

    @property
    def key(self) -> Path:
        """The public key, for signed-by."""
        return self.folder / "key.gpg"

    def make_key(self) -> None:
        """Make the key, in the GNUPGHOME of the test."""
        self._gpg("--quick-gen-key", "own@example.com", "ed25519", "sign", "never")
        self._gpg("--output", str(self.key), "--export", "own@example.com")

    def deb(self, name: str, version: str = "1.0", architecture: str = "all", **fields: str) -> Path:
        """Build a package with nothing in it; ``publish`` makes it known."""
        tree = self.folder / "trees" / f"{name}-{version}"
        (tree / "DEBIAN").mkdir(parents=True)
        lines = {"Package": name, "Version": version, "Architecture": architecture, "Maintainer": "own", **fields}
        text = "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in lines.items())
        (tree / "DEBIAN/control").write_text(f"{text}Description: {name}\n")
        deb = self.folder / f"{name}_{version}_{architecture}.deb"
        subprocess.run(["dpkg-deb", "--build", "--root-owner-group", tree, deb], check=True, capture_output=True)
        return deb

    def publish(self, *debs: Path) -> None:
        """Let the repository have exactly ``debs``."""
        packages = "".join(map(_stanza, debs)).encode()
        (self.folder / "Packages").write_bytes(packages)
        digest = hashlib.sha256(packages).hexdigest()
        head = "Origin: own\nSuite: own\nDate: Sat, 28 Nov 2026 00:00:00 UTC\n"
        (self.folder / "Release").write_text(f"{head}SHA256:\n {digest} {len(packages)} Packages\n")
        (self.folder / "InRelease").unlink(missing_ok=True)
        self._gpg("--clear-sign", "--output", str(self.folder / "InRelease"), str(self.folder / "Release"))

    def _gpg(self, *arguments: str) -> None:
        quiet = ["gpg", "--batch", "--quiet", "--yes", "--passphrase", "", "--pinentry-mode", "loopback"]
        subprocess.run([*quiet, *arguments], check=True, capture_output=True)


def _stanza(deb: Path) -> str:
    control = subprocess.run(["dpkg-deb", "--field", deb], check=True, capture_output=True, text=True).stdout
    digest = hashlib.sha256(deb.read_bytes()).hexdigest()
    return f"{control}Filename: {deb.name}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n\n"


def in_a_view(folder: Path, script: str, *shared: Path) -> subprocess.CompletedProcess[str]:
    """Run ``script`` (sh -eu) to its end in a view of this system that is thrown away; ``folder`` is empty."""
    places = [str(place) for place in (*_SHARED, *shared) if not str(place).startswith("/usr")]
    apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _VIEW, "sh"]
    return subprocess.run(
        [*apart, folder, script, *dict.fromkeys(places)],
        env={"PATH": os.environ["PATH"]},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
