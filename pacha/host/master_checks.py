"""The checks of a master that ``pacha doctor`` makes from a host: the login, the programs, the key, the folder."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pacha.config.keys import STANDALONE
from pacha.errors import PachaError
from pacha.host.doctor_check import Check, failed, look, room
from pacha.host.masters import connect
from pacha.text import escape, span
from pacha.wire.master import PUSH, REBUILD

if TYPE_CHECKING:
    from pacha.host.context import Context
    from pacha.wire.master import Examined, Master

_PATIENCE = 20  #: seconds without output after which a command on the master is given up
_CLOCKS_DIFFER = 60.0  #: seconds from which on the times in the history mislead


def of_master(context: Context, host: str, name: str) -> Iterator[Check]:
    """Yield the checks of the master ``name`` of ``host``. None waits longer than ``_PATIENCE``."""
    patient = replace(context, config=replace(context.config, ssh_timeout=min(context.config.ssh_timeout, _PATIENCE)))
    try:
        master = connect(patient, name)
    except PachaError as error:
        yield failed("login", error)
        return
    try:
        if name != STANDALONE:
            text = f"{master.label}: the host key is known, our key is accepted without a prompt"
            yield Check(about="login", result=text)
        yield from _examine(master, host, escape(context.config.hosts_path))
    except PachaError as error:
        yield failed("master", error)
    finally:
        master.close()


def _examine(master: Master, host: str, hosts_path: str) -> Iterator[Check]:
    began = time.time()
    examined = master.examine(host)
    ahead = examined.clock - (began + time.time()) / 2
    user = f" --user {master.label.partition('@')[0]}" if "@" in master.label else ""
    yield from _programs(examined)
    if PUSH not in examined.may:
        cure = f"Let it, or another key, in to push, on the master: pacha add-host {host} --key FILE --install ACCOUNT"
        yield look("key", "it may rebuild, not push", cure)
    if REBUILD not in examined.may:
        yield Check(about="key", result="it may push, not rebuild: a rebuild needs another key")
    yield from _hosts_folder(examined, host, hosts_path, user)
    yield _clock(ahead)
    if examined.free is not None:
        yield room("the hosts folder", examined.free, "Make room on the master.")


def _programs(examined: Examined) -> Iterator[Check]:
    if examined.pacha is not None:
        text = f"Pacha {examined.pacha} answers there; this key may {' and '.join(sorted(examined.may))}"
        yield Check(about="programs", result=text)
    elif examined.mercurial is not None:
        yield from _plain_programs(examined.mercurial, examined.missing)


def _plain_programs(mercurial: str, missing: Sequence[str]) -> Iterator[Check]:
    cure = "Install it on the master, or name its command in pacha.hg.command."
    yield (
        Check(about="programs", result=mercurial) if mercurial else look("programs", "there is no Mercurial (hg)", cure)
    )
    for name in missing:
        cure = "Install openssh-client there." if name == "scp" else "Install it there (coreutils or busybox)."
        yield look("programs", f"there is no {name}", cure)
    if not missing:
        yield Check(about="programs", result="scp and the other commands of a plain account are there")


def _hosts_folder(examined: Examined, host: str, hosts_path: str, user: str) -> Iterator[Check]:
    """The checks of the folder that the key leads to; ``hosts_path`` is the one of the configuration."""
    led = escape(examined.hosts_path or b"")
    if examined.trouble:
        yield look("hosts folder", examined.trouble, f"On the master, run: pacha add-host {host}{user}")
    elif examined.trouble is not None:
        yield Check(about="hosts folder", result=f"'{host}' can be written to in {led or hosts_path}")
    if led and led != hosts_path:
        text = f"pacha.hosts.path is {hosts_path}, and this key leads to {led}: another key would find nothing"
        yield look("hosts folder", text, f"Set pacha.hosts.path = {led}")


def _clock(ahead: float) -> Check:
    """The check of a master's clock that is ``ahead`` by so many seconds."""
    seconds = f"{span(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} ours"
    if abs(ahead) > _CLOCKS_DIFFER:
        return look("clock", f"the master's is {seconds}", "Set both by NTP: timedatectl set-ntp true")
    text = f"the master's agrees ({seconds})" if abs(ahead) >= 1 else "the master's agrees with ours"
    return Check(about="clock", result=text)
