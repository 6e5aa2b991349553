"""The tools: how each is set up, pushes and rebuilds. What is set for a tool is what is written here.

Making the place on the server (``restic init``, ``pacha add-host``, ``git init --bare``) is not timed; all that a
push does there by itself is. No tool shares or keeps an ssh connection.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from speed_parts.stand import Line, Stand

FIRST, IDLE, ONE, REBUILD, BELOW = "first push", "idle push", "one-file push", "rebuild", "rebuild --target"
STEPS = (FIRST, IDLE, ONE, REBUILD)

#: A bare Python program that logs in, runs ``true`` and leaves: what Pacha cannot do without.
_LOGIN = """\
import sys, paramiko
client = paramiko.SSHClient()
client.load_host_keys(sys.argv[1])
client.connect("127.0.0.1", int(sys.argv[2]), sys.argv[3], key_filename=sys.argv[4], allow_agent=False,
               look_for_keys=False)
assert client.exec_command("true")[1].channel.recv_exit_status() == 0
client.close()
"""


@dataclass(frozen=True)
class Tool:
    """One tool on one tree. ``rebuilt``: where its rebuild leaves the tree.

    ``metadata``: it brings back owners, modes and times too. ``in_place``: it rebuilds to where the tree was,
    which is moved aside meanwhile. ``copy``: it works on its own copy of the tree, at that path.
    """

    name: str
    steps: Mapping[str, Sequence[str]]
    environment: Mapping[str, str]
    prepare: Sequence[Sequence[str]] = ()
    rebuilt: Mapping[str, Path] = field(default_factory=dict)
    metadata: bool = True
    in_place: bool = False
    copy: Path | None = None


def shell(script: str, *arguments: object) -> list[str]:
    """A fixed script whose varying parts are its arguments."""
    return ["sh", "-ec", script, "sh", *map(str, arguments)]


def login(place: Stand, line: Line, tree: Path) -> Tool:
    """The floor for a program in Python."""
    server = place.server
    words = [str(server.known_hosts), str(line.port), place.account.name, str(server.key)]
    command = [sys.executable, "-c", _LOGIN, *words]
    return Tool("login", dict.fromkeys(STEPS, command), {})


def ssh(place: Stand, line: Line, tree: Path) -> Tool:
    """The floor for a connection."""
    return Tool("ssh", {step: ["ssh", "-F", str(line.config), "bench", "true"] for step in STEPS}, {})


def tar(place: Stand, line: Line, tree: Path) -> Tool:
    """The floor for moving everything; it has no history and always sends all."""
    options = "--numeric-owner --acls --xattrs"
    push = shell(f'tar -C "$1" {options} -cf - "$2" | ssh -F "$3" bench "cat > \'$4\'"',
                 tree.parent, tree.name, line.config, place.store / "tar")  # fmt: skip
    back = shell(f'ssh -F "$1" bench "cat \'$2\'" | tar -C "$3" {options} -xpf -',
                 line.config, place.store / "tar", place.scratch)  # fmt: skip
    steps = {FIRST: push, IDLE: push, ONE: push, REBUILD: back}
    return Tool("tar", steps, {}, rebuilt={REBUILD: place.scratch / tree.name})


def rsync(place: Stand, line: Line, tree: Path) -> Tool:
    """One copy, no history; as root on the server, so that owners need no extended attributes there."""
    there, out = f"root@bench:{place.store}/rsync/", place.scratch / "rsync"
    command = ["rsync", "-aHAX", "--numeric-ids", "--delete"]
    push = [*command, f"{tree}/", there]
    steps = {FIRST: push, IDLE: push, ONE: push, REBUILD: [*command, there, f"{out}/"]}
    return Tool("rsync", steps, {"RSYNC_RSH": line.ssh}, rebuilt={REBUILD: out})


def restic(place: Stand, line: Line, tree: Path) -> Tool:
    """As it comes, over sftp: encryption cannot be turned off."""
    base = ["restic", "-q", "-r", f"sftp:bench:{place.store}/restic", "-o", f"sftp.command={line.ssh} bench -s sftp"]
    out, push = place.scratch / "restic", [*base, "backup", str(tree)]
    steps = {FIRST: push, IDLE: push, ONE: push, REBUILD: [*base, "restore", "latest", "--target", str(out)]}
    environment = {"RESTIC_PASSWORD": "benchmark", "RESTIC_CACHE_DIR": str(place.scratch / "restic-cache")}
    return Tool("restic", steps, environment, [[*base, "init"]], {REBUILD: Path(f"{out}{tree}")})


def borg(place: Stand, line: Line, tree: Path) -> Tool:
    """As it comes (lz4), without encryption, which Pacha does not have either."""
    out = place.scratch / "borg"
    steps: dict[str, Sequence[str]] = {
        step: ["borg", "create", f"::{step.replace(' ', '-')}", str(tree)] for step in (FIRST, IDLE, ONE)
    }
    archive = f"::{ONE.replace(' ', '-')}"
    steps[REBUILD] = shell('mkdir "$1" && cd "$1" && borg extract --numeric-ids "$2"', out, archive)
    environment = {
        "BORG_REPO": f"ssh://bench{place.store}/borg",
        "BORG_RSH": line.ssh,
        "BORG_BASE_DIR": str(place.scratch / "borg-base"),
        "BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK": "yes",
        "BORG_RELOCATED_REPO_ACCESS_IS_OK": "yes",
    }
    return Tool("borg", steps, environment, [["borg", "init", "-e", "none"]], {REBUILD: Path(f"{out}{tree}")})


def git(place: Stand, line: Line, tree: Path) -> Tool:
    """History of content; no owners, no times, no empty folders. Its folder lies outside the tree."""
    there, out, own = f"bench:{place.store}/git", place.scratch / "git", place.scratch / "git-own"
    script = (
        'cd "$2" && export GIT_DIR="$1" GIT_WORK_TREE="$2" && git add -A -f . && '
        '{ git commit -q -m push || true; } && git push -q "$3" HEAD:refs/heads/main'
    )
    push = shell(script, own, tree, there)
    steps = {FIRST: push, IDLE: push, ONE: push, REBUILD: ["git", "clone", "-q", "-b", "main", there, str(out)]}
    environment = {"GIT_SSH_COMMAND": line.ssh, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": "bench", f"GIT_{role}_EMAIL": "bench@localhost"}
    there_made = ["ssh", "-F", str(line.config), "bench", f"git init -q --bare '{place.store}/git'"]
    prepare = [there_made, ["git", "init", "-q", "--bare", str(own)]]
    return Tool("git", steps, environment, prepare, {REBUILD: out}, metadata=False)


def hg(place: Stand, line: Line, tree: Path) -> Tool:
    """Mercurial's command line as Debian packages it: history of content alone, with its folder in the tree."""
    own, out, there = place.scratch / "hg-own", place.scratch / "hg", f"ssh://bench/{place.store}/hg"
    config = place.scratch / "hgrc"
    script = 'cd "$1" && hg addremove -q && { hg commit -q -m push || true; } && { hg push -q "$2" || test $? = 1; }'
    push = shell(script, own, there)
    steps = {FIRST: push, IDLE: push, ONE: push, REBUILD: ["hg", "clone", "-q", there, str(out)]}
    written = shell('printf "[ui]\\nusername = bench\\nssh = %s\\n" "$1" > "$2"', line.ssh, config)
    prepare = [
        written, ["cp", "-a", str(tree), str(own)], ["hg", "init", str(own)],
        ["ssh", "-F", str(line.config), "bench", f"hg init '{place.store}/hg'"],
    ]  # fmt: skip
    environment = {"HGRCPATH": str(config), "HGPLAIN": "1", "PATH": "/usr/bin:/bin"}
    return Tool("hg", steps, environment, prepare, {REBUILD: out}, metadata=False, copy=own)


def pacha(place: Stand, line: Line, tree: Path, name: str, command: str) -> Tool:
    """The installed command as cron calls it, with its heartbeat and its checks; the rebuild on a fresh machine.

    ``rebuild`` puts the tree where it was and makes the machine the host again; ``rebuild --target`` does not.
    """
    return _pacha(place, line, tree, name, command, [])


def forced(place: Stand, line: Line, tree: Path, name: str, command: str) -> Tool:
    """The same, by a key that can run nothing on the server but this source's ``pacha serve``."""
    key, granted = place.scratch / name / "key", place.server.folder / "authorized" / place.account.name
    forced = f'restrict,command="{place.door.pacha} serve bar --hosts-path {place.store / name}"'
    make = shell('ssh-keygen -q -t ed25519 -N "" -f "$1" && printf "%s %s\\n" "$2" "$(cat "$1.pub")" >> "$3"',
                 key, forced, granted)  # fmt: skip
    return _pacha(place, line, tree, name, command, [make], key)


def _pacha(
    place: Stand,
    line: Line,
    tree: Path,
    name: str,
    command: str,
    more: Sequence[Sequence[str]],
    key: Path | None = None,
) -> Tool:
    folder = place.scratch / name
    config, hosts = folder / "pacha.conf", place.store / name
    places = {"HOME": folder / "home", "PACHA_CONFIG": config, "TMPDIR": folder / "tmp"}
    environment = {key: str(path) for key, path in places.items()}
    text = (
        f"[DEFAULT]\npacha.host = 127.0.0.1\npacha.ssh.port = {line.port}\npacha.ssh.user = {place.account.name}\n"
        f"pacha.ssh.key = {key or place.server.key}\npacha.ssh.known_hosts = {place.server.known_hosts}\n"
        f"pacha.hosts.path = {hosts}\npacha.hostname = bar\n"
    )
    own, fresh, spare = (["env", f"PACHA_STATE={folder / name}", *command.split()] for name in ("own", "new", "spare"))
    steps: dict[str, Sequence[str]] = {step: [*own, "push"] for step in (FIRST, IDLE, ONE)}
    steps[REBUILD] = [*fresh, "rebuild", "bar", "--yes"]
    steps[BELOW] = [*spare, "rebuild", "bar", "--yes", "--target", str(folder / "below")]
    prepare = [
        shell('mkdir -p "$1/home" "$1/tmp" && printf %s "$2" > "$3" && install -d -o "$4" "$5"',
              folder, text, config, place.account.name, hosts),
        *more,
        [*own, "add-host", "bar", "--user", place.account.name],
        [*own, "watch", str(tree)],
    ]  # fmt: skip
    rebuilt = {REBUILD: tree, BELOW: Path(f"{folder}/below{tree}")}
    return Tool(name, steps, environment, prepare, rebuilt, in_place=True)


def version(name: str, command: str) -> str:
    """What ``command`` says of its version, in one line."""
    option = "-V" if name == "ssh" else "version" if name == "restic" else "--version"
    done = subprocess.run([*command.split(), option], capture_output=True, text=True)
    return f"{name}: {(done.stdout or done.stderr).partition(chr(10))[0]}"


PEERS = {"restic": restic, "borg": borg, "rsync": rsync, "git": git, "hg": hg, "tar": tar, "ssh": ssh, "login": login}
#: The Debian package of each command that is needed.
PACKAGES = {"restic": "restic", "borg": "borgbackup", "rsync": "rsync", "git": "git", "hg": "mercurial", "tar": "tar",
            "ssh": "openssh-client"}  # fmt: skip
