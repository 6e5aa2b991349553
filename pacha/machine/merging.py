"""Merge fstab(5) and adjtime(5), which belong partly to the host and partly to the machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pacha.machine import disks
from pacha.machine.references import Reference, lines

#: Called with this machine's text, the recorded text, and a function that returns whether a reference is here.
Merge = Callable[[str, str, Callable[[Reference], bool | None]], "Merged"]

_NETWORK = frozenset([
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fuse.ceph", "fuse.glusterfs", "fuse.sshfs", "glusterfs",
    "lustre", "ncpfs", "nfs", "nfs3", "nfs4", "smb3", "smbfs", "sshfs", "virtiofs",
])  # fmt: skip
_MEMORY = frozenset([
    "tmpfs", "ramfs", "proc", "sysfs", "devpts", "debugfs", "tracefs", "hugetlbfs", "mqueue", "securityfs",
    "configfs", "efivarfs", "binfmt_misc", "cgroup2", "overlay", "fusectl",
])  # fmt: skip
_HEADING = "# Of the machine that was rebuilt here:"
_NOT_HERE = "# not on this machine: "


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The merged ``text``, and how many recorded lines became comments in it (``commented``)."""

    text: str
    commented: int = 0


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of fstab(5)."""

    text: str
    source: str
    place: str
    kind: str
    options: tuple[str, ...]

    @property
    def is_swap(self) -> bool:
        return self.kind == "swap" or self.place in ("none", "swap")

    @property
    def needs_no_disk(self) -> bool:
        """Whether it mounts something from the network, from memory or from a folder."""
        network = self.kind in _NETWORK or "_netdev" in self.options or self.source.startswith("//")
        return network or self.kind in _MEMORY or bool({"bind", "rbind"} & set(self.options))

    @property
    def comment(self) -> str:
        """The line as a comment, with ``nofail``, so that it does not stop a boot when a person uncomments it."""
        fields = self.text.split()
        if "nofail" not in self.options:
            fields[3:4] = [",".join((*self.options, "nofail"))]
        return _NOT_HERE + " ".join(fields)


def fstab(here: str, recorded: str, has: Callable[[Reference], bool | None]) -> Merged:
    """Return this machine's text and, after it, the recorded lines for other mount points.

    Lines for the network, for memory and for volumes that are here stay as they are; the others become comments with
    ``nofail``. Merging the result once more changes nothing.
    """
    places = {line.place for line in _fstab_lines(here)}
    swaps, present = any(line.is_swap for line in _fstab_lines(here)), set(here.split("\n"))
    added, commented = [], 0
    for line in _fstab_lines(recorded):
        if swaps if line.is_swap else line.place in places:
            continue
        holds = line.needs_no_disk or all(has(reference) for reference in disks.source(line.source))
        text = line.text if holds else line.comment
        commented += not holds
        if text not in present:
            added.append(text)
    if added:
        heading = [] if _HEADING in present else [_HEADING]
        here += "\n" if here and not here.endswith("\n") else ""
        here += "".join(f"{line}\n" for line in (*heading, *added))
    return Merged(text=here, commented=commented)


def adjtime(here: str, recorded: str, has: Callable[[Reference], bool | None]) -> Merged:
    """Return this machine's drift (two lines), and whether the host's clock was in UTC or local time (the third)."""
    own, third = here.split("\n"), recorded.split("\n")[2:3]
    return Merged(text="\n".join([*own[:2], *third, ""]) if len(own) >= 2 and third else here)


def _fstab_lines(text: str) -> Iterator[_Line]:
    for bare in lines(text):
        fields = bare.split()
        if len(fields) >= 3:
            options = tuple(fields[3].split(",")) if len(fields) > 3 else ("defaults",)
            yield _Line(bare, fields[0], fields[1].rstrip("/") or "/", fields[2], options)
