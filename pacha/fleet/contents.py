"""Read the contents of hosts' files, each distinct one once: as the account that owns the folder, and checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pacha.errors import DamagedError, PachaError
from pacha.files import names
from pacha.files.names import DATABASE
from pacha.fleet import collect
from pacha.fleet.find import FoundPath
from pacha.fleet.update import Fleet, owner_of
from pacha.server.host_account import AccountLimits, load_modules, run_as_owner
from pacha.store import hg
from pacha.store.snapshot import Watched
from pacha.system import activity

LIMITS = AccountLimits(cpu_seconds=600, seconds=1200.0, memory=2 << 30, most=64 << 20)  #: for one host

_T = TypeVar("_T")

#: Called with a content, in the process that reads it. The result is JSON.
Work = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentPlace:
    """Where a host keeps a content: ``repository``, ``node`` in it, ``stored`` name, and the number of ``parts``."""

    repository: str
    node: str
    stored: bytes
    parts: int


@dataclass(slots=True)
class Contents:
    """Reads the contents of the files in ``found``. ``watched``: what each host watches, by the host's name.

    ``faults``: by host, why not all of its contents could be read.
    """

    fleet: Fleet
    found: Sequence[FoundPath]
    watched: Mapping[str, Sequence[Watched]]
    faults: dict[str, str] = field(default_factory=dict)

    def each(self, work: Work, check: Callable[[Any], _T]) -> Iterator[tuple[bytes, _T]]:
        """Yield the SHA-256 of each content that a host can give, and the result of ``work`` for it.

        ``check`` returns the result in the form that is yielded. For an invalid one it raises ValueError, TypeError or
        AttributeError.
        """
        load_modules()
        pending: dict[bytes, list[FoundPath]] = {}
        for path in self.found:
            pending.setdefault(path.state.content, []).append(path)
        activity.begin("reading contents", len(pending))
        while batches := self._batches(pending):
            for host, wanted in batches.items():
                answers = dict(self._answers(host, wanted, work, check))
                yield from answers.items()
                activity.advance(len(answers))
                if len(answers) < len(wanted):
                    self.faults.setdefault(host, "a content is missing or damaged: pacha check")
                for sha in answers:
                    del pending[sha]

    def _batches(self, pending: Mapping[bytes, Sequence[FoundPath]]) -> dict[str, dict[bytes, ContentPlace]]:
        """Return which contents to ask of which hosts: of few hosts, and of none that has a fault."""
        batches: dict[str, dict[bytes, ContentPlace]] = {}
        for sha in sorted(pending, key=lambda sha: sum(len(path.hosts) for path in pending[sha])):
            holders = [(host, path) for path in pending[sha] for host in path.hosts if host not in self.faults]
            if holders:
                host, path = next((pair for pair in holders if pair[0] in batches), holders[0])
                batches.setdefault(host, {})[sha] = place_of(self.watched[host], path)
        return batches

    def _answers(
        self, host: str, wanted: Mapping[bytes, ContentPlace], work: Work, check: Callable[[Any], _T]
    ) -> Iterable[tuple[bytes, _T]]:
        try:
            owner = owner_of(self.fleet.hosts_path, host)
            folder = self.fleet.hosts_path
            reply, _ = run_as_owner(
                owner, lambda: json.dumps(list(_each(folder, host, wanted, work))).encode("ascii"), LIMITS
            )
            answers = [(bytes.fromhex(sha), answer) for sha, answer in json.loads(reply)]
            return [(sha, check(answer)) for sha, answer in answers if sha in wanted]
        except OSError as error:
            self.faults[host] = f"its folder cannot be read: {error.strerror}"
        except (ValueError, TypeError, AttributeError, RecursionError):
            self.faults[host] = "its contents take too much time or memory"
        return []


def place_of(watched: Sequence[Watched], found: FoundPath) -> ContentPlace:
    """Return where a host that watches these paths keeps the content of ``found``."""
    root = next((root for root in watched if root.node and root.holds(found.path)), None)
    node = (root.node if root else None) or hg.NULL
    repository = root.repository if root else DATABASE
    return ContentPlace(repository=repository, node=node, stored=found.state.stored, parts=found.state.parts)


def _each(hosts_path: bytes, host: str, wanted: Mapping[bytes, ContentPlace], work: Work) -> Iterator[tuple[str, Any]]:
    """In the child: yield SHA-256 and result for each content that can be read."""
    readers: dict[tuple[str, str], hg.Reader | None] = {}
    for sha, place in sorted(wanted.items(), key=lambda item: (item[1].repository, item[1].stored)):
        key = (place.repository, place.node)
        if key not in readers:
            readers[key] = _reader(hosts_path, host, *key)
        data = _read(readers[key], place)
        if data is not None and hashlib.sha256(data).digest() == sha:
            yield sha.hex(), work(data)


def _reader(hosts_path: bytes, host: str, repository: str, node: str) -> hg.Reader | None:
    try:
        return collect.open_repository(hosts_path, host, repository).reader(node)
    except PachaError:
        return None


def _read(reader: hg.Reader | None, place: ContentPlace) -> bytes | None:
    if reader is None:
        return None
    stored = [names.part(place.stored, number) for number in range(place.parts)] or [place.stored]
    try:
        return b"".join(map(reader, stored))
    except DamagedError:
        return None
