"""The repositories of dnf that a host had: what is said of them, and a folder that dnf reads instead of /etc.

So nothing is written into /etc before all packages are here. Of a repository only what says where its packages are, and
how they are trusted, is taken. A key that this machine has at the same path wins, as has its dnf.conf (its own proxy).
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from pacha.machine.packages import source_files
from pacha.machine.packages.installer import Source
from pacha.machine.packages.package_list import SourceFile
from pacha.system.atomic import replace_file

_REPOSITORIES = re.compile(r"/etc/yum\.repos\.d/[\w.+-]+\.repo", re.ASCII)
_VARIABLE = re.compile(r"/etc/(?:yum|dnf)/vars/([\w.+-]*\w)", re.ASCII)
_USED = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)
_LONGEST = 200  #: characters of a variable, and
_MOST_BYTES = 1 << 20  #: of all repositories together, so that what is forged does not grow without end
_KEYS = "/etc/pki/rpm-gpg/"
_OTHERS = re.compile(
    r"/etc/(pki/rpm-gpg/[\w.+-]*\w|dnf/modules\.d/[\w.+-]+\.module|dnf/plugins/versionlock\.list|dnf/versionlock\.toml)",
    re.ASCII,
)
_CONFIGURATION = "/etc/dnf/dnf.conf"
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}", re.ASCII)
_FILE = "file://"
_PASSWORD = re.compile(r"//[^/\s@]*@")
_NO = ("0", "no", "false", "off", "never")  # dnf.conf(5)
#: What is taken of a repository (dnf.conf(5)); others write elsewhere, or say how to fetch.
_OPTIONS = (
    "name", "baseurl", "mirrorlist", "metalink", "type", "mediaid", "repo_gpgcheck", "excludepkgs", "exclude",
    "includepkgs", "proxy", "proxy_username", "proxy_password", "proxy_auth_method", "username", "password", "cost",
    "priority", "sslcacert", "sslverify", "sslverifystatus", "sslclientcert", "sslclientkey", "module_hotfixes",
    "ip_resolve", "enablegroups",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRepository:
    """A repository that is switched on: its id, its ``options``, its keys (URLs), the file that says so.

    ``checked``: its packages must be signed. All but the id is hostile text.
    """

    id: str
    path: str
    options: Mapping[str, str]
    keys: tuple[str, ...]
    checked: bool


def sources(files: Sequence[SourceFile]) -> tuple[Source, ...]:
    """The repositories that are switched on in ``files``, sorted."""
    found = {source for one in repositories(files) for source in _sources(one)}
    return tuple(sorted(found, key=lambda source: (source.path, source.suites, source.uri)))


def keys(files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
    """The keys in ``files`` that the repositories name; of a name with a variable in it all that may be meant."""
    named = [path for one in repositories(files) for path in map(_path, one.keys) if path]
    beginnings = tuple(path.partition("$")[0] for path in named if "$" in path)
    return tuple(one for one in files if one.path in named or (beginnings and one.path.startswith(beginnings)))


def of_dnf(files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
    """The files that dnf reads: repositories, variables, keys in its folder, modules, locks of versions.

    A key that lies elsewhere is not among them: another program may read what has its name.
    """
    patterns = (_REPOSITORIES, _VARIABLE, _OTHERS)
    return tuple(one for one in files if any(pattern.fullmatch(one.path) for pattern in patterns))


def repositories(files: Iterable[SourceFile]) -> tuple[PackageRepository, ...]:
    """The repositories that are switched on, sorted by id; of two with one id the later counts."""
    texts = sorted((one.path, _parsed(one)) for one in files if _REPOSITORIES.fullmatch(one.path))
    checks, values = _checks(files), _variables(files)
    found = {
        section: _repository(section, path, _expanded(parsed[section], values), checks=checks)
        for path, parsed in texts
        for section in parsed.sections()
        if _ID.fullmatch(section) and section != "main"
    }
    return tuple(one for _, one in sorted(found.items()) if one is not None)


def write_tree(files: Sequence[SourceFile], folder: Path, root: Path = Path("/")) -> tuple[str, ...]:
    """Write the repositories and keys of ``files`` below ``folder``, which is empty.

    Returns the options that make dnf use them. ``root`` is where this machine's own keys are. Raises OSError.
    """
    for name in ("repos", "vars"):  # no variables: they are expanded, so that dnf reads what the plan shows
        (folder / name).mkdir(parents=True)
    every = repositories(files)
    _write_keys(files, every, folder / "keys", root)
    replace_file(folder / "repos/host.repo", _text(every, folder / "keys").encode("utf-8"), mode=0o600)
    return (f"--setopt=reposdir={folder}/repos", f"--setopt=varsdir={folder}/vars")


def _write_keys(files: Sequence[SourceFile], every: Sequence[PackageRepository], folder: Path, root: Path) -> None:
    recorded = {one.path: one.content for one in (*keys(files), *(one for one in files if one.path.startswith(_KEYS)))}
    named = {path for one in every for path in map(_path, one.keys) if path and "$" not in path}
    for path in {*recorded, *named}:
        content = source_files.content_of(root, path)
        content = recorded.get(path) if content is None else content
        if content is not None:
            place = folder / path[1:]
            place.parent.mkdir(parents=True, exist_ok=True)
            replace_file(place, content, mode=0o644)


def _text(every: Sequence[PackageRepository], keys_folder: Path) -> str:
    """The repositories as one file of dnf."""
    lines = []
    for one in every:
        moved = [f"{_FILE}{keys_folder}{path}" if (path := _path(key)) else key for key in one.keys]
        options = {**one.options, "gpgcheck": str(int(one.checked)), "gpgkey": "\n".join(moved), "enabled": "1"}
        lines += [f"[{one.id}]", *(f"{key}={value}".replace("\n", "\n ") for key, value in options.items()), ""]
    return "\n".join(lines)


def _parsed(one: SourceFile) -> configparser.RawConfigParser:
    """The sections of a file; none where it cannot be read, which dnf refuses as well."""
    parser = configparser.RawConfigParser(
        strict=False, allow_no_value=True, delimiters=("=",), default_section="\0", empty_lines_in_values=False
    )
    try:
        parser.read_string(one.content.decode("utf-8", "surrogateescape"))
    except configparser.Error:
        parser.clear()
    return parser


def _variables(files: Iterable[SourceFile]) -> dict[str, str]:
    """What the variables of the host stand for: the first line of each file (dnf.conf(5))."""
    ordered = sorted(files, key=lambda one: one.path, reverse=True)  # of two in /etc/yum and /etc/dnf the latter counts
    found = {match[1]: one.content for one in ordered if (match := _VARIABLE.fullmatch(one.path))}
    lines = {name: content.partition(b"\n")[0].decode("utf-8", "replace").strip() for name, content in found.items()}
    if sum(len(one.content) for one in files if _REPOSITORIES.fullmatch(one.path)) > _MOST_BYTES:
        return {}
    return {name: line for name, line in lines.items() if len(line) <= _LONGEST}


def _expanded(said: Mapping[str, str | None], values: Mapping[str, str]) -> dict[str, str | None]:
    """The options with the host's variables in their place; what dnf itself knows, as $basearch, stays."""

    def value(match: re.Match[str]) -> str:
        return values.get(match[1] or match[2], match[0])

    return {key: _USED.sub(value, text) if text else text for key, text in said.items()}


def _repository(name: str, path: str, said: Mapping[str, str | None], *, checks: bool) -> PackageRepository | None:
    options = {key: value.strip() for key, value in said.items() if value and value.replace("\n", "").isprintable()}
    if _is_no(options.get("enabled", "1")):
        return None
    keys_named = re.split(r"[,\s]+", options.get("gpgkey", "").strip())
    return PackageRepository(
        id=name,
        path=path,
        options={key: options[key] for key in _OPTIONS if key in options},
        keys=tuple(key for key in keys_named if key.startswith("https://") or _path(key)),
        checked=not _is_no(options["gpgcheck"]) if "gpgcheck" in options else checks,
    )


def _checks(files: Iterable[SourceFile]) -> bool:
    """Whether packages must be signed where the repository does not say: yes, unless the host's dnf.conf says no."""
    parsed = [_parsed(one) for one in files if one.path == _CONFIGURATION]
    said = [one.get("main", "gpgcheck", fallback=None) for one in parsed]
    return not any(_is_no(value) for value in said if value)


def _is_no(value: str) -> bool:
    return value.strip().lower() in _NO


def _path(key: str) -> str:
    """The path of a key that is a file, "" for another one."""
    path = unquote(key.removeprefix(_FILE)) if key.startswith(_FILE) else ""
    return path if path.startswith("/") and ".." not in path.split("/") and path.isprintable() else ""


def _sources(one: PackageRepository) -> Iterator[Source]:
    """One for each address, so that none is cut off where they are shown."""
    places = [one.options[name] for name in ("baseurl", "metalink", "mirrorlist") if name in one.options]
    verified = [one.options[name] for name in ("sslverify", "sslverifystatus") if name in one.options]
    for place in re.split(r"[,\s]+", " ".join(places)):
        yield Source(
            uri=_PASSWORD.sub("//", place), suites=one.id, path=one.path, key=", ".join(_shown(one.keys)),
            unsigned=not one.checked, unverified=any(map(_is_no, verified[:1])),
            proxy=_PASSWORD.sub("//", one.options.get("proxy", "")),
        )  # fmt: skip


def _shown(named: Iterable[str]) -> Iterator[str]:
    for key in named:
        yield _path(key) or _PASSWORD.sub("//", key)
