"""Whole Debian systems in folders, with packages made up from a repository of their own on 127.0.0.1."""

from __future__ import annotations

import functools
import hashlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar, TypeVar

from tests.support.stage import PACHA, Done

_System = TypeVar("_System", bound="Debian")
_Archive = TypeVar("_Archive", bound="Archive")
CHECKOUT = Path(__file__).resolve().parents[2]
#: What the Python of the tests needs of a system.
_LIBRARIES = "libsqlite3-0,libffi8,libssl3,libreadline8,libbz2-1.0,liblzma5"
_ENTER = """
set -e
root=$1; shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
while [ "$1" != -- ]; do
    mkdir -p "$root$1"
    mount --bind "$1" "$root$1"
    shift
done
shift
exec chroot "$root" "$@"
"""


def run(*command: str | Path, **more: str) -> str:
    """Run it to its end; returns what it printed."""
    done = subprocess.run(command, env={**os.environ, **more}, capture_output=True, text=True)
    assert done.returncode == 0, (command, (done.stdout + done.stderr)[-3000:])
    return done.stdout


def make_base(place: Path, more: Sequence[str] = ()) -> Path:
    """A minimal Debian, with the packages ``more``, as a tar file, from this machine's mirror."""
    if not place.exists():
        run("mmdebstrap", "-q", "--variant=minbase", f"--include={','.join([_LIBRARIES, *more])}", "bookworm", place)
    return place


@dataclass
class Debian:
    """A system below ``root``; ``master`` is a folder that several of them share."""

    root: Path
    master: Path

    @classmethod
    def unpacked(cls: type[_System], base: Path, root: Path, master: Path) -> _System:
        """A new one, whose sources are none."""
        for folder in (root, master):
            folder.mkdir(exist_ok=True)
        run("tar", "-xf", base, "-C", root)
        made = cls(root, master)
        made.write("/etc/apt/sources.list", "")
        made.write("/pacha.conf", f"[DEFAULT]\npacha.host = local\npacha.hosts.path = {master}\npacha.hostname = bar\n")
        return made

    def write(self, path: str, text: str | bytes, mode: int = 0o644) -> None:
        """Make a file in it, with the folders above it."""
        place = Path(f"{self.root}{path}")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text if isinstance(text, bytes) else text.encode())
        place.chmod(mode)

    def read(self, path: str) -> str:
        """What a file in it holds, "" where there is none."""
        place = Path(f"{self.root}{path}")
        return place.read_text() if place.exists() else ""

    def arguments(self, *command: str | Path) -> list[str | Path]:
        """The command line that runs ``command`` in it."""
        python = dict.fromkeys([sys.base_prefix, sys.prefix, str(CHECKOUT), str(self.master)])
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child"]
        return [*apart, "sh", "-c", _ENTER, "sh", self.root, *python, "--", *command]

    @property
    def environment(self) -> Mapping[str, str]:
        """What a command sees of the surroundings."""
        places = {"PACHA_STATE": "/state", "PACHA_CONFIG": "/pacha.conf", "TMPDIR": "/tmp", "HOME": "/root"}
        return {**places, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HGRCPATH": "", "LC_ALL": "C.UTF-8"}

    def run(self, *command: str | Path, **more: str) -> Done:
        """Run a command in it to its end."""
        done = subprocess.run(
            self.arguments(*command), env={**self.environment, **more}, capture_output=True, stdin=subprocess.DEVNULL
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())

    def said(self, *command: str | Path) -> str:
        """What a command prints, which must succeed."""
        done = self.run(*command, DEBIAN_FRONTEND="noninteractive")
        assert done.code == 0, (command, done)
        return done.out

    def pacha(self, *arguments: str | Path, code: int = 0) -> Done:
        """Run pacha in it; it must end with ``code``."""
        return self.run(PACHA, *arguments).must(code)


@dataclass
class Archive:
    """A signed repository below ``folder``, served on 127.0.0.1.

    ``cut_after``: so many requests are answered, all others hung up on; ``hangs``: none is answered.
    """

    ALGORITHM: ClassVar[str] = "ed25519"  #: of its key
    folder: Path
    server: ThreadingHTTPServer
    cut_after: int | None = None
    hangs: bool = False

    @classmethod
    def made(cls: type[_Archive], folder: Path) -> _Archive:
        """A new one, with a key of its own."""
        (folder / "home").mkdir(parents=True, mode=0o700)
        (folder / "www").mkdir()
        gpg(folder, "--quick-gen-key", "archive@example.com", cls.ALGORITHM, "sign", "never")
        (folder / "key.gpg").write_bytes(gpg(folder, "--export"))
        (folder / "key.asc").write_bytes(gpg(folder, "--armor", "--export"))
        handler = type("Handler", (_Handler,), {})
        server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder / "www")))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        made = cls(folder, server)
        handler.archive = made
        return made

    def close(self) -> None:
        """Serve no more."""
        self.server.shutdown()
        self.server.server_close()
        run("gpgconf", "--homedir", self.folder / "home", "--kill", "all")

    @property
    def address(self) -> str:
        """Where it is served."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def add(self, area: str, name: str, version: str, *, depends: str = "", **files: str) -> Path:
        """Make a package; ``files`` are members of its control archive (``postinst``, ``config``, ...) and ``conf``,
        the content of its conffile. Returns its path."""  # fmt: skip
        tree = self.folder / "build" / f"{name}-{version}"
        (tree / "DEBIAN").mkdir(parents=True)
        control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: x <x@example.com>\n"
        control += f"Depends: {depends}\n" if depends else ""
        (tree / "DEBIAN/control").write_text(f"{control}Description: made up\n")
        if conf := files.pop("conf", ""):
            (tree / "etc").mkdir()
            (tree / f"etc/{name}.conf").write_text(conf)
            (tree / "DEBIAN/conffiles").write_text(f"/etc/{name}.conf\n")
        (tree / "usr/share").mkdir(parents=True)
        (tree / f"usr/share/{name}").write_text(f"{version}\n")
        for member, text in files.items():
            (tree / "DEBIAN" / member).write_text(text)
            (tree / "DEBIAN" / member).chmod(0o644 if member == "templates" else 0o755)
        (self.folder / "www" / area).mkdir(exist_ok=True)
        place = self.folder / "www" / area / f"{name}_{version}_all.deb"
        run("dpkg-deb", "--root-owner-group", "-b", tree, place)
        return place

    def publish(self, area: str) -> None:
        """Write and sign the list of what the area has."""
        top = self.folder / "www" / area
        text = subprocess.run(["dpkg-scanpackages", "-m", "."], cwd=top, capture_output=True, check=True).stdout
        (top / "Packages").write_bytes(text)
        digest = f"SHA256:\n {hashlib.sha256(text).hexdigest()} {len(text)} Packages\n"
        (top / "Release").write_text(f"Suite: made-up\nDate: Sun, 29 Nov 2026 00:00:00 UTC\n{digest}")
        (top / "InRelease").unlink(missing_ok=True)
        gpg(self.folder, "--clearsign", "-o", str(top / "InRelease"), str(top / "Release"))


class _Handler(SimpleHTTPRequestHandler):
    archive: Archive

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of a request."""

    def do_GET(self) -> None:
        """Answer, hang, or hang up, as the archive says."""
        if self.archive.hangs:
            time.sleep(60)
        if self.archive.cut_after is not None:
            if self.archive.cut_after <= 0:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.archive.cut_after -= 1
        super().do_GET()


def gpg(folder: Path, *arguments: str) -> bytes:
    command = ["gpg", "--homedir", str(folder / "home"), "--batch", "--yes", "--pinentry-mode", "loopback"]
    return subprocess.run([*command, "--passphrase", "", *arguments], capture_output=True, check=True).stdout
