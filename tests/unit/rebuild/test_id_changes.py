"""What becomes of numbers when account files are others: names are followed, and nobody gets what is another's."""

from __future__ import annotations

from pacha.files.owners import Accounts
from pacha.host.orphans import FIRST
from pacha.rebuild.id_changes import IdChanges, id_changes
from pacha.store.host_state import Orphans


def accounts(**numbers: int) -> Accounts:
    lines = "".join(f"{name}:x:{number}:{number}::/:\n" for name, number in numbers.items()).encode()
    return Accounts.from_files(lines, lines)


def test_a_lost_account_gets_a_number_that_is_nobodys_and_tells_whose_it_was() -> None:
    before = accounts(root=0, debian=1000, alice=1001)
    changes = id_changes(before, before, accounts(root=0, alice=1000))
    assert changes.users == changes.groups == {1000: FIRST + 1000, 1001: 1000}
    assert changes.names == {(False, FIRST + 1000): b"debian", (True, FIRST + 1000): b"debian"}
    kept = id_changes(before, before, accounts(root=0, alice=1001), parks=False)
    assert kept.users == {} and kept.names[False, 1000] == b"debian"


def test_that_number_is_free_among_all_accounts() -> None:
    before = accounts(debian=1000, taken=FIRST + 1000)
    changes = id_changes(before, before, accounts(also=FIRST + 1001, taken=FIRST + 1000))
    assert changes.users == {1000: FIRST + 1002}


def test_root_and_the_owner_of_what_has_none_are_no_accounts_that_can_be_lost() -> None:
    before = accounts(root=0, nogroup=65534)
    assert id_changes(before, before, accounts(toor=0, nobody=65534)) == IdChanges()


def test_accounts_of_a_directory_service_are_not_lost_with_the_files() -> None:
    before = accounts(root=0, ldap=5000, moved=5001)
    changes = id_changes(before, accounts(root=0), accounts(root=0, moved=1001))
    assert changes.users == {5001: 1001} and not changes.lost_users


def test_the_second_name_of_a_number_counts_where_the_first_is_lost() -> None:
    before = accounts(first=1000, second=1000)
    changes = id_changes(before, before, accounts(second=1005))
    assert changes.users == {1000: 1005} and not changes.lost_users


def test_what_an_earlier_rebuild_left_stays_where_it_is_or_comes_back_by_name() -> None:
    left = [Orphans(name=b"debian", is_group=False, number=FIRST + 1000, count=1, paths=(b"/x",))]
    same = accounts(root=0)
    changes = id_changes(same, same, same, left)
    assert changes.users == {} and changes.names == {(False, FIRST + 1000): b"debian"}
    assert id_changes(same, same, accounts(root=0, debian=1007), left).users == {FIRST + 1000: 1007}
    again = accounts(root=0, debian=FIRST + 1000)
    assert id_changes(again, again, same, left).users == {}, "an account made with that number, and lost again"


def test_what_a_killed_rebuild_was_to_give_a_lost_account_is_given_to_it_by_the_next() -> None:
    """It remembered the number, and the account files still have the account."""
    before = accounts(root=0, debian=1000)
    left = [Orphans(name=b"debian", is_group=False, number=FIRST + 1000, count=1, paths=(b"/x",))]
    changes = id_changes(before, before, accounts(root=0), left)
    assert changes.users == changes.groups == {1000: FIRST + 1000}
    others = [Orphans(name=b"other", is_group=False, number=FIRST + 1000, count=1, paths=(b"/x",))]
    assert id_changes(before, before, accounts(root=0), others).users == {1000: FIRST + 1001}
