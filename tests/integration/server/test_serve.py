"""What is behind a host's key: a table of attempts to do more, through a real sshd, all refused."""

from __future__ import annotations

import errno
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pacha.errors import UnreachableError
from pacha.server.host_directory import HostDirectory
from pacha.store.revision import INIT_OPTIONS
from tests.support.forced import Door, quoted, ssh
from tests.support.forced import door as open_door
from tests.support.sshd import Account, Sshd, account
from tests.support.stage import Host, on_stage, own, picture

INIT = list(INIT_OPTIONS)


@pytest.fixture(scope="module")
def user(sshd: Sshd) -> Iterator[Account]:
    """One account for both hosts: nothing but the forced command is between them."""
    with account(own("pacha_t_serve")) as made:
        yield made


@pytest.fixture(scope="module")
def door() -> Iterator[Door]:
    with open_door() as made:
        yield made


@pytest.fixture(scope="module")
def bar(sshd: Sshd, user: Account, door: Door) -> Iterator[Host]:
    """A host that has pushed; beside it ``foo``, whose folder is a copy that nobody may touch."""
    with on_stage(sshd, user) as stage:
        host = door.host(stage)
        tree = stage.folder / "opt" / "tree"
        tree.mkdir(parents=True)
        (tree / "secret").write_text("secret\n")
        host.watch(tree)
        host.push()
        subprocess.run(["cp", "-a", stage.hosts / "bar", stage.hosts / "foo"], check=True)
        yield host


def planted(host: Host) -> list[Path]:
    """Links in bar's own folder that lead to the other host's, as somebody with a shell may have left them."""
    folder, other = host.stage.hosts / "bar", host.stage.hosts / "foo"
    links = {
        "link": other / "tree",
        "hglink/.hg": other / "tree" / ".hg",
        "storelink/.hg/store": other / "tree" / ".hg" / "store",
        "filelink/.hg/store/00changelog.i": other / "tree" / ".hg" / "store" / "00changelog.i",
        ".new-made-00000000": other / "tree",
        ".new-fresh": other / "tree",
    }
    for name in ("storelink", "filelink", "shared", "foreign"):
        shutil.copytree(folder / "tree", folder / name)
    shutil.rmtree(folder / "storelink" / ".hg" / "store")
    (folder / "filelink" / ".hg" / "store" / "00changelog.i").unlink()
    (folder / "shared" / ".hg" / "requires").write_text("share-safe\nshared\n")
    (folder / "shared" / ".hg" / "sharedpath").write_text(f"{other / 'tree' / '.hg'}\n")
    (folder / "foreign" / ".hg" / "store" / "requires").write_text("store\nrevlogv9\n")
    (folder / "hglink").mkdir()
    for name, target in links.items():
        (folder / name).symlink_to(target)
    return [folder / name.partition("/")[0] for name in (*links, "shared", "foreign")]


@pytest.fixture
def with_links(bar: Host) -> Iterator[Host]:
    made = planted(bar)
    yield bar
    for path in made:
        if path.is_symlink():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)


def run(host: Host, command: str | None, *options: str, stdin: bytes = b"") -> tuple[int, bytes, str]:
    """What became of a command: its status, what it said, what it complained of."""
    socket_of_master = f"ControlPath={host.folder}/line"  # one connection for the whole table
    shared = options or ("-o", "ControlMaster=auto", "-o", socket_of_master, "-o", "ControlPersist=20")
    done = subprocess.run(ssh(host, command, *shared), input=stdin, capture_output=True, timeout=60)
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")


def attempts(hosts: Path) -> dict[str, str | None]:
    """What a thief of bar's key may try."""
    bar, foo = hosts / "bar", hosts / "foo"
    tree = bar / "tree"
    serve = quoted("hg", "-R", tree, "serve", "--stdio")
    return {
        "a shell": None,
        "an empty command": "",
        "sh": "sh -i",
        "id": "id",
        "sftp": "/usr/lib/openssh/sftp-server",
        "scp there": quoted("scp", "-t", bar),
        "scp recursive there": quoted("scp", "-r", "-t", bar / "tree/.hg/store"),
        "scp another host": quoted("scp", "-r", "-f", foo / "tree/.hg/store"),
        "scp the whole folder": quoted("scp", "-r", "-f", bar),
        "scp the repository": quoted("scp", "-r", "-f", tree),
        "scp another host's hooks": quoted("scp", "-r", "-f", hosts / ".hooks/foo"),
        "scp every host's hooks": quoted("scp", "-r", "-f", hosts / ".hooks"),
        "scp into the hooks": quoted("scp", "-r", "-t", hosts / ".hooks/bar"),
        "scp by way of ..": quoted("scp", "-r", "-f", bar / "../foo/tree/.hg/store"),
        "scp a glob": f"scp -r -f {hosts}/*/tree/.hg/store",
        "scp with an option": quoted("scp", "-r", "-f", "-S/bin/sh", tree / ".hg/store"),
        "scp /etc": quoted("scp", "-r", "-f", "/etc"),
        "rsync": quoted("rsync", "--server", "--sender", "-r", ".", foo),
        "hg init elsewhere": quoted("hg", "init", *INIT, "/tmp/elsewhere"),
        "hg init of another host": quoted("hg", "init", *INIT, foo / "new"),
        "hg init without our format": quoted("hg", "init", bar / "new"),
        "hg init of .hooks": quoted("hg", "init", *INIT, hosts / ".hooks" / "bar"),
        "hg init of .pacha": quoted("hg", "init", *INIT, hosts / ".pacha"),
        "hg init of a hidden name": quoted("hg", "init", *INIT, bar / ".hidden"),
        "hg init of the heartbeat": quoted("hg", "init", *INIT, bar / "last-push"),
        "hg init deeper": quoted("hg", "init", *INIT, bar / "a" / "b"),
        "hg init with an option more": quoted("hg", "init", *INIT, "--config", "hooks.x=id", bar / "new"),
        "hg another host": quoted("hg", "-R", foo / "tree", "serve", "--stdio"),
        "hg by way of ..": quoted("hg", "-R", f"{bar}/../foo/tree", "serve", "--stdio"),
        "hg with .": quoted("hg", "-R", f"{bar}/./tree", "serve", "--stdio"),
        "hg with //": quoted("hg", "-R", f"{bar}//tree", "serve", "--stdio"),
        "hg the folder": quoted("hg", "-R", bar, "serve", "--stdio"),
        "hg a slash more": quoted("hg", "-R", f"{tree}/", "serve", "--stdio"),
        "hg relative": quoted("hg", "-R", "../foo/tree", "serve", "--stdio"),
        "hg ..": quoted("hg", "-R", f"{bar}/..", "serve", "--stdio"),
        "hg in other letters": quoted("hg", "-R", hosts / "BAR" / "tree", "serve", "--stdio"),
        "hg --config": quoted("hg", "--config", "hooks.pre-serve=id", "-R", tree, "serve", "--stdio"),
        "hg --config after": serve + " --config hooks.pre-serve=id",
        "hg --debugger": quoted("hg", "-R", "--debugger", "serve", "--stdio"),
        "hg --debugger in the name": quoted("hg", "-R", bar / "--debugger", "serve", "--stdio"),
        "hg --cwd": quoted("hg", "--cwd", foo / "tree", "-R", tree, "serve", "--stdio"),
        "hg serve over http": quoted("hg", "-R", tree, "serve"),
        "hg serve with a log": serve + " --accesslog /tmp/x",
        "hg strip": quoted("hg", "-R", tree, "--config", "extensions.strip=", "strip", "0"),
        "hg rollback": quoted("hg", "-R", tree, "rollback"),
        "hg debugobsolete": quoted("hg", "-R", tree, "debugobsolete", "0" * 40),
        "hg bookmark": quoted("hg", "-R", tree, "bookmark", "x"),
        "hg phase": quoted("hg", "-R", tree, "phase", "-f", "-s", "0"),
        "another hg": quoted("/usr/bin/hg", "-R", tree, "serve", "--stdio"),
        "two commands": serve + "; id",
        "two commands with &&": serve + " && id",
        "a pipe": serve + " | sh",
        "a substitution": f"hg -R $(echo {tree}) serve --stdio",
        "backquotes": f"hg -R `echo {tree}` serve --stdio",
        "a substitution in a word": f'hg -R "{bar}/$(id)" serve --stdio',
        "a line more": serve + "\nid",
        "lines for blanks": serve.replace(" ", "\n"),
        "a tab for a blank": serve.replace(" ", "\t"),
        "quotes that the client does not use": f"hg -R '{tree}' serve --stdio",
        "a quote left open": serve + " '",
        "a comment": serve + " # x",
        "a backslash": f"hg -R {bar}/tr\\ee serve --stdio",
        "a variable before": f"HGRCPATH=/tmp/x {serve}",
        "in other letters": serve.upper(),
        "a blank before": " " + serve,
        "a very long command": "date " + "x" * 20000,
        "a very long name": quoted("hg", "-R", bar / ("x" * 300), "serve", "--stdio"),
        "a name that is no text": os.fsdecode(b"hg -R " + os.fsencode(bar) + b"/\xff serve --stdio"),
        "cat another host's": f"cat > {foo}/last-push.new",
        "cat over the heartbeat": f"cat > {bar}/last-push",
        "cat into the repository": f"cat > {tree}/.hg/hgrc",
        "cat a hook": f"cat > {hosts}/.hooks/bar/pacha_pre/x",
        "cat twice": f"cat > {bar}/last-push.new > {foo}/last-push.new",
        "cat with the path quoted": f"cat > '{bar}/last-push.new'",
        "cat from": f"cat {tree}/.hg/store/00changelog.i",
        "mv from another host": quoted("mv", "-f", foo / "last-push", bar / "last-push"),
        "mv to another host": quoted("mv", "-f", bar / "last-push.new", foo / "last-push"),
        "mv a repository away": quoted("mv", "-f", tree, bar / "gone"),
        "mv onto a repository": quoted("mv", "-T", bar / "db", tree),
        "mv another name": quoted("mv", "-T", bar / ".new-made-00000000", bar / "other"),
        "mv by half": quoted("mv", "-T", bar / ".new-made-0", bar / "made"),
        "mkdir another host": quoted("mkdir", "-m", "700", hosts / "new"),
        "mkdir .hooks": quoted("mkdir", "-m", "700", hosts / ".hooks"),
        "mkdir below": quoted("mkdir", "-m", "700", bar / "new"),
        "mkdir open to all": quoted("mkdir", "-m", "777", bar),
        "sync elsewhere": quoted("sync", "-f", "/"),
        "sha256sum another host's": quoted("sha256sum", foo / "db/.hg/store/00changelog.i"),
        "sha256sum /etc/shadow": quoted("sha256sum", "/etc/shadow"),
        "rm": quoted("rm", "-rf", bar),
        "date as one likes": "date -u",
        "date -s": "date -s 2001-01-01",
        "another host": quoted("pacha", "serve", "foo", "--hosts-path", hosts, "--control"),
        "another host's repository": quoted("pacha", "serve", "foo", "--hosts-path", hosts, "--repository", "tree"),
        "serve without a word": quoted("pacha", "serve", "bar", "--hosts-path", hosts),
        "serve with a word more": quoted("pacha", "serve", "bar", "--hosts-path", hosts, "--control", "--push-only"),
        "serve ..": quoted("pacha", "serve", "bar", "--hosts-path", hosts, "--repository", "../foo/tree"),
        "serve .hooks": quoted("pacha", "serve", "bar", "--hosts-path", hosts, "--repository", ".hooks"),
        "pacha rebuild": quoted("pacha", "rebuild", "foo", "--yes"),
        "pacha add-host": quoted("pacha", "add-host", "new"),
    }


def test_everything_else_is_refused(bar: Host) -> None:
    """Each ends with a status that is not 0 and one line of why; the other host's folder is as it was."""
    hosts = bar.stage.hosts
    before, own_before = picture(hosts), bar.on_master()
    wrong = []
    for name, command in attempts(hosts).items():
        status, out, err = run(bar, command, stdin=b"hello\ncapabilities\n")
        if status == 0 or out or "Permission denied: this key is for Pacha alone." not in err or "Traceback" in err:
            wrong.append((name, status, out, err))
    assert wrong == []
    assert picture(hosts) == before and bar.on_master() == own_before


def test_nothing_is_followed_out_of_the_folder(with_links: Host) -> None:
    """A link, or a share, that leads from the host's own folder to another's: as a whole, or as a part of it."""
    hosts = with_links.stage.hosts
    folder = hosts / "bar"
    before = picture(hosts / "foo")
    tried: list[str] = []
    for name in ("link", "hglink", "storelink", "filelink", "shared", "foreign"):
        path = folder / name
        tried += [quoted("hg", "-R", path, "serve", "--stdio"), quoted("scp", "-r", "-f", path / ".hg/store")]
    tried.append(quoted("hg", "-R", folder / "storelink", "recover"))
    tried.append(quoted("pacha", "serve", "bar", "--hosts-path", hosts, "--repository", "storelink"))
    tried += [quoted("sha256sum", folder / name / ".hg/store/requires") for name in ("link", "hglink", "storelink")]
    tried += [quoted("hg", "init", *INIT, folder / name) for name in ("link", "hglink")]
    wrong = []
    for command in tried:
        status, out, err = run(with_links, command, stdin=b"hello\nbetween\npairs 81\n" + b"0" * 40 + b"-" + b"0" * 40)
        if status == 0 or out or "Traceback" in err or "fault in Pacha" in err:
            wrong.append((command, status, out, err))
    assert wrong == []
    run(with_links, quoted("hg", "init", *INIT, folder / "fresh"))
    assert picture(hosts / "foo") == before


def test_a_host_folder_that_is_a_link(bar: Host, door: Door) -> None:
    hosts = bar.stage.hosts
    before = picture(hosts / "foo")
    (hosts / "linked").symlink_to(hosts / "foo")
    try:
        line = {"SSH_ORIGINAL_COMMAND": quoted("hg", "-R", hosts / "linked" / "tree", "serve", "--stdio")}
        command = [door.pacha, "serve", "linked", "--hosts-path", hosts]
        for more in (line, {"SSH_ORIGINAL_COMMAND": quoted("mkdir", "-m", "700", hosts / "linked")}):
            done = subprocess.run(command, env={**os.environ, **more}, input=b"hello\n", capture_output=True)
            assert done.stdout == b"" and b"Traceback" not in done.stderr
    finally:
        (hosts / "linked").unlink()
    assert picture(hosts / "foo") == before


def test_what_the_repositorys_own_folder_says_is_not_obeyed(bar: Host) -> None:
    """hgrc with hooks and extensions, planted by somebody with a shell."""
    tree = bar.repository("tree") / ".hg"
    marker = bar.stage.folder / "marker"
    text = f"[hooks]\npre-serve = touch {marker}\nchangegroup = touch {marker}\n[extensions]\nx = {marker}.py\n"
    for name in ("hgrc", "hgrc-not-shared"):
        (tree / name).write_text(text)
    (bar.stage.folder / "marker.py").write_text(f"open({str(marker)!r}, 'w')\n")
    try:
        (bar.stage.folder / "opt" / "tree" / "more").write_text("more\n")
        bar.push()
    finally:
        for name in ("hgrc", "hgrc-not-shared"):
            (tree / name).unlink()
    assert not marker.exists()


def test_no_forwarding_and_no_terminal(bar: Host) -> None:
    """What ``restrict`` says: OpenSSH's own refusals."""
    date = "date -u +%s.%N"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with socket.create_server(("127.0.0.1", 0)) as inside:
        target = inside.getsockname()[1]
        forward = subprocess.Popen(
            ssh(bar, None, "-N", "-L", f"127.0.0.1:{port}:127.0.0.1:{target}"), stderr=subprocess.PIPE
        )
        try:
            for _ in range(100):
                try:
                    with socket.create_connection(("127.0.0.1", port), 5) as sock:
                        assert sock.recv(1) == b""
                    break
                except ConnectionRefusedError:
                    assert forward.poll() is None
                    subprocess.run(["sleep", "0.05"])
            inside.settimeout(0.2)
            with pytest.raises(TimeoutError):
                inside.accept()
        finally:
            forward.kill()
            assert b"administratively prohibited" in forward.communicate()[1]
    status, _, err = run(bar, date, "-o", "ExitOnForwardFailure=yes", "-R", "0:127.0.0.1:1")
    assert status != 0 and "remote port forwarding failed" in err
    assert "PTY allocation request failed" in run(bar, date, "-tt")[2]
    before = len(bar.stage.server.log_text())
    run(bar, date, "-A")
    run(bar, None, "-s", "sftp")
    assert "auth-agent-req@openssh.com reply 1" not in bar.stage.server.log_text()[before:]


def test_what_the_client_sends_is_answered(bar: Host) -> None:
    """The other side of the table: the plain set, letter by letter."""
    hosts = bar.stage.hosts
    folder = hosts / "bar"
    status, out, _ = run(bar, "date -u +%s.%N")
    assert status == 0 and float(out) > 1e9
    digest = subprocess.run(["sha256sum", folder / "db/.hg/store/00changelog.i"], capture_output=True).stdout.split()[0]
    status, out, _ = run(bar, quoted("sha256sum", folder / "db/.hg/store/00changelog.i"))
    assert (status, out.split()[0]) == (0, digest)
    status, _, err = run(bar, quoted("sha256sum", folder / "none/.hg/store/requires"))
    assert status == 1 and "No such file" in err
    assert run(bar, quoted("mkdir", "-m", "700", folder))[0] == 0
    assert run(bar, quoted("sync", "-f", folder))[0] == 0
    assert run(bar, f"cat > {folder}/last-push.new", stdin=b"{}\n")[0] == 0
    assert run(bar, quoted("mv", "-f", folder / "last-push.new", folder / "last-push"))[0] == 0
    assert (folder / "last-push").read_text() == "{}\n"
    beside = folder / ".new-made-0123abcd"
    assert run(bar, quoted("hg", "init", *INIT, beside))[0] == 0
    assert run(bar, quoted("mv", "-T", beside, folder / "made"))[0] == 0
    assert run(bar, quoted("hg", "init", *INIT, folder / "made too"))[0] != 0
    assert run(bar, quoted("hg", "init", *INIT, folder / "madetoo"))[0] == 0
    status, out, _ = run(bar, quoted("hg", "-R", folder / "made", "serve", "--stdio"), stdin=b"hello\n")
    assert status == 0 and b"capabilities:" in out
    assert run(bar, quoted("hg", "-R", folder / "made", "recover"))[0] == 0
    for name in ("made", "madetoo"):
        shutil.rmtree(folder / name)


def test_a_folder_that_is_missing_is_explained_with_the_account_that_needs_it(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError) as caught:
        HostDirectory(os.fsencode(tmp_path), "bar").probe(frozenset())
    assert caught.value.hint == f"On the master, run: pacha add-host bar --user {pwd.getpwuid(os.geteuid()).pw_name}"


def test_a_folder_of_someone_else_is_explained_with_what_gives_it_over(tmp_path: Path) -> None:
    folder = HostDirectory(os.fsencode(tmp_path), "bar")
    with pytest.raises(UnreachableError) as caught, folder.explained(""):
        raise PermissionError(errno.EACCES, "Permission denied")
    name = pwd.getpwuid(os.geteuid()).pw_name
    assert f"chown -R {name}: {tmp_path}/bar" in caught.value.hint
