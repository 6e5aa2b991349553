"""The sources of apt that a host had: their description, and a folder with them that apt reads instead of /etc/apt.

So nothing is written into /etc before all packages are fetched. Only files that apt reads are taken, and only keys that
apt trusted on the host: those in trusted.gpg.d or named by ``Signed-By``. A key that this machine has at the same path
wins, and so does this machine's apt.conf (its own proxy).
"""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from pacha.machine.packages.installer import Source, without_password
from pacha.machine.packages.package_list import SourceFile
from pacha.machine.packages.source_files import SIGNED_BY
from pacha.system.atomic import replace_file

_APT = "/etc/apt/"
_OF_APT = re.compile(
    r"(sources\.list|sources\.list\.d/[^/]+\.(list|sources)|preferences|preferences\.d/[^/]+"
    r"|auth\.conf|auth\.conf\.d/[^/]+|trusted\.gpg|trusted\.gpg\.d/[^/]+)"
)
_TRUSTED = "/etc/apt/trusted.gpg"
_LINE = re.compile(r"^[^\S\n]*deb[^\S\n]+(\[[^\]\n]*\][^\S\n]+)?(\S+)[^\S\n]+(\S+)", re.MULTILINE)
#: A field of a stanza with its continuation lines, which may include comments (deb822(5)).
_FIELD = re.compile(r"^([^\s:#-][^\s:]*)[ \t]*:(.*(?:\n(?:[ \t]|#).*)*)", re.MULTILINE)
_COMMENT = re.compile(r"^#.*\n?", re.MULTILINE)
_OFF = ("no", "false", "without", "off", "disable", "0")  # apt takes any other word for yes
#: The names of keys; only these are written, as no other program reads such a name. A path begins its word, so that
#: the search takes linear time.
_KEY = re.compile(r"(?<![^\s,])/[^\s,]+\.(?:gpg|asc|pgp)(?![^\s,])")
_UNSIGNED = re.compile(rf"(trusted|insecure)\s*\+?[:=](?![\s\"]*(?:{'|'.join(_OFF)})(?![\w]))", re.IGNORECASE)
_BLOCK = "-----BEGIN PGP PUBLIC KEY BLOCK"
_SECRET = 0o600


def sources(files: Iterable[SourceFile]) -> tuple[Source, ...]:
    """Return the enabled sources in ``files``, sorted."""
    enabled = {source for file in files if _is_source(file.path) for source in _read(file)}
    return tuple(sorted(enabled, key=lambda source: (source.path, source.uri, source.suites)))


def keys(files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
    """Return the keys in ``files`` that apt trusted on the host."""
    named = _named_keys(files)
    return tuple(file for file in files if file.path in named or file.path.startswith(_TRUSTED))


def of_apt(files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
    """Return those of ``files`` that apt reads: sources, preferences, logins, and the keys that it trusted."""
    named = _named_keys(files)
    return tuple(file for file in files if file.path in named or _in_apt(file.path))


def mode_of(path: str) -> int:
    """Return the mode of such a file: logins are private to root."""
    return _SECRET if path.startswith(f"{_APT}auth.conf") else 0o644


def write_tree(files: Sequence[SourceFile], folder: Path, root: Path = Path("/")) -> tuple[str, ...]:
    """Write the ``files`` that apt reads below ``folder``, which is empty. Return the options that make apt use it.

    This machine's own keys are below ``root``. Raises OSError.
    """
    moved = {}
    for number, path in enumerate(sorted(_named_keys(files))):
        key = next((file for file in files if file.path == path), None)
        if key is not None and not (root / path[1:]).exists():
            moved[path] = folder / f"key-{number}{PurePosixPath(path).suffix}"
            replace_file(moved[path], key.content, mode=0o644)
    for name in ("sources.list.d", "preferences.d", "auth.conf.d", "trusted.gpg.d"):
        (folder / name).mkdir(mode=0o755)
    _copy_trusted(root / "etc/apt/trusted.gpg.d", folder / "trusted.gpg.d")
    for file in files:
        if _in_apt(file.path):
            content = _with_moved_keys(file.content, moved) if _is_source(file.path) else file.content
            replace_file(folder / file.path[len(_APT) :], content, mode=mode_of(file.path))
    return _options(folder)


def _options(folder: Path) -> tuple[str, ...]:
    places = {
        "sourcelist": "sources.list", "sourceparts": "sources.list.d", "preferences": "preferences",
        "preferencesparts": "preferences.d", "trusted": "trusted.gpg", "trustedparts": "trusted.gpg.d",
        "netrc": "auth.conf", "netrcparts": "auth.conf.d",
    }  # fmt: skip
    return tuple(word for key, name in places.items() for word in ("-o", f"Dir::Etc::{key}={folder}/{name}"))


def _copy_trusted(source: Path, target: Path) -> None:
    if source.is_dir():
        for key in source.iterdir():
            if key.is_file():
                shutil.copyfile(key, target / key.name)
                (target / key.name).chmod(0o644)


def _with_moved_keys(content: bytes, moved: dict[str, Path]) -> bytes:
    """Return ``content`` with the new path of each key in ``moved``, where Signed-By names it."""

    def renamed(value: re.Match[str]) -> str:
        paths = _KEY.sub(lambda key: str(moved.get(key.group(), key.group())), value[1])
        return value[0].removesuffix(value[1]) + paths

    text = content.decode("utf-8", "surrogateescape")
    return SIGNED_BY.sub(renamed, text).encode("utf-8", "surrogateescape")


def _in_apt(path: str) -> bool:
    return path.startswith(_APT) and _OF_APT.fullmatch(path[len(_APT) :]) is not None


def _is_source(path: str) -> bool:
    return _in_apt(path) and path.startswith(f"{_APT}sources.list")


def _named_keys(files: Iterable[SourceFile]) -> frozenset[str]:
    texts = (_text(file) for file in files if _is_source(file.path))
    return frozenset(path for text in texts for value in SIGNED_BY.findall(text) for path in _KEY.findall(value))


def _text(file: SourceFile) -> str:
    return file.content.decode("utf-8", "replace")


def _read(file: SourceFile) -> Iterator[Source]:
    if file.path.endswith(".sources"):
        for stanza in re.split(r"\n[ \t]*\n", _text(file)):
            yield from _stanza(stanza, file.path)
        return
    for options, uri, suite in _LINE.findall(_text(file)):
        yield _source(uri, suite, file.path, options)


def _stanza(text: str, path: str) -> Iterator[Source]:
    """Yield the sources of one stanza (sources.list(5), deb822)."""
    fields: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in _FIELD.findall(text):
        fields[name.lower()] += _COMMENT.sub("", value).split()
    enabled = " ".join(fields["enabled"])
    if enabled.lower() in _OFF or "deb" not in fields["types"]:
        return
    for uri in fields["uris"]:
        yield _source(uri, " ".join(fields["suites"]), path, text)


def _source(uri: str, suites: str, path: str, options: str) -> Source:
    named = [key for value in SIGNED_BY.findall(options) for key in _KEY.findall(value)]
    named += ["a key in that file"] if _BLOCK in options else []
    return Source(
        uri=without_password(_plain(without_password(uri))), suites=suites, path=path, key=", ".join(named),
        unsigned=_UNSIGNED.search(_plain(options)) is not None,
    )  # fmt: skip


def _plain(word: str) -> str:
    """Return ``word`` without the quotes and escapes that apt removes (sources.list(5))."""
    return unquote(word).strip('"')
