"""Check whether a host could be rebuilt right now.

Fetch and check its newest snapshot exactly as a rebuild does. The host may have forged its folder. So root lets a
process do this that has become the folder's owner, in a scratch folder.
"""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from pacha.config.config import Config
from pacha.config.keys import STANDALONE
from pacha.config.signers import Signers, load_signers
from pacha.errors import ExitCode, PachaError
from pacha.host.context import Context, check_host
from pacha.server import check_results
from pacha.server import hosts as fleet
from pacha.server.check_results import CheckResult
from pacha.server.check_worker import inspect, result, unseen
from pacha.server.host_account import AccountLimits, load_modules, run_as_owner, scratch_folder
from pacha.store.state import StateFolder
from pacha.system import activity
from pacha.text import escape
from pacha.wire import hook_files, message

_MOST_SAID = 1 << 20  #: bytes of a check's result
_MOST_FAULTS = 20
_CPU_SECONDS = 4 * 3600
_SECONDS = 24 * 3600.0  #: a limit, as the host's account can stop the process
_MEMORY = 8 << 30  #: bytes; files are read in parts of a few MiB


def check(
    config: Config, hosts: tuple[str, ...], rehearse: bool, on_checked: Callable[[CheckResult], None]
) -> ExitCode:
    """Check ``hosts`` (none: all) below the configuration's hosts_path, and keep the results.

    Returns 13 if one could not be rebuilt, 1 if one could not be checked, 3 for any other fault. Raises UsageError,
    PachaError.
    """
    load_modules()
    names_here = fleet.names(config.hosts_path)
    for host in hosts:
        if check_host(host) not in names_here:
            raise PachaError(
                f"There is no host '{host}' in {escape(config.hosts_path)}.",
                hint="See: pacha hosts",
                code="no-such-host",
            )
    codes = set()
    chosen = hosts or names_here
    signers = load_signers(config.signers, config.signers_revoked)  # which no host's account may be able to read
    for number, host in enumerate(chosen, 1):
        which = f"'{host}' ({number} of {len(chosen)})"
        activity.begin(f"{'rehearsing' if rehearse else 'checking'} {which}", shared=True)
        checked = _check(config, host, rehearse, signers)
        try:
            check_results.write(config.hosts_path, checked)
        except OSError as error:
            fault = f"this is not kept for 'pacha hosts': {error.strerror}"
            checked = replace(checked, faults=(*checked.faults, fault))
        codes.add(checked.code)
        on_checked(checked)
    order = (ExitCode.DAMAGED, ExitCode.FAILED, ExitCode.CONCERNS)
    return next((code for code in order if code in codes), ExitCode.DONE)


def _check(config: Config, host: str, rehearse: bool, signers: Signers | None) -> CheckResult:
    began, folder = time.time(), os.path.join(config.hosts_path, os.fsencode(host))
    faults = _hooks(config.hosts_path, host)
    try:
        owner = os.stat(folder, follow_symlinks=False)
        if stat.S_ISLNK(owner.st_mode):
            return CheckResult(host=host, at=began, code=int(ExitCode.CONCERNS), faults=(fleet.LINK, *faults))
        if owner.st_mode & 0o077:
            faults.append(f"its folder is open to other users: chmod 700 {escape(folder)}")
        with scratch_folder(owner) as scratch:
            outcome = _apart(owner, lambda: inspect(_here(config, scratch), host, rehearse, scratch, signers))
    except OSError as error:
        outcome = result(ExitCode.FAILED, unseen(error))
    faults = [*outcome["faults"], *faults]
    code = outcome["code"] or (ExitCode.CONCERNS if faults else ExitCode.DONE)
    numbers = {name: outcome[name] for name in ("tip", "made", "files", "size", "rehearsed", "purged", "sealed")}
    signed = {name: outcome[name] for name in ("signature", "signer")}
    return CheckResult(
        host=host, at=began, code=int(code), faults=tuple(faults), seconds=time.time() - began, **numbers, **signed
    )


def _here(config: Config, scratch: Path) -> Context:
    """The context of a new machine whose master is the folder of hosts."""
    local = replace(config, hosts=(STANDALONE,), hostname=None, rebuild_keep=(), hooks=False, signers=None)
    return Context(local, StateFolder(scratch / "state"))


def _apart(owner: os.stat_result, examine: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run ``examine`` in a child process, as root under the account ``owner``; returns its result."""

    def examined() -> bytes:
        try:
            outcome = examine()
        except Exception as error:
            outcome = result(ExitCode.FAILED, unseen(error))
        return json.dumps(outcome).encode("ascii")

    limits = AccountLimits(cpu_seconds=_CPU_SECONDS, seconds=_SECONDS, memory=_MEMORY, most=_MOST_SAID)
    text, status = run_as_owner(owner, examined, limits)
    try:
        return _believed(message.decode(text))
    except (ValueError, KeyError, TypeError):
        how = f"by signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else "without a result"
        return result(ExitCode.DAMAGED, f"the check ended {how}: it is too large, or more than it seems")


def _believed(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer of a process under the host's account, with checked numbers and safe text."""
    faults = [escape(os.fsencode(str(fault)[:500])) for fault in answer["faults"][:_MOST_FAULTS]]
    outcome = result(message.count(answer["code"]), *faults)
    numbers = {name: message.count(answer[name]) for name in ("files", "size", "purged", "sealed")}
    times = {"made": message.seconds(answer["made"])}
    snapshot = {"tip": check_results.node(answer["tip"]), "rehearsed": bool(answer["rehearsed"])}
    signature = {
        "signature": check_results.signature_word(answer["signature"]),
        "signer": check_results.signer(answer["signer"]),
    }
    return {**outcome, **numbers, **times, **snapshot, **signature}


def _hooks(hosts_path: bytes, host: str) -> list[str]:
    """The faults of ``host``'s hooks: they run as root, so nobody else may own or write them."""
    try:
        entries = list(hook_files.entries(hosts_path, host, frozenset([0, os.geteuid()])))
    except OSError as error:  # for example a dangling link
        return [f"its hooks cannot be read: {error.strerror}"]
    return [f"the hook {escape(path)} is {owner}" for path, _, owner in entries if owner != hook_files.ROOT]
