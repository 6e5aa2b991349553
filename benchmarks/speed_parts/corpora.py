"""The trees: copies of this machine's own, filled up where it has little, so that sizes are alike everywhere."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

#: Brings /usr/include to about 7,900 files where it has fewer.
HEADERS = ("libc6-dev", "linux-libc-dev", "libstdc++-12-dev", "libpython3-dev", "libssl-dev", "libboost-dev")
_FEWEST_HEADERS = 7_000
_ETC_FILES, _ETC_BYTES = 1_700, 12 << 20
_LARGEST = 64 << 10


def etc(target: Path) -> Path:
    """A copy of /etc, filled up to 1,700 files and about 12 MB with files of /usr/share (real text, real sizes)."""
    _copy("/etc", target)
    missing = _ETC_FILES - count(target)
    if missing > 0:
        _fill(target / "more", missing, _ETC_BYTES // _ETC_FILES)
    return target


def include(target: Path) -> Path:
    """A copy of /usr/include, for which Debian's packages of headers are installed where it is small."""
    if count(Path("/usr/include")) < _FEWEST_HEADERS:
        install(*HEADERS)
    return _copy("/usr/include", target)


def files(target: Path, number: int) -> Path:
    """So many small files of real text, of 2 KiB in the mean, a hundred in a folder."""
    text = b"".join(path.read_bytes() for path in sorted(Path("/usr/share/common-licenses").iterdir()))
    for each in range(number):
        folder = target / f"{each // 10_000:03d}" / f"{each // 100 % 100:02d}"
        if each % 100 == 0:
            folder.mkdir(parents=True)
        begin, size = each * 7919 % (len(text) - 4096), each * 127 % 4096
        (folder / f"file-{each}").write_bytes(b"%d\n%b" % (each, text[begin : begin + size]))
    return target


TREES = {"etc": etc, "include": include}


def count(tree: Path) -> int:
    """How many regular files there are below ``tree``."""
    return sum(1 for _ in _files(tree))


def change(tree: Path, number: int) -> None:
    """Add a line to one file of ordinary size, always the same."""
    file = next(path for path in sorted(_files(tree)) if 2_000 < path.stat().st_size < 20_000)
    with open(file, "a", encoding="utf-8") as stream:
        stream.write(f"# change {number}\n")


def install(*packages: str) -> None:
    """Install Debian packages; none of those that are asked for starts a service."""
    command = ["apt-get", "-q", "install", "-y", "--no-install-recommends", *packages]
    subprocess.run(command, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}, check=True, stdout=2)


def _copy(source: str, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-a", "--", source, str(target)], check=True)
    return target


def _files(tree: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(tree):
        folders[:] = [one for one in folders if one != ".hg"]
        paths = (Path(folder, name) for name in names)
        yield from (path for path in paths if path.is_file() and not path.is_symlink())


def _fill(target: Path, files: int, mean: int) -> None:
    """Files of /usr/share whose mean size is about ``mean``, spread evenly over what there is."""
    sized = sorted((path.stat().st_size, path) for path in _files(Path("/usr/share")))
    usable = [path for size, path in sized if mean // 8 < size < min(_LARGEST, mean * 4)]
    for number in range(min(files, len(usable))):
        source = usable[number * len(usable) // files]
        folder = target / f"{number // 25:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}-{source.name}").write_bytes(source.read_bytes())
