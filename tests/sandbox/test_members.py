"""Made-up members are plausible, unique, and nobody."""

import re
from datetime import date

import phonenumbers
import pytest

from schemas.codec import committed
from streams.core.account import Born
from streams.identifiers import Digester, names_payment_card
from streams.sandbox.members import HOUSEHOLD_MAX, OPENED_AT, card_of, member_of, registration
from streams.wire.members import member_bytes, member_from

MEMBERS = tuple(member_of(household) for household in range(1, 2_601))


def test_the_same_household_is_the_same_member():
    """A literal guards against a change of the recipe: balances of replays are compared."""
    member = member_of(1)

    assert (member.account, member.name, member.phone) == ("m1", "Tess Dixon", "+12015550100")
    assert (member.card, member.born) == ("9800000000017", "1964-08-20")


def test_every_phone_is_valid_unique_and_fictional():
    """555-01xx belongs to nobody."""
    for member in MEMBERS:
        assert phonenumbers.is_valid_number(phonenumbers.parse(member.phone, "US"))
        assert re.fullmatch(r"\+1\d{3}55501\d\d", member.phone)
    assert len({member.phone for member in MEMBERS}) == len(MEMBERS)


def luhn(digits):
    """Check a payment card's number, by the book."""
    odd = [int(digit) for digit in digits[-1::-2]]
    even = [sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2]]
    return (sum(odd) + sum(even)) % 10 == 0


def test_no_card_could_be_one_for_payment():
    """It fails both by its first digit and by its last."""
    assert luhn("4111111111111111")
    for member in MEMBERS:
        assert len(member.card) == 13
        assert not luhn(member.card)
        assert not names_payment_card(member.card)
    assert len({member.card for member in MEMBERS}) == len(MEMBERS)


def test_birthdays_are_spread_and_some_members_have_an_address():
    """Every month has members; a third has an e-mail address, each its own."""
    assert {date.fromisoformat(member.born).month for member in MEMBERS} == set(range(1, 13))
    emails = [member.email for member in MEMBERS if member.email]
    assert 700 < len(emails) < 1_000
    assert len(set(emails)) == len(emails)


@pytest.mark.parametrize("household", [0, -1, HOUSEHOLD_MAX + 1])
def test_a_household_out_of_bounds_is_refused(household):
    """Beyond the numbers of fiction there is nobody to make up."""
    with pytest.raises(ValueError, match="household"):
        member_of(household)


def test_a_registration_is_read_by_intake():
    """Month and day of birth are known before the first sale."""
    member = member_of(7)
    digester = Digester(b"key", "US")
    codec = committed()
    event = member_from(codec, member_bytes(codec, registration(member)), digester=digester)

    born = date.fromisoformat(member.born)
    assert (event.kind, event.account, event.at) == ("register", "m7", OPENED_AT)
    assert event.facts.born == Born(born.month, born.day, OPENED_AT)
    assert digester.digest("card", card_of(7)) in event.identifiers
    assert digester.digest("phone", member.phone) in event.identifiers
