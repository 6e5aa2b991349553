"""The whole story in a temporary folder: watch, push, change, push, crash, rebuild, compare."""

from __future__ import annotations

import getpass
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pacha.config.config import Config
from pacha.config.parse import parse_config
from pacha.errors import PachaError
from pacha.files import scan
from pacha.files.entry import Entry
from pacha.files.exclude import Rules
from pacha.files.owners import Accounts
from pacha.files.watch import Watch
from pacha.host import watch
from pacha.host.context import Context
from pacha.host.packages import SWITCH
from pacha.push import push
from pacha.rebuild import rebuild
from pacha.store.state import StateFolder

Say = Callable[[str], None]

_FILES = {
    "foo/app.conf": ("[server]\nlisten = 0.0.0.0:8080\nworkers = 4\n", 0o640),
    "foo/secret.key": ("not for everybody's eyes\n", 0o400),
    "foo/conf.d/10-cache.conf": ("cache = on\nsize = 64m\n", 0o644),
    "foo/conf.d/20-log.conf": ("log = /var/log/foo.log\n", 0o644),
    "foo/bin/start": ("#!/bin/sh\nexec /usr/bin/foo --config /opt/foo/app.conf\n", 0o755),
    "foo/a name with spaces and 'quotes'": ("odd, but legal\n", 0o604),
}
_START_SECONDS = 5.0


def play(over_ssh: bool, say: Say) -> bool:
    """Play the story and print each step with ``say``. Return whether every path came back exactly.

    Needs neither root nor a server; ``over_ssh`` starts a throw-away sshd on loopback. Raises PachaError.
    """
    os.environ[SWITCH] = "no"  # to ask for this machine's packages takes seconds
    folder = Path(tempfile.mkdtemp(prefix="pacha-demo-"))
    try:
        with _master(folder, over_ssh) as text:
            return _story(folder, parse_config(text), say)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _story(folder: Path, configuration: Config, say: Say) -> bool:
    opt = folder / "opt"
    say(f"A host called 'bar' keeps /opt/foo. Here it is {opt}/foo, with {_make_tree(opt)} paths.")
    bar = Context(configuration, StateFolder(folder / "bar-state"))
    watch.watch(bar, os.fsencode(opt / "foo"))
    say("\n$ pacha watch /opt/foo")
    _push(bar, say)
    say("\nSomebody edits a file, adds one, removes one and tightens a mode.")
    _change(opt)
    _push(bar, say)
    before = _look(opt)
    say("\nThe host crashes: its files, its state and its history are gone.")
    shutil.rmtree(opt / "foo")
    shutil.rmtree(folder / "bar-state")
    say("\nA fresh machine, with keys and a ten-line configuration.\n$ pacha --rebuild bar")
    fresh = Context(configuration, StateFolder(folder / "fresh-state"))
    rebuilt = rebuild.rebuild(fresh, "bar")
    steps = rebuilt.proposal.preview.plan.steps
    say(f"  {rebuilt.fetched.files} files fetched and checked, {len(steps)} paths put back.")
    exact = _compare(before, _look(opt), say)
    say("\nThe fresh machine goes on as 'bar'.")
    _push(fresh, say)
    return exact


def _push(context: Context, say: Say) -> None:
    result = push.push(context)
    if result.failure is not None:
        raise result.failure
    done = f"{result.masters_text} has snapshot {result.tip[:12]} ({result.seconds:.1f} s)"
    say(f"$ pacha push\n  {result.changes}; {done}")


def _make_tree(opt: Path) -> int:
    for name, (text, mode) in _FILES.items():
        path = opt / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="ascii")
        path.chmod(mode)
    (opt / "foo/empty").mkdir(mode=0o750)
    (opt / "foo/current").symlink_to("conf.d/10-cache.conf")
    (opt / "foo/dangling").symlink_to("/nowhere/at/all")
    os.link(opt / "foo/app.conf", opt / "foo/app.conf.hardlink")
    (opt / "foo/conf.d").chmod(0o2750)
    os.utime(opt / "foo/app.conf", ns=(0, 1_234_567_890_123_456_789))
    return len(_look(opt))


def _change(opt: Path) -> None:
    with open(opt / "foo/app.conf", "a", encoding="ascii") as stream:
        stream.write("timeout = 30\n")
    (opt / "foo/conf.d/30-new.conf").write_text("new = yes\n", encoding="ascii")
    (opt / "foo/conf.d/20-log.conf").unlink()
    (opt / "foo/bin/start").chmod(0o4750)


def _look(opt: Path) -> dict[bytes, Entry]:
    """Every entry of the tree, with the hash of its content."""
    top = Watch(os.fsencode(opt / "foo"), False, Rules.of(()), False)
    result = scan.scan([top], {}, {}, Accounts.of_machine())
    digests = {path: hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).digest() for path in result.to_read}
    return {path: entry._replace(sha256=digests.get(path)) for path, entry in result.entries.items()}


def _compare(before: dict[bytes, Entry], after: dict[bytes, Entry], say: Say) -> bool:
    exact = [path for path, entry in before.items() if after.get(path) == entry]
    say(f"  {len(exact)} of {len(before)} paths came back exactly: content, owner, group, mode, time, links.")
    for path in sorted(before.keys() - set(exact)):
        say(f"  differs: {os.fsdecode(path)}: {before[path]} is {after.get(path)}")
    return before == after


@contextmanager
def _master(folder: Path, over_ssh: bool, port: int = 0) -> Iterator[str]:
    """Set up a master in ``folder``, with an sshd at ``port`` (0: a free one); yield the configuration for it."""
    hosts = folder / "pacha/hosts"
    hosts.mkdir(parents=True)
    common = f"[DEFAULT]\npacha.hostname = bar\npacha.hosts.path = {hosts}\n"
    if not over_ssh:
        yield common + "pacha.host = local\n"
        return
    (hosts / "bar").mkdir(mode=0o700)  # as add-host does; ``pacha serve`` expects it
    with _sshd(folder, port) as port:
        hg = shutil.which("hg") or os.path.join(sys.prefix, "bin", "hg")
        yield common + (
            f"pacha.host = 127.0.0.1\npacha.ssh.port = {port}\npacha.ssh.user = {getpass.getuser()}\n"
            f"pacha.ssh.key = {folder}/key\npacha.ssh.known_hosts = {folder}/known_hosts\npacha.hg.command = {hg}\n"
        )


@contextmanager
def _sshd(folder: Path, port: int) -> Iterator[int]:
    """Run a temporary sshd on a loopback port (0: a free one) for the account that runs this; yield the port."""
    program = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/sbin")
    if program is None or shutil.which("ssh-keygen") is None:
        raise PachaError(
            "There is no sshd here.", hint="Install openssh-server, or run 'pacha demo' without --ssh.", code="no-sshd"
        )
    for name in ("key", "host_key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "pacha demo", "-f", str(folder / name)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    shutil.copyfile(folder / "key.pub", folder / "authorized_keys")
    with socket.create_server(("127.0.0.1", port)) as free:
        port = int(free.getsockname()[1])
    public = (folder / "host_key.pub").read_text(encoding="ascii")
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}", encoding="ascii")
    options = {
        "ListenAddress": f"127.0.0.1:{port}", "HostKey": folder / "host_key", "PidFile": "none", "UsePAM": "no",
        "StrictModes": "no", "AuthorizedKeysFile": folder / "authorized_keys", "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no", "PermitRootLogin": "prohibit-password",
    }  # fmt: skip
    (folder / "sshd_config").write_text("".join(f"{key} {value}\n" for key, value in options.items()), encoding="ascii")
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", mode=0o755, exist_ok=True)  # sshd needs it; missing where sshd never ran
    with open(folder / "sshd.log", "wb") as log:
        server = subprocess.Popen([program, "-D", "-e", "-f", str(folder / "sshd_config")], stderr=log)
    try:
        _await(port, server, folder / "sshd.log")
        yield port
    finally:
        server.terminate()
        server.wait()


def _await(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.05)
    raise PachaError(
        "The throw-away sshd did not start.",
        log.read_text(errors="replace").strip()[-200:],
        "Run 'pacha demo' without --ssh.",
        code="demo-sshd-failed",
    )
