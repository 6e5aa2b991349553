"""What changed on all hosts since it was last told: one comparison a host, of the snapshot told last and the newest."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pacha.errors import PachaError
from pacha.fleet import digest_reply, host_digest
from pacha.fleet.digest_marks import HostMark, Marks
from pacha.fleet.digest_reply import HostDigest
from pacha.fleet.host_digest import DigestBase
from pacha.fleet.secrecy import Secrecy
from pacha.fleet.update import NEVER, Fleet, owner_of
from pacha.server import retired
from pacha.server.host_account import AccountLimits, load_modules, run_as_owner, scratch_folder
from pacha.system import activity
from pacha.text import one_line

_LIMITS = AccountLimits(cpu_seconds=300, seconds=900.0, memory=2 << 30, most=host_digest.MOST_BYTES)
_FIRST = 86400.0  #: seconds that the first digest of all looks back
GONE = "it is not on this master any more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What is to be told: the hosts that changed, by name, since ``since`` (by this machine's clock), until ``until``.

    ``faults``: why a host cannot be told of, by its name; ``news``: those of them that had none when last told.
    ``marks``: what is remembered once this was told.
    """

    since: float
    until: float
    hosts: tuple[HostDigest, ...]
    faults: Mapping[str, str]
    news: tuple[str, ...]
    marks: Marks

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.hosts and not self.news


def digest(fleet: Fleet, marks: Marks, secret: Secrecy, since: float | None = None) -> Digest:
    """What changed since ``marks``; with ``since`` (seconds since the epoch), since then, whatever was told."""
    now = time.time()
    begin = since if since is not None else marks.at if marks.at is not None else now - _FIRST
    bases = _bases(fleet, marks) if since is None and marks.at is not None else {}
    load_modules()
    told, faults = dict[str, HostDigest](), dict[str, str]()
    activity.begin("comparing the hosts that pushed", len(fleet.hosts))
    for host in fleet.hosts:
        base = bases.get(host.name, DigestBase(since=begin))
        if host.fault not in ("", NEVER):
            faults[host.name] = host.fault
        elif not host.fault and host.tip != base.mark:
            _tell(fleet.hosts_path, host.name, base, secret, told, faults)
        activity.advance(1)
    gone = _gone(fleet, marks, told) if bases else {}
    faults |= {name: mark.fault for name, mark in gone.items() if mark.fault and not _told(marks, name).fault}
    # Any fault, not this one: its words are for people, and a host may have other ones each day.
    news = tuple(sorted(name for name in faults if not _told(marks, name).fault))
    changed = tuple(one for _, one in sorted(told.items()) if one.snapshots)
    after = Marks(at=now, hosts=_here(fleet, marks, told, faults) | gone)
    return Digest(since=begin, until=now, hosts=changed, faults=faults, news=news, marks=after)


def _told(marks: Marks, host: str) -> HostMark:
    return marks.hosts.get(host, HostMark())


def _bases(fleet: Fleet, marks: Marks) -> dict[str, DigestBase]:
    """What each host is compared with; one without a mark perhaps goes on where one that is gone stopped."""
    here = {host.name for host in fleet.hosts}
    renamed = frozenset(mark.tip for name, mark in marks.hosts.items() if name not in here and mark.tip)
    return {name: DigestBase(mark=_told(marks, name).tip, others=renamed) for name in here | marks.hosts.keys()}


def _here(fleet: Fleet, marks: Marks, told: Mapping[str, HostDigest], faults: Mapping[str, str]) -> dict[str, HostMark]:
    """The marks of the hosts once all of this was told; one with a fault is compared with the same snapshot again."""
    tips = {name: one.tip for name, one in told.items()}
    return {
        host.name: HostMark(tip=tips.get(host.name, _told(marks, host.name).tip), fault=faults.get(host.name, ""))
        for host in fleet.hosts
    }


def _gone(fleet: Fleet, marks: Marks, told: Mapping[str, HostDigest]) -> dict[str, HostMark]:
    """The marks of the hosts that are not here any more, which may come back, but for those with another name now.

    That a host was retired is no fault: somebody did it.
    """
    followed = {one.base for one in told.values()}
    names = marks.hosts.keys() - {host.name for host in fleet.hosts}
    left = {name: marks.hosts[name] for name in names if marks.hosts[name].tip not in followed - {""}}
    return {
        name: replace(mark, fault="" if retired.is_retired(fleet.hosts_path, name) else GONE)
        for name, mark in left.items()
    }


def _tell(
    hosts_path: bytes, host: str, base: DigestBase, secret: Secrecy, told: dict[str, HostDigest], faults: dict[str, str]
) -> None:
    """Put what a host changed into ``told``, or why that cannot be said into ``faults``."""
    try:
        owner = owner_of(hosts_path, host)
        with scratch_folder(owner) as scratch:
            reply, _ = run_as_owner(owner, lambda: _work(hosts_path, host, scratch, base, secret), _LIMITS)
        if reply.startswith(b'{"fault"'):
            faults[host] = one_line(str(json.loads(reply)["fault"]))
        else:
            told[host] = digest_reply.decode(host, reply)
    except OSError as error:
        faults[host] = f"its folder cannot be read: {error.strerror}"
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        faults[host] = "what it changed takes too much time or memory"


def _work(hosts_path: bytes, host: str, scratch: Path, base: DigestBase, secret: Secrecy) -> bytes:
    """In the child: the reply, or why there is none."""
    try:
        return host_digest.tell(hosts_path, host, scratch, base, secret)
    except PachaError as error:
        return json.dumps({"fault": error.in_a_line}).encode("ascii")
    except Exception as error:
        return json.dumps({"fault": f"it cannot be read: {type(error).__name__}"}).encode("ascii")
