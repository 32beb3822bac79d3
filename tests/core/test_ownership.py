"""Who owns an identifier, and from when."""

from hypothesis import given
from hypothesis import strategies as st

from streams.core.ownership import (
    NOBODY,
    NOTICE_MS,
    Interval,
    Ownership,
    claim,
    give_up,
    home,
    owner_at,
)

NEW = Ownership("d")


def test_the_first_owner_has_owned_it_since_always():
    """So a receipt sold before the registration is found under the member."""
    claimed = claim(NEW, account="A", person=None, at=1_000)

    assert claimed.first
    assert claimed.code is None
    assert owner_at(claimed.ownership, -(10**12)) == Interval("A")


def test_a_claim_repeated_changes_nothing():
    """A member record may be delivered twice."""
    once = claim(NEW, account="A", person="p", at=1_000)
    twice = claim(once.ownership, account="A", person="p", at=2_000)

    assert twice.ownership == once.ownership
    assert twice.code is None
    assert not twice.first


def test_what_somebody_else_owns_is_refused():
    """Two members can't share a card."""
    owned = claim(NEW, account="A", person=None, at=1_000).ownership
    taken = claim(owned, account="B", person=None, at=2_000)

    assert taken.code == "IDENTIFIER_TAKEN"
    assert taken.ownership == owned


def test_a_change_of_owner_counts_a_minute_later():
    """Every router has read it by then."""
    owned = claim(NEW, account="A", person=None, at=0).ownership
    given_up = give_up(owned, account="A", at=5_000)
    assert claim(given_up, account="B", person=None, at=4_999).code == "IDENTIFIER_TAKEN"
    passed_on = claim(given_up, account="B", person=None, at=6_000).ownership

    assert owner_at(passed_on, 5_000 + NOTICE_MS - 1).account == "A"
    assert owner_at(passed_on, 5_000 + NOTICE_MS) == NOBODY
    assert owner_at(passed_on, 6_000 + NOTICE_MS).account == "B"


def test_nobody_gives_up_what_another_owns():
    """A stale request leaves the owner alone."""
    owned = claim(NEW, account="A", person=None, at=0).ownership

    assert give_up(owned, account="B", at=1) == owned
    assert give_up(NEW, account="A", at=1) == NEW


@given(
    st.lists(
        st.tuples(st.sampled_from("ABC"), st.booleans(), st.integers(0, 10 * NOTICE_MS)),
        max_size=12,
    )
)
def test_owners_never_overlap(requests):
    """At every instant a digest has one owner or none."""
    ownership = Ownership(home("d"))
    for account, gives_up, at in sorted(requests, key=lambda each: each[2]):
        if gives_up:
            ownership = give_up(ownership, account=account, at=at)
        else:
            ownership = claim(ownership, account=account, person=None, at=at).ownership

    for earlier, later in zip(ownership.intervals, ownership.intervals[1:], strict=False):
        assert earlier.end is not None
        assert later.start is not None
        assert earlier.end <= later.start
