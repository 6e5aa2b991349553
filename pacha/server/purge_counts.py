"""How much was purged from the histories of a master's hosts, by their own records, which may be forged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pacha.errors import PachaError
from pacha.server.host_directory import HostDirectory
from pacha.store import purges


@dataclass(frozen=True, slots=True, kw_only=True)
class PurgeCount:
    """How often something was purged from ``host``, and how many revisions of its files have no content for it."""

    host: str
    purges: int
    revisions: int


def purge_counts(hosts_path: bytes, hosts: Iterable[str]) -> Iterator[PurgeCount]:
    """The counts of each of ``hosts``; none for one whose record cannot be read, which ``pacha check`` names."""
    for host in hosts:
        try:
            text = HostDirectory(hosts_path, host).purged()
            record = purges.decode(text) if text else ()
        except (PachaError, OSError):
            continue
        revisions = {
            (repository, name, node)
            for purge in record
            for repository, names in purge.revisions.items()
            for name, nodes in names.items()
            for node in nodes
        }
        yield PurgeCount(host=host, purges=len(record), revisions=len(revisions))
