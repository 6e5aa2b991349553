"""Find out what changed on all hosts since the last digest: compare each host's snapshot then with its newest."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from pacha.fleet import digest_reply, host_digest
from pacha.fleet.digest_marks import HostMark, Marks
from pacha.fleet.digest_reply import HostDigest
from pacha.fleet.host_digest import DigestBase
from pacha.fleet.secrecy import Secrecy
from pacha.fleet.update import NEVER, FaultError, Fleet, ask
from pacha.server import retired
from pacha.server.host_account import AccountLimits, load_modules
from pacha.system import activity

_LIMITS = AccountLimits(cpu_seconds=300, seconds=900.0, memory=2 << 30, most=host_digest.MOST_BYTES)
_FIRST = 86400.0  #: seconds that the first digest of all looks back
GONE = "it is not on this master any more"


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """The hosts that changed, by name, from ``since`` to ``until`` (seconds since the epoch, by this machine's clock).

    ``faults``: by host, why it cannot be compared; ``news``: the hosts among them that had no fault last time.
    ``marks``: what to record once this digest is delivered.
    """

    since: float
    until: float
    hosts: tuple[HostDigest, ...]
    faults: Mapping[str, str]
    news: tuple[str, ...]
    marks: Marks
    globs: tuple[str, ...] = ()  #: which hosts were asked for; none: all

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to report."""
        return not self.hosts and not self.news


def digest(
    fleet: Fleet, marks: Marks, secret: Secrecy, since: float | None = None, globs: Sequence[str] = ()
) -> Digest:
    """Return what changed since ``marks``, or since the time ``since`` (seconds since the epoch), if given.

    With ``globs``, only on the hosts that match one; the marks of the others stay. Raises UsageError.
    """
    fleet.choose(globs)
    now, known, chosen = time.time(), Marks() if since is not None else marks, fleet.matching(globs)
    begin = since if since is not None else _begin(known, [host.name for host in chosen], now)
    load_modules()
    digests, faults = dict[str, HostDigest](), dict[str, str]()
    activity.begin("comparing the hosts that pushed", len(chosen))
    renamed = _renamed(fleet, known)
    for host in chosen:
        base = _base(known, host.name, renamed, begin)
        if host.fault not in ("", NEVER):
            faults[host.name] = host.fault
        elif not host.fault and host.tip != base.mark:
            _compare(fleet.hosts_path, host.name, base, secret, digests, faults)
        activity.advance(1)
    after = {**known.hosts, **{host.name: _mark_after(known, host.name, digests, faults, now) for host in chosen}}
    faults |= _gone(fleet, known, digests, after, globs)
    # Whatever the fault was: its words are for people, and may differ each day.
    news = tuple(sorted(name for name in faults if not _mark_of(known, name).fault))
    changed = tuple(host for _, host in sorted(digests.items()) if host.snapshots)
    left = Marks(at=known.at if globs else now, hosts=after)
    return Digest(since=begin, until=now, hosts=changed, faults=faults, news=news, marks=left, globs=tuple(globs))


def _mark_of(marks: Marks, host: str) -> HostMark:
    return marks.hosts.get(host, HostMark())


def _begin(marks: Marks, hosts: Sequence[str], now: float) -> float:
    """Return the oldest of the times at which the ``hosts`` were last compared."""
    times = [at for host in hosts if (at := _mark_of(marks, host).at) is not None]
    return min(times, default=marks.at if marks.at is not None else now - _FIRST)


def _renamed(fleet: Fleet, marks: Marks) -> frozenset[str]:
    """Return the last snapshots of hosts that are gone: a host without a mark may be one of them, renamed."""
    present = {host.name for host in fleet.hosts}
    return frozenset(mark.tip for name, mark in marks.hosts.items() if name not in present and mark.tip)


def _base(marks: Marks, host: str, renamed: frozenset[str], begin: float) -> DigestBase:
    """Return what to compare a host with: in the first digest, its snapshot before ``begin``."""
    if marks.at is None and host not in marks.hosts:
        return DigestBase(since=begin)
    return DigestBase(mark=_mark_of(marks, host).tip, others=renamed)


def _mark_after(
    marks: Marks, host: str, digests: Mapping[str, HostDigest], faults: Mapping[str, str], now: float
) -> HostMark:
    """Return the mark of a host after this digest. With a fault, it keeps its snapshot, to be compared again."""
    tip = digests[host].tip if host in digests else _mark_of(marks, host).tip
    return HostMark(tip=tip, fault=faults.get(host, ""), at=now)


def _gone(
    fleet: Fleet, marks: Marks, digests: Mapping[str, HostDigest], after: dict[str, HostMark], globs: Sequence[str]
) -> dict[str, str]:
    """Return the new faults of hosts that are gone. A retired host has none: somebody meant that.

    Hosts may come back, so ``after`` keeps their marks, except for those that were renamed.
    """
    followed = {host.base for host in digests.values()} - {""}
    faults = dict[str, str]()
    for name in marks.hosts.keys() - {host.name for host in fleet.hosts}:
        if globs and not any(fnmatchcase(name, glob) for glob in globs):
            continue
        mark, is_retired = marks.hosts[name], retired.is_retired(fleet.hosts_path, name)
        if mark.tip in followed:
            del after[name]
            continue
        after[name] = replace(mark, fault="" if is_retired else GONE)
        if not (is_retired or mark.fault):
            faults[name] = GONE
    return faults


def _compare(
    hosts_path: bytes,
    host: str,
    base: DigestBase,
    secret: Secrecy,
    digests: dict[str, HostDigest],
    faults: dict[str, str],
) -> None:
    """Put what a host changed into ``digests``, or why it cannot be compared into ``faults``."""
    try:
        reply = ask(hosts_path, host, lambda folder: host_digest.tell(hosts_path, host, folder, base, secret), _LIMITS)
        digests[host] = digest_reply.decode(host, reply)
    except FaultError as error:
        faults[host] = str(error)
    except OSError as error:
        faults[host] = f"its folder cannot be read: {error.strerror}"
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        faults[host] = "what it changed takes too much time or memory"
