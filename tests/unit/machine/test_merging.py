"""fstab and adjtime, merged on another machine."""

from __future__ import annotations

from pacha.machine import merging
from pacha.machine.references import Reference

HERE = "# of the installer\nUUID=new-root / ext4 defaults 0 1\nUUID=new-swap none swap sw 0 0"
RECORDED = """
UUID=old-root / ext4 noatime 0 1
UUID=old-swap none swap sw 0 0
UUID=old-data /srv ext4 defaults,acl 0 2
LABEL=here /mnt/here xfs defaults 0 2
nas:/home /home nfs rw,hard 0 0
//nas/share /share cifs credentials=/etc/nas 0 0
tmpfs /tmp tmpfs size=1g 0 0
/srv/a /srv/b none bind 0 0
/dev/sdq1 /old ext4
"""
MERGED = """# of the installer
UUID=new-root / ext4 defaults 0 1
UUID=new-swap none swap sw 0 0
# Of the machine that was rebuilt here:
# not on this machine: UUID=old-data /srv ext4 defaults,acl,nofail 0 2
LABEL=here /mnt/here xfs defaults 0 2
nas:/home /home nfs rw,hard 0 0
//nas/share /share cifs credentials=/etc/nas 0 0
tmpfs /tmp tmpfs size=1g 0 0
/srv/a /srv/b none bind 0 0
# not on this machine: /dev/sdq1 /old ext4 defaults,nofail
"""


def has(reference: Reference) -> bool:
    return reference.value == "here"


def test_fstab_has_this_machines_lines_and_what_can_be_mounted_here() -> None:
    merged = merging.fstab(HERE, RECORDED, has)
    assert (merged.text, merged.commented) == (MERGED, 2)


def test_merging_again_changes_nothing() -> None:
    assert merging.fstab(MERGED, RECORDED, has).text == MERGED
    assert merging.fstab(MERGED, MERGED, has).text == MERGED


def test_a_machine_without_swap_gets_none_that_is_not_here() -> None:
    merged = merging.fstab("", "UUID=old none swap sw\nLABEL=here none swap sw\n", has)
    assert merged.text.split("\n")[1:] == [
        "# not on this machine: UUID=old none swap sw,nofail",
        "LABEL=here none swap sw",
        "",
    ]


def test_an_image_that_is_not_here_does_not_stop_the_boot() -> None:
    merged = merging.fstab(HERE, "/srv/x.iso /mnt/x iso9660 loop\n", has)
    assert merged.text.endswith("\n# not on this machine: /srv/x.iso /mnt/x iso9660 loop,nofail\n")


def test_nothing_to_add_leaves_it_as_it_is() -> None:
    assert merging.fstab(HERE, "UUID=old-root / ext4\n# nothing\nbroken\n", has).text == HERE


def test_the_clock_keeps_its_drift() -> None:
    assert merging.adjtime("1.5 1 0\n1\nUTC\n", "9.9 9 0\n9\nLOCAL\n", has).text == "1.5 1 0\n1\nLOCAL\n"
    assert merging.adjtime("1.5 1 0\n1\nUTC\n", "9.9\n", has).text == "1.5 1 0\n1\nUTC\n"
    assert merging.adjtime("", "9.9 9 0\n9\nLOCAL\n", has).text == ""
