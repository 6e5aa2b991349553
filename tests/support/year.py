"""A year of one host: a tree that lives, a snapshot after each day that changed it, and what was there each time."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.support import stage

Picture = dict[bytes, tuple[object, ...]]
LARGE = (16 << 20) + 4097  #: bytes; what is larger than 16 MiB is kept in parts
_WORDS = ("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu")
_OWNERS = ((0, 0), (33, 33), (8, 12), (54321, 54322))


def picture(top: Path) -> Picture:
    """All that a tree is, as ``stage.picture`` has it, with extended attributes beside the content."""
    found: Picture = {}
    for path, what in stage.picture(top).items():
        place = os.path.join(os.fsencode(top), path)
        attributes = tuple((name, os.getxattr(place, name, follow_symlinks=False)) for name in _attributes(place))
        several = [names for names in what[5:] if len(names) > 1]  # type: ignore[arg-type]
        found[path] = (*what[:4], (what[4], attributes), *several)
    return found


def _attributes(place: bytes) -> list[str]:
    return sorted(os.listxattr(place, follow_symlinks=False))


@dataclass
class Year:
    """The folders ``beds`` below ``top`` and the single file ``lone``; the same seed lives the same life."""

    top: Path
    seed: int
    files: int = 120
    chance: random.Random = field(init=False)
    count: int = 0
    day: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        for bed in self.beds:
            bed.mkdir(parents=True)
        self.lone.write_text("alone\n")
        for _ in range(self.files):
            self._add()

    @property
    def beds(self) -> tuple[Path, Path]:
        """The watched folders; the second is not watched for a while."""
        return self.top / "etc", self.top / "srv/www"

    @property
    def lone(self) -> Path:
        """The file that is watched alone."""
        return self.top / "lone.conf"

    def live(self) -> None:
        """One more day: some changes, at least one."""
        self.day += 1
        if self.day == 10:
            (self.beds[0] / "large").write_bytes(random.Random(self.seed).randbytes(LARGE))
        if self.day == 20:
            with open(self.beds[0] / "large", "r+b") as stream:
                stream.seek(5 << 20)
                stream.write(b"changed")
        for _ in range(self.chance.randint(1, 6)):
            self.chance.choice(self._deeds())()

    def pictures(self) -> dict[Path, Picture]:
        """All that is there now, by watched folder."""
        return {bed: picture(bed) for bed in self.beds}

    def _deeds(self) -> list[Callable[[], None]]:
        return [
            self._add, self._add, self._edit, self._edit, self._edit, self._move, self._mode, self._own, self._delete,
            self._link, self._turn, self._attribute, self._hard_link, self._lone, self._empty_folder,
        ]  # fmt: skip

    def _lone(self) -> None:
        with open(self.lone, "a") as stream:
            stream.write(f"day {self.day}\n")

    def _add(self) -> None:
        folder = self._folder()
        if self.chance.random() < 0.2:
            folder = folder / self._name()
            folder.mkdir()
        path = folder / self._name()
        path.write_bytes(self._text() if self.chance.random() < 0.85 else self.chance.randbytes(2000))

    def _edit(self) -> None:
        if path := self._file():
            lines = path.read_bytes().splitlines(keepends=True)
            lines.insert(self.chance.randint(0, len(lines)), self._text()[:40] + b"\n")
            if len(lines) > 3 and self.chance.random() < 0.5:
                lines.pop(self.chance.randrange(len(lines)))
            path.write_bytes(b"".join(lines))

    def _move(self) -> None:
        if path := self._any():
            bed = next(bed for bed in self.beds if bed in path.parents)
            target = self._folder(bed) / self._name()
            if path not in target.parents:
                path.rename(target)

    def _mode(self) -> None:
        if (path := self._any()) and not path.is_symlink():
            path.chmod(self.chance.choice((0o755, 0o700, 0o4755) if path.is_dir() else (0o644, 0o600, 0o755, 0o4711)))

    def _own(self) -> None:
        if path := self._any():
            os.chown(path, *self.chance.choice(_OWNERS), follow_symlinks=False)

    def _delete(self) -> None:
        if path := self._any():
            _remove(path)

    def _link(self) -> None:
        """A file becomes a link to another, or to nothing."""
        if path := self._file():
            _remove(path)
            path.symlink_to(self.chance.choice(("nowhere", "/etc/hostname", str(self.beds[0]), "..")))

    def _turn(self) -> None:
        """A file becomes a folder, or a folder a file."""
        if path := self._any():
            was_folder = path.is_dir() and not path.is_symlink()
            _remove(path)
            if was_folder:
                path.write_bytes(self._text())
            else:
                path.mkdir()
                (path / "inside").write_bytes(self._text())

    def _attribute(self) -> None:
        if path := self._file():
            os.setxattr(path, "user.day", str(self.day).encode())

    def _hard_link(self) -> None:
        if path := self._file():
            os.link(path, path.parent / self._name())

    def _empty_folder(self) -> None:
        (self._folder() / self._name()).mkdir()

    def _name(self) -> str:
        self.count += 1
        odd = self.chance.choice(("", "", "", " ", "\n", "é", "'"))
        return f"{self.chance.choice(_WORDS)}{odd}{self.count}"

    def _text(self) -> bytes:
        return b"".join(b"%s = %d\n" % (self.chance.choice(_WORDS).encode(), self.count) for _ in range(12))

    def _folder(self, *beds: Path) -> Path:
        folders = list(beds or self.beds) * 3
        folders += [
            path for bed in beds or self.beds for path in _sorted(bed) if path.is_dir() and not path.is_symlink()
        ]
        return self.chance.choice(folders)

    def _file(self) -> Path | None:
        found = [
            p for bed in self.beds for p in _sorted(bed) if p.is_file() and not p.is_symlink() and p.name != "large"
        ]
        return self.chance.choice(found) if found else None

    def _any(self) -> Path | None:
        found = [path for bed in self.beds for path in _sorted(bed) if path.name != "large"]
        return self.chance.choice(found) if found else None


def _sorted(bed: Path) -> list[Path]:
    return sorted(Path(folder) / name for folder, folders, files in os.walk(bed) for name in [*folders, *files])


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
