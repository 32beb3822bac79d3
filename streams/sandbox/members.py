"""
The members of a sandbox shop: one a household, made up from its number alone.

Nobody real is meant: phone numbers are the 555-01xx that are kept for fiction, e-mail
addresses are of example.com, and a card has a prefix that no payment network uses and
a last digit that fails their check.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

from msgspec import Struct

# Midnight of 1 October 2016 in New York: before the first sale of the real data set by
# more than the 30 days that a birthday has to be known.  Reference data holds from here.
OPENED_AT = 1_475_294_400_000
# Each has a hundred numbers of fiction; all are of the zone of the shop or near it.
AREA_CODES = (
    *("201", "202", "203", "207", "212", "215", "216", "240", "301", "302", "304", "305", "315"),
    *("317", "321", "330", "336", "352", "386", "401", "404", "407", "410", "412", "413", "419"),
    *("434", "440", "443", "478", "484", "508", "513", "516", "518", "540", "561", "570", "585"),
    *("603", "607", "609", "610", "614", "617", "631", "646", "678", "704", "706", "716", "717"),
)
NUMBERS_PER_AREA = 100
HOUSEHOLD_MAX = len(AREA_CODES) * NUMBERS_PER_AREA
CARD_PREFIX = "980"
GIVEN_NAMES = (
    *("Ada", "Ben", "Cora", "Dan", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jack", "Kira"),
    *("Liam", "Mona", "Noah", "Olga", "Pete", "Quinn", "Rosa", "Sam", "Tess", "Uma", "Vera"),
    *("Wes", "Xenia", "Yusuf", "Zoe"),
)
FAMILY_NAMES = (
    *("Abbott", "Baker", "Castillo", "Dixon", "Ellis", "Foster", "Garcia", "Hayes", "Irwin"),
    *("Jensen", "Kim", "Lopez", "Miller", "Nguyen", "Owens", "Patel", "Quist", "Reyes", "Smith"),
    *("Turner", "Underwood", "Vance", "Walker", "Xu", "Young", "Zimmer"),
)
BORN_FIRST = date(1940, 1, 1)
BORN_DAYS = 22_000  # To March 2000: every member is of age.


class Member(Struct, frozen=True):
    """
    A member as the CRM knows it.

    Attributes:
        account: Opaque account id.
        phone: In international form, unique.
        card: Unique; 13 digits.
        email: A third of the members gave one.
        born: YYYY-MM-DD.
    """

    household: int
    account: str
    name: str
    phone: str
    card: str
    email: str | None
    born: str


def member_of(household: int) -> Member:
    """
    Make up the member of a household; the same number gives the same member.

    Args:
        household: 1 to HOUSEHOLD_MAX.

    Raises:
        ValueError: If *household* is out of bounds.
    """
    if not 1 <= household <= HOUSEHOLD_MAX:
        raise ValueError(f"household {household}: 1 to {HOUSEHOLD_MAX}")
    dice = sha256(f"household {household}".encode()).digest()
    given = GIVEN_NAMES[dice[0] % len(GIVEN_NAMES)]
    family = FAMILY_NAMES[dice[1] % len(FAMILY_NAMES)]
    area, number = divmod(household - 1, NUMBERS_PER_AREA)
    born = BORN_FIRST + timedelta(days=int.from_bytes(dice[2:4]) % BORN_DAYS)
    email = f"{given}.{family}.{household}@example.com".lower() if dice[4] % 3 == 0 else None
    return Member(
        household=household,
        account=f"m{household}",
        name=f"{given} {family}",
        phone=f"+1{AREA_CODES[area]}55501{number:02d}",
        card=card_of(household),
        email=email,
        born=born.isoformat(),
    )


def card_of(household: int) -> str:
    """Give the household's card: 13 digits that no payment network would accept."""
    body = f"{CARD_PREFIX}{household:09d}"
    return f"{body}{(_check_digit(body) + 5) % 10}"


def registration(member: Member, at_ms: int = OPENED_AT) -> dict[str, Any]:
    """Write the event of joining as the fields of `Member.1.avsc`, for `wire.member_bytes`."""
    return {
        "id": f"register-{member.account}",
        "kind": "register",
        "account": member.account,
        "at": at_ms,
        "name": member.name,
        "phone": member.phone,
        "email": member.email,
        "cards": [member.card],
        "born": member.born,
        "language": "en",
        "consents": [
            {"channel": "sms", "purpose": "service", "given": True, "at": at_ms},
            {
                "channel": "sms",
                "purpose": "marketing",
                "given": member.household % 4 != 0,
                "at": at_ms,
            },
        ],
        "registered_at": at_ms,
    }


def members_of(households: Iterator[int] | tuple[int, ...]) -> tuple[Member, ...]:
    """Make up the members of *households*, in their order."""
    return tuple(member_of(household) for household in households)


def _check_digit(body: str) -> int:
    """Give the digit that would make *body* pass the Luhn check."""
    total = 0
    for index, digit in enumerate(reversed(body)):
        doubled = int(digit) * (2 if index % 2 == 0 else 1)
        total += sum(divmod(doubled, 10))
    return -total % 10
