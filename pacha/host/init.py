"""Write the first configuration, completely or not at all, and say what to do next."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from pacha.config.config import Config
from pacha.config.keys import STANDALONE
from pacha.config.parse import parse_config
from pacha.errors import PachaError, UsageError
from pacha.host.context import Context
from pacha.host.watch import watch, watched
from pacha.sealing import readable, recipients
from pacha.sealing.readable import ReadableSecrets
from pacha.system.atomic import replace_file
from pacha.system.home import ssh_dir
from pacha.text import escape

_USUAL_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
_TEXT = """\
# Written by 'pacha init'. Every key there is: share/doc/pacha/configuration.rst where Pacha was installed.
[DEFAULT]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What the operator answered. ``user`` "", ``key`` "" and ``port`` None: ssh's own default.

    ``seal``: patterns, and ``seal_to`` the file of those who can open what they match; "" for nothing.
    """

    host: str
    user: str
    hostname: str
    key: str = ""
    port: int | None = None
    seal: str = ""
    seal_to: str = ""

    def text(self) -> str:
        """The configuration."""
        keys = {
            "pacha.host": self.host,
            "pacha.ssh.port": self.port,
            "pacha.ssh.user": self.user,
            "pacha.ssh.key": self.key,
            "pacha.hostname": self.hostname,
            "pacha.seal": self.seal,
            "pacha.seal.to": self.seal_to,
        }
        return _TEXT + "".join(f"{name} = {value}\n" for name, value in keys.items() if value)


def suggested_hostname() -> str:
    """A ``pacha.hostname`` for this machine."""
    return socket.gethostname().partition(".")[0]


def check(answers: Answers, path: Path, paths: Sequence[bytes]) -> Config:
    """The configuration from the answers; ``paths`` are to be watched. Raises ConfigError, UsageError."""
    for text in (answers.host, answers.user, answers.hostname, answers.key, answers.seal_to):
        if not text.isprintable():
            raise UsageError("An answer has a control character.", "", "Give it again without.", code="invalid-answer")
    for missing in (path_to_watch for path_to_watch in paths if not os.path.lexists(path_to_watch)):
        raise UsageError(
            f"{escape(missing)} does not exist.", "", "Name a directory or a file that does.", code="path-missing"
        )
    configuration = parse_config(answers.text(), path)
    configuration.masters()
    return configuration


def secrets_below(paths: Sequence[bytes]) -> ReadableSecrets:
    """The secrets at and below ``paths``, which a push would keep in the clear."""
    return readable.find(file for path in paths for file in readable.below(path))


def sealing(answers: Answers, found: ReadableSecrets, file: str) -> Answers:
    """``answers`` that seal what was ``found`` for those whose public keys are in ``file``. Raises ConfigError."""
    file = os.path.abspath(os.path.expanduser(file))
    recipients.read(file)
    return replace(answers, seal=found.setting.partition(" = ")[2], seal_to=file)


def write(answers: Answers, path: Path, *, force: bool = False) -> None:
    """Write the configuration, 0600, completely or not at all. Raises PachaError, and UsageError as ``refuse``."""
    name = escape(path)
    refuse(path, force)
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        replace_file(path, answers.text().encode(), overwrite=force)  # not even one written meanwhile
    except OSError as error:
        raise PachaError(
            f"{name} cannot be written.",
            error.strerror or "",
            "Name another with --config.",
            code="configuration-not-written",
        ) from None


def refuse(path: Path, force: bool) -> None:
    """Raise UsageError for an existing configuration, unless ``force``."""
    if os.path.lexists(path) and not force:
        name = escape(path)
        raise UsageError(
            f"{name} is there already.",
            "",
            "Look at it, or have it replaced: pacha init --force",
            code="configuration-exists",
        )


def watch_all(context: Context, paths: Sequence[bytes]) -> list[bytes]:
    """Watch each path, files too; returns the newly watched ones. Raises UsageError."""
    watched_paths = {entry.path for entry in watched(context)}
    absent = [path for path in paths if os.path.realpath(path) not in watched_paths]
    return [watch(context, path, single=os.path.isfile(path)).path for path in absent]


def usual_key() -> Path | None:
    """The private key that ssh(1) would use, None for none."""
    home = Path(ssh_dir())
    return next((home / name for name in _USUAL_KEYS if (home / f"{name}.pub").exists()), None)


def make_key(path: Path, comment: str) -> bool:
    """Make an ed25519 key without a passphrase, as no job can type one; False if it exists. Raises PachaError."""
    if os.path.lexists(path):
        return False
    key = Ed25519PrivateKey.generate()  # a fresh machine may not have ssh-keygen(1)
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, private, overwrite=False)
        replace_file(path.with_name(f"{path.name}.pub"), public + f" {comment}\n".encode(), mode=0o644)
    except OSError as error:
        raise PachaError(
            f"{escape(path)} cannot be made.",
            error.strerror or "",
            "Name another file with --key.",
            code="key-folder-not-made",
        ) from None
    return True


def public_half(path: Path) -> str:
    """The line of the public key beside a private one, "" for none."""
    try:
        line = Path(f"{path}.pub").read_text("ascii").strip()
    except (OSError, ValueError):
        return ""
    return line if line.isprintable() else ""


def _publishing(answers: Answers) -> list[str]:
    """How to get the public half of the key into a file, where there is none to be shown."""
    name, usual = f"{answers.hostname}.pub", os.path.join(ssh_dir(), "id_ed25519")
    make = f"ssh-keygen -t ed25519 -N '' -f {shlex.quote(usual)} && cat {shlex.quote(usual)}.pub"
    if answers.key:
        make = f"ssh-keygen -y -f {shlex.quote(answers.key)}"
    return [f"Here, write the public half of a key to {name}, and copy that to the master:", f"  {make} > {name}"]


def next_steps(answers: Answers, configuration: Config, public: str) -> list[str]:
    """What to do next, in order: sentences and commands."""
    after = ["See whether all is well:", "  pacha doctor", "Then push, now and by itself:", "  pacha push"]
    after.append("  pacha schedule install")
    if configuration.hosts == (STANDALONE,):
        return after
    user = configuration.ssh_user or "ACCOUNT"
    words = ["pacha", "add-host", answers.hostname, "--user", user, "--key", "-", "--install", user]
    make = [] if public else _publishing(answers)
    echo = f"  echo {shlex.quote(public)} | \\\n    " if public else "  "
    tail = "" if public else f" < {answers.hostname}.pub"
    port = f"-p {configuration.ssh_port} " if configuration.ssh_port else ""
    port += f"-i {shlex.quote(answers.key)} " if answers.key else ""
    account = f"{configuration.ssh_user}@" if configuration.ssh_user else ""
    logins = [f"  ssh {port}{account}{master}" for master in configuration.hosts]
    return [
        *make,
        f"On the master, as root, let this host in (the account '{user}' must be there):",
        f"{echo}{shlex.join(words)}{tail}",
        "Here, log in once and compare the fingerprint that ssh shows with the master's own",
        "(there: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then say yes:",
        *logins,
        *after,
        f"Or, if this machine is to become '{answers.hostname}' again, do not push, but put everything back:",
        f"  pacha rebuild {answers.hostname}",
    ]
