"""Puts the folder together, in the build root: assemble.py ARCH PLACE, which has debian/ and wheels/, gets pacha/."""

from __future__ import annotations

import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent
#: Of the standard library: what neither Pacha nor Mercurial runs.
_LEFT = {
    "EXTERNALLY-MANAGED", "__pycache__", "curses", "dbm", "distutils", "ensurepip", "idlelib", "lib2to3", "pydoc_data",
    "sitecustomize.py", "site-packages", "test", "tkinter", "turtle.py", "turtledemo", "venv",
}  # fmt: skip
_LEFT_MODULES = re.compile(r"(_ctypes_test|_curses|_dbm|_test|_tkinter|_xxtest|nis|ossaudiodev|readline|xxlimited)")
#: Of the C library, for machines that have an older one or another.
_GLIBC = (
    "libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "librt.so.1", "libutil.so.1", "libresolv.so.2",
    "libnss_compat.so.2", "libnss_dns.so.2", "libnss_files.so.2",
)  # fmt: skip
_LOADERS = {"x86_64": "lib64/ld-linux-x86-64.so.2", "aarch64": "lib/ld-linux-aarch64.so.1"}
_PATCHELF = "/usr/bin/patchelf"


class Folder:
    """The folder for ``arch``, in ``place``."""

    def __init__(self, arch: str, place: Path) -> None:
        self.loader = _LOADERS[arch]
        self.debian = place / "debian"
        self.wheels = place / "wheels"
        self.top = place / "pacha"
        self.libraries = [self.debian / kind / f"{arch}-linux-gnu" for kind in ("lib", "usr/lib")]
        self.packages = self.top / "lib/packages"

    def assemble(self) -> None:
        """Do everything."""
        self.put_python()
        self.put_packages()
        self.put_libraries()
        self.put_start()
        self.put_documents()
        compileall.compile_dir(
            self.top / "lib", maxlevels=20, quiet=1, stripdir=self.top,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )  # fmt: skip
        for path in (self.top, *self.top.rglob("*")):
            runs = path.is_dir() or path.parent.name == "bin" or path.name == "ld.so"
            path.chmod(0o755 if runs else 0o644)

    def put_python(self) -> None:
        """Python and its library. Its RPATH serves all that it loads."""
        (self.top / "bin").mkdir(parents=True)
        python = self.top / "bin/python3"
        shutil.copyfile(self.debian / "usr/bin/python3.11", python)
        subprocess.run([_PATCHELF, "--force-rpath", "--set-rpath", "$ORIGIN/../lib", python], check=True)
        library = self.debian / "usr/lib/python3.11"
        shutil.copytree(library, self.top / "lib/python3.11", ignore=_left_out)

    def put_packages(self) -> None:
        """Pacha and what is in the wheels."""
        for wheel in sorted(self.wheels.glob("*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                names = [name for name in archive.namelist() if not re.search(r"\.data/|/locale/|\.pyi$", name)]
                archive.extractall(self.packages, sorted(names))
        shutil.copytree(SOURCE / "pacha", self.packages / "pacha")

    def put_libraries(self) -> None:
        """What all this is linked with; the C library apart, so that this machine's can be used."""
        todo = [self.top / "bin/python3", *sorted(self.top.rglob("*.so"))]
        done = {*_GLIBC, Path(self.loader).name}
        while todo:
            for name in _needed(todo.pop()):
                if name not in done:
                    done.add(name)
                    todo.append(self._copy(name, self.top / "lib"))
        for name in _GLIBC:
            self._copy(name, self.top / "lib/glibc")
        self._copy(Path(self.loader).name, self.top / "lib/glibc").rename(self.top / "lib/glibc/ld.so")

    def put_start(self) -> None:
        """What runs first."""
        here = SOURCE / "packaging"
        for name in ("pacha", "hg"):
            shutil.copyfile(here / "launcher.sh", self.top / "bin" / name)
        shutil.copyfile(here / "start.py", self.top / "lib/start.py")
        text = (here / "run.sh").read_text("ascii").replace("@LOADER@", f"/{self.loader}")
        (self.top / "lib/run.sh").write_text(text, "ascii")

    def put_documents(self) -> None:
        """The manual, completions, licences, and which packages of Debian and PyPI this was made of."""
        share = self.top / "share"
        documents = share / "doc/pacha"
        shutil.copytree(SOURCE / "docs", documents, ignore=shutil.ignore_patterns("*.py", "*.ini", "*.svg", "examples"))
        for name in ("before-push.d", "hooks", "packages"):
            shutil.copytree(SOURCE / "docs/examples" / name, documents / name)
        for name in ("README.rst", "CHANGELOG.rst", "LICENSE", "pacha.conf.example"):
            shutil.copyfile(SOURCE / name, documents / name)
        parts = [*(self.debian / "packages.txt").read_text("ascii").split(), *(w.name for w in self.wheels.iterdir())]
        (documents / "made-of.txt").write_text("".join(f"{part}\n" for part in sorted(parts)), "ascii")
        self._put_licences(documents / "licences")
        self._put_manual(share / "man")
        self._put_completions(share)

    def _put_licences(self, folder: Path) -> None:
        folder.mkdir()
        for path in sorted(self.debian.glob("usr/share/doc/*/copyright")):
            shutil.copyfile(path, folder / path.parent.name)

    def _put_manual(self, folder: Path) -> None:
        made = self.top.parent / "man"
        run(
            ["-m", "sphinx", "-q", "-b", "man", "-d", f"{made}-trees", f"{SOURCE}/docs", str(made)],
            "/usr/lib/python3/dist-packages",
        )
        for page in sorted(made.glob("pacha*.[15]")):
            place = folder / f"man{page.suffix[1:]}" / page.name
            place.parent.mkdir(parents=True)
            page.rename(place)

    def _put_completions(self, share: Path) -> None:
        for shell, name in (
            ("bash", "bash-completion/completions/pacha"),
            ("zsh", "zsh/site-functions/_pacha"),
            ("fish", "fish/vendor_completions.d/pacha.fish"),
        ):
            code = "import sys; sys.argv[0] = 'pacha'; from pacha.__main__ import main; main()"
            place = share / name
            place.parent.mkdir(parents=True)
            place.write_text(run(["-c", code], str(self.packages), _PACHA_COMPLETE=f"{shell}_source"))

    def _copy(self, name: str, folder: Path) -> Path:
        """Copy the library ``name`` into ``folder``; returns its new path."""
        folder.mkdir(exist_ok=True)
        found = next(place / name for place in self.libraries if os.path.lexists(place / name))
        shutil.copyfile(found, folder / name)
        return folder / name


def run(arguments: list[str], path: str, **more: str) -> str:
    """What the root's Python prints."""
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", **more}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def _left_out(folder: str, names: list[str]) -> set[str]:
    modules = {name for name in names if _LEFT_MODULES.match(name)} if folder.endswith("lib-dynload") else set()
    return modules | (_LEFT & set(names)) | {name for name in names if name.startswith("config-")}


def _needed(binary: Path) -> list[str]:
    return subprocess.run(
        [_PATCHELF, "--print-needed", binary], check=True, stdout=subprocess.PIPE, text=True
    ).stdout.split()


if __name__ == "__main__":
    Folder(sys.argv[1], Path(sys.argv[2])).assemble()
