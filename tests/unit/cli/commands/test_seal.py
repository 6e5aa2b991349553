"""seal lists what is sealed, and proves that it can be opened."""

from __future__ import annotations

from tests.support.commanding import Shell, loaded_mercurial, shell_of_bar  # noqa: F401  (fixtures)
from tests.support.sealing import new_identity, sealers
from tests.support.standalone import standalone_host  # noqa: F401  (a fixture)


def test_the_list_and_the_proof(shell: Shell) -> None:
    people = sealers(shell.bar.top / "people")
    with open(shell.bar.top / "pacha.conf", "a", encoding="ascii") as config:
        config.write(f"pacha.seal = *.key\npacha.seal.to = {people.recipients}\n")
    (shell.bar.tree / "a.key").write_text("-----BEGIN PRIVATE KEY-----\n")
    (shell.bar.tree / "b.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    shell.run("push")
    assert shell.run("seal") == f"{shell.bar.tree}/a.key\n"
    assert "1 of 1 sealed files" in shell.run("seal", "--check", "--identity", people.offline)
    new_identity(people.folder / "stranger")
    out, err = shell.both("seal", "--check", "--identity", people.folder / "stranger", code=3)
    assert "0 of 1" in out and f"{shell.bar.tree}/a.key" in err
    assert "--identity FILE" in shell.both("seal", "--check", code=2)[1]
    told = " ".join(shell.run("doctor", code=3).split())
    assert f"{shell.bar.tree}/b.pem is readable on the master; to seal: pacha.seal = {shell.bar.tree}/b.pem" in told
    assert "1 files are sealed, for 2 recipients" in told
    shell.run("cat", shell.bar.tree / "a.key", code=3)
    assert "PRIVATE KEY" in shell.run("cat", shell.bar.tree / "a.key", "--identity", people.at_hand)
    (shell.bar.tree / "a.key").write_text("other\n")
    assert "sealed content (changed)" in shell.run("diff")
    assert f"{shell.bar.tree}/a.key: size 28 -> 6" in shell.run("verify", code=3)
    shell.run("push")
    (shell.bar.tree / "a.key").write_text("other!")
    assert f"{shell.bar.tree}/a.key: sealed content" in shell.run("verify", code=3)


def test_watch_names_what_will_be_in_the_clear(shell: Shell) -> None:
    (shell.bar.top / "more").mkdir()
    (shell.bar.top / "more" / "id_ed25519").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    out = shell.run("watch", shell.bar.top / "more")
    assert "id_ed25519 will be readable on the master. To seal: pacha.seal = " in out
