"""The repositories of dnf that a host had: their description, and a folder that dnf reads instead of /etc.

So nothing is written into /etc before all packages are fetched. Only the options of a repository that say where its
packages are and how they are trusted are taken. A key that this machine has at the same path wins, and so does this
machine's dnf.conf (its own proxy).
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from pacha.machine.packages import source_files
from pacha.machine.packages.installer import Source, without_password
from pacha.machine.packages.package_list import SourceFile
from pacha.system.atomic import replace_file

_REPOSITORIES = re.compile(r"/etc/yum\.repos\.d/[\w.+-]+\.repo", re.ASCII)
_VARIABLE = re.compile(r"/etc/(?:yum|dnf)/vars/([\w.+-]*\w)", re.ASCII)
_USED = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)
_LONGEST = 200  #: characters of a variable
_MOST_BYTES = 1 << 20  #: of all repositories together in which variables are expanded: a forged one could grow for ever
_KEYS = "/etc/pki/rpm-gpg/"
_OTHERS = re.compile(
    r"/etc/(pki/rpm-gpg/[\w.+-]*\w|dnf/modules\.d/[\w.+-]+\.module|dnf/plugins/versionlock\.list|dnf/versionlock\.toml)",
    re.ASCII,
)
_CONFIGURATION = "/etc/dnf/dnf.conf"
_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,199}", re.ASCII)
_FILE = "file://"
_NO = ("0", "no", "false", "off", "never")  # dnf.conf(5)
#: The options of a repository that are taken (dnf.conf(5)); others write elsewhere, or say how to fetch.
_OPTIONS = (
    "name", "baseurl", "mirrorlist", "metalink", "type", "mediaid", "repo_gpgcheck", "excludepkgs", "exclude",
    "includepkgs", "proxy", "proxy_username", "proxy_password", "proxy_auth_method", "username", "password", "cost",
    "priority", "sslcacert", "sslverify", "sslverifystatus", "sslclientcert", "sslclientkey", "module_hotfixes",
    "ip_resolve", "enablegroups",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageRepository:
    """An enabled repository: its id, its file (``path``), its ``options``, and its keys (URLs).

    ``checked``: its packages must be signed. Everything but the id is untrusted text.
    """

    id: str
    path: str
    options: Mapping[str, str]
    keys: tuple[str, ...]
    checked: bool


def sources(files: Sequence[SourceFile]) -> tuple[Source, ...]:
    """Return the sources of the enabled repositories in ``files``, sorted."""
    unique = {source for repository in repositories(files) for source in _sources(repository)}
    return tuple(sorted(unique, key=lambda source: (source.path, source.suites, source.uri)))


def keys(files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
    """Return the keys in ``files`` that the repositories name; for a name with a variable, all that it may mean."""
    named = [path for repository in repositories(files) for path in map(_path, repository.keys) if path]
    beginnings = tuple(path.partition("$")[0] for path in named if "$" in path)
    return tuple(file for file in files if file.path in named or (beginnings and file.path.startswith(beginnings)))


def of_dnf(files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
    """Return those of ``files`` that dnf reads: repositories, variables, keys in its folder, modules, version locks.

    A key in another folder is left out: another program may read a file of its name.
    """
    patterns = (_REPOSITORIES, _VARIABLE, _OTHERS)
    return tuple(file for file in files if any(pattern.fullmatch(file.path) for pattern in patterns))


def repositories(files: Iterable[SourceFile]) -> tuple[PackageRepository, ...]:
    """Return the enabled repositories, sorted by id; of two with the same id, the later one counts."""
    texts = sorted((file.path, _parsed(file)) for file in files if _REPOSITORIES.fullmatch(file.path))
    checks, values = _checks(files), _variables(files)
    by_id = {
        section: _repository(section, path, _expanded(parsed[section], values), checks=checks)
        for path, parsed in texts
        for section in parsed.sections()
        if _ID.fullmatch(section) and section != "main"
    }
    return tuple(repository for _, repository in sorted(by_id.items()) if repository is not None)


def write_tree(files: Sequence[SourceFile], folder: Path, root: Path = Path("/")) -> tuple[str, ...]:
    """Write the repositories and keys of ``files`` below ``folder``, which is empty.

    Return the options that make dnf use them. This machine's own keys are below ``root``. Raises OSError.
    """
    for name in ("repos", "vars"):  # vars stays empty: variables are expanded, so that dnf reads what the plan shows
        (folder / name).mkdir(parents=True)
    enabled = repositories(files)
    _write_keys(files, enabled, folder / "keys", root)
    replace_file(folder / "repos/host.repo", _text(enabled, folder / "keys").encode("utf-8"), mode=0o600)
    return (f"--setopt=reposdir={folder}/repos", f"--setopt=varsdir={folder}/vars")


def _write_keys(files: Sequence[SourceFile], enabled: Sequence[PackageRepository], folder: Path, root: Path) -> None:
    in_folder = (file for file in files if file.path.startswith(_KEYS))
    recorded = {key.path: key.content for key in (*keys(files), *in_folder)}
    named = {path for repository in enabled for path in map(_path, repository.keys) if path and "$" not in path}
    for path in {*recorded, *named}:
        content = source_files.content_of(root, path)
        content = recorded.get(path) if content is None else content
        if content is not None:
            place = folder / path[1:]
            place.parent.mkdir(parents=True, exist_ok=True)
            replace_file(place, content, mode=0o644)


def _text(enabled: Sequence[PackageRepository], keys_folder: Path) -> str:
    """Return the repositories as the text of one file of dnf."""
    lines = []
    for repository in enabled:
        moved = [f"{_FILE}{keys_folder}{path}" if (path := _path(key)) else key for key in repository.keys]
        signed = {"gpgcheck": str(int(repository.checked)), "gpgkey": "\n".join(moved)}
        options = {**repository.options, **signed, "enabled": "1"}
        lines += [f"[{repository.id}]", *(f"{key}={value}".replace("\n", "\n ") for key, value in options.items()), ""]
    return "\n".join(lines)


def _parsed(file: SourceFile) -> configparser.RawConfigParser:
    """Return the sections of a file; none where it cannot be parsed, which dnf refuses as well."""
    parser = configparser.RawConfigParser(
        strict=False, allow_no_value=True, delimiters=("=",), default_section="\0", empty_lines_in_values=False
    )
    try:
        parser.read_string(file.content.decode("utf-8", "surrogateescape"))
    except (configparser.Error, AttributeError):  # AttributeError: a line that continues an option without a value
        parser.clear()
    return parser


def _variables(files: Iterable[SourceFile]) -> dict[str, str]:
    """Return the values of the host's variables: the first line of each file (dnf.conf(5))."""
    ordered = sorted(files, key=lambda file: file.path, reverse=True)  # /etc/dnf wins over /etc/yum
    contents = {match[1]: file.content for file in ordered if (match := _VARIABLE.fullmatch(file.path))}
    lines = {name: content.partition(b"\n")[0].decode("utf-8", "replace").strip() for name, content in contents.items()}
    if sum(len(file.content) for file in files if _REPOSITORIES.fullmatch(file.path)) > _MOST_BYTES:
        return {}
    return {name: line for name, line in lines.items() if len(line) <= _LONGEST}


def _expanded(options: Mapping[str, str | None], values: Mapping[str, str]) -> dict[str, str | None]:
    """Return ``options`` with the host's variables expanded; those of dnf itself, such as $basearch, stay."""

    def value(match: re.Match[str]) -> str:
        return values.get(match[1] or match[2], match[0])

    return {key: _USED.sub(value, text) if text else text for key, text in options.items()}


def _repository(name: str, path: str, section: Mapping[str, str | None], *, checks: bool) -> PackageRepository | None:
    options = {key: value.strip() for key, value in section.items() if value and value.replace("\n", "").isprintable()}
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
    """Whether packages must be signed if their repository does not say: yes, unless the host's dnf.conf says no."""
    parsed = [_parsed(file) for file in files if file.path == _CONFIGURATION]
    values = [parser.get("main", "gpgcheck", fallback=None) for parser in parsed]
    return not any(_is_no(value) for value in values if value)


def _is_no(value: str) -> bool:
    return value.strip().lower() in _NO


def _path(key: str) -> str:
    """Return the path of a key that is a file; "" for any other URL."""
    path = unquote(key.removeprefix(_FILE)) if key.startswith(_FILE) else ""
    return path if path.startswith("/") and ".." not in path.split("/") and path.isprintable() else ""


def _sources(repository: PackageRepository) -> Iterator[Source]:
    """Yield a source for each address of the repository, so that none is shortened where they are shown."""
    options = repository.options
    places = [options[name] for name in ("baseurl", "metalink", "mirrorlist") if name in options]
    verified = [options[name] for name in ("sslverify", "sslverifystatus") if name in options]
    keys_shown = ", ".join(_path(key) or without_password(key) for key in repository.keys)
    for place in re.split(r"[,\s]+", " ".join(places)):
        yield Source(
            uri=without_password(place), suites=repository.id, path=repository.path, key=keys_shown,
            unsigned=not repository.checked, unverified=any(map(_is_no, verified[:1])),
            proxy=without_password(options.get("proxy", "")),
        )  # fmt: skip
