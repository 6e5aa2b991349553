"""What files about disks and booting refer to: fstab(5), crypttab(5), mdadm.conf(5), lvm.conf(5), kernel lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pacha.machine.references import Named, Reference, assignments, lines, sections, unquoted

_TAGS = {
    "UUID": Named.UUID, "PARTUUID": Named.PARTUUID, "LABEL": Named.LABEL, "PARTLABEL": Named.PARTLABEL,
    "ID": Named.DISK_ID,
}  # fmt: skip
#: What the names of the links in each folder below /dev/disk are.
NAMED_IN = {
    "by-uuid": Named.UUID, "by-partuuid": Named.PARTUUID, "by-label": Named.LABEL, "by-partlabel": Named.PARTLABEL,
}  # fmt: skip
_TAG = re.compile(r"\b((?:PART)?(?:UUID|LABEL))=[\"']?([^\s\"',;:)]{1,255})")
_UUID = re.compile(r"[0-9A-Fa-f-]{4,64}")
_DEVICE = re.compile(
    r"(?<![\w/.-])/dev/(?:disk/by-[a-z]{2,12}/[^\s\"',;|)]{1,255}"
    r"|(?:sd|vd|xvd|hd)[a-z]{1,3}\d{0,3}\b|nvme\d[\w]{0,20}|mmcblk\d[\w]{0,10}|md\d{1,4}\b|dm-\d{1,4}\b|bcache\d{1,3}\b"
    r"|(?:md|mapper|zvol)/[\w.+-][\w./+-]{0,255})"
)
_LV = re.compile(r"\brd\.lvm\.lv=([\w.+-]+/[\w.+-]+)")
_LUKS = re.compile(r"\brd\.luks\.(?:uuid|name|key|options)=(?:luks-)?([0-9A-Fa-f-]{4,64})")
_RD_MD = re.compile(r"\brd\.md\.uuid=([0-9A-Fa-f:-]{4,64})")
_SEARCHED = re.compile(r"[0-9A-Fa-f]{4,8}-[0-9A-Fa-f-]{4,40}")
_ARRAY = re.compile(r"\buuid=([0-9A-Fa-f:.-]{8,64})", re.IGNORECASE)
_ACCEPTED = re.compile(r"\"a([|/])(.{1,255}?)\1\"")
_LITERAL = re.compile(r"/dev/[\w/:+-]*(?:\.[\w/:+-]+)*")
_WWID = re.compile(r"\bwwid\s+\"?([\w.:-]{8,128})")
_ESCAPED = re.compile(r"\\([0-7]{3})")
_OPTIONAL = frozenset({"nofail", "noauto"})
_BOUND = frozenset({"bind", "rbind"})  #: mounts of a folder, which systemd creates
_ABSENT = frozenset({"", "none", "-", "/dev/urandom", "/dev/random", "/dev/hw_random"})


def source(word: str) -> Iterator[Reference]:
    """Yield the device or the file that a field of fstab(5) or crypttab(5) names, if it names one."""
    word = _ESCAPED.sub(lambda match: chr(int(match[1], 8) & 0x7F), word)
    tag, equals, value = word.partition("=")
    if equals and tag.upper() in _TAGS:
        yield Reference(_TAGS[tag.upper()], unquoted(value))
    elif word.startswith("/dev/"):
        yield _device(word)
    elif word.startswith("/") and not word.startswith("//"):
        yield Reference(Named.FILE, word)


def words(path: str, text: str) -> Iterator[Reference]:
    """Yield the volumes in a text of any format: a kernel command line, a shell script, a boot loader's file."""
    for line in lines(text):
        for match in _TAG.finditer(line):
            tag, value = match.groups()
            # of something (``root=LABEL=x``), and no variable of a script
            is_value = line.endswith("=", 0, match.start()) and not set("$`{") & set(value)
            if _UUID.fullmatch(value) if "UUID" in tag else is_value:
                yield Reference(_TAGS[tag], value)
        for match in _DEVICE.finditer(line):
            if "$" not in match[0] and not match[0].startswith("/dev/mapper/control"):
                yield _device(match[0].rstrip(".:"))
        yield from (Reference(Named.DEVICE, f"/dev/{name}") for name in _LV.findall(line))
        yield from (Reference(Named.UUID, uuid) for uuid in _LUKS.findall(line))
        if "--fs-uuid" in line:
            yield from (Reference(Named.UUID, word) for word in line.split() if _SEARCHED.fullmatch(word))
        yield from (Reference(Named.ARRAY, uuid) for uuid in _RD_MD.findall(line))


def uuids(path: str, text: str) -> Iterator[Reference]:
    """Yield only the UUIDs and labels in ``words``: for scripts, which try one device after the other."""
    return (reference for reference in words(path, text) if reference.about is not Named.DEVICE)


def fstab(path: str, text: str) -> Iterator[Reference]:
    """Yield the devices that a boot waits for, not those in lines with ``nofail`` or ``noauto``."""
    for line in lines(text):
        fields = line.split()
        options = set(fields[3].split(",")) if len(fields) > 3 else set()
        if len(fields) >= 2 and not options & (_OPTIONAL | _BOUND):
            yield from source(fields[0])


def crypttab(path: str, text: str) -> Iterator[Reference]:
    """Yield the devices and the key files that a boot waits for, and the chips that hold a key."""
    for line in lines(text):
        _, device, key, options, *_ = [*line.split(), "", "", "", ""]
        names = {option.partition("=")[0] for option in options.split(",")}
        if _OPTIONAL & names:
            continue
        yield from source(device)
        if key not in _ABSENT and key.startswith("/") and "keyscript" not in names:
            yield from source(key) if key.startswith("/dev/") else [Reference(Named.FILE, key.partition(":")[0])]
        yield from (Reference(Named.CHIP, name) for name in names if name.startswith(("tpm2", "fido2", "pkcs11")))


def mdadm(path: str, text: str) -> Iterator[Reference]:
    """Yield the arrays, by UUID."""
    for line in lines(text):
        if line.upper().startswith("ARRAY"):
            yield from (Reference(Named.ARRAY, uuid) for uuid in _ARRAY.findall(line))


def lvm(path: str, text: str) -> Iterator[Reference]:
    """Yield the devices that the filters of lvm.conf(5) accept: if none is here, LVM finds no volume group."""
    for line in lines(text):
        if re.match(r"(?:global_)?filter\s*=", line):
            for _, pattern in _ACCEPTED.findall(line):
                literal = _LITERAL.match(pattern.lstrip("^"))
                if literal and len(literal[0]) > len("/dev/"):
                    ends = pattern.lstrip("^")[literal.end() :] == "$"
                    yield Reference(Named.DEVICE, literal[0] + ("" if ends else "*"))


def unit(path: str, text: str) -> Iterator[Reference]:
    """Yield what a systemd.mount(5) or systemd.swap(5) unit mounts, unless it is optional."""
    pairs = [(key, value) for section, key, value in sections(text) if section in ("mount", "swap")]
    options = ",".join(value for key, value in pairs if key == "options").split(",")
    if _OPTIONAL & set(options):
        return
    for key, value in pairs:
        if key == "what":
            yield from source(value)


def snapper(path: str, text: str) -> Iterator[Reference]:
    """Yield the type of the file system on which snapper makes snapshots."""
    for key, value in assignments(text):
        if key == "fstype":
            yield Reference(Named.FILE_SYSTEM, value)


def multipath(path: str, text: str) -> Iterator[Reference]:
    """Yield the disks that have aliases, by WWID, and the other devices."""
    for line in lines(text):
        yield from (Reference(Named.DISK_ID, wwid) for wwid in _WWID.findall(line))
    yield from words(path, text)


def _device(name: str) -> Reference:
    folder, _, rest = name.removeprefix("/dev/disk/").partition("/")
    if name.startswith("/dev/disk/") and folder in NAMED_IN:
        value = re.sub(r"\\x([0-9a-f]{2})", lambda match: chr(int(match[1], 16) & 0x7F), rest)
        return Reference(NAMED_IN[folder], value)
    return Reference(Named.DEVICE, name)
