"""
Identifiers of members, normalised and replaced by keyed digests.

A card, a phone number or an e-mail is written in many ways and names one member: it is
brought into one form first, then hidden behind HMAC-SHA256.  The digest needs the key,
so that nobody can find a phone number by trying them all.  Nothing after intake sees
the identifier itself.
"""

import hmac
import re
import unicodedata
from functools import lru_cache

import phonenumbers
from msgspec import Struct

from streams.core.receipt import Identifier

KINDS = ("card", "phone", "email")
# The longest e-mail address that can be delivered to.  Bounded before normalising,
# which a long run of combining marks would slow down.
LENGTH_MAX = 254
# Members shop again within the hours that this many identifiers are seen in; parsing a
# phone number costs as much as the rest of a receipt.
REMEMBERED = 65_536

_SEPARATORS = re.compile(r"[\s\-‐-―./()]+")
# Between 13 and 19 digits, in groups or not, no digit around them.
_CARD_SIZED = re.compile(r"(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)")
# First digits that payment networks use; a loyalty card or an article number has others.
_NETWORKS = re.compile(r"3[04578]|4|5[0-8]|2[2-7]|6")


class IdentifierError(ValueError):
    """What the till read is no identifier; the message doesn't repeat it."""


class Digester(Struct, frozen=True):
    """
    The one way from an identifier to its digest, for a chain.

    Attributes:
        key: Secret of the chain; another key gives other accounts.
        region: Of phone numbers without a country code, ISO 3166: RU, US…
    """

    key: bytes
    region: str

    def digest(self, kind: str, value: str) -> Identifier:
        """
        Replace an identifier by its keyed digest, 64 hex digits.

        A phone number that is none is kept by its digits: nobody will own it, and what
        it earned can still be found.

        Raises:
            IdentifierError: If *kind* is unknown, or *value* is empty, too long, or all
                separators.
        """
        return _digest(self.key, self.region, kind, value)


@lru_cache(maxsize=REMEMBERED)
def _digest(key: bytes, region: str, kind: str, value: str) -> Identifier:
    if len(value) > LENGTH_MAX:
        raise IdentifierError(f"longer than {LENGTH_MAX} characters")
    plain = unicodedata.normalize("NFKC", value).strip()
    if kind == "card":
        form = _SEPARATORS.sub("", plain).upper()
    elif kind == "phone":
        form = _phone(plain, region)
    elif kind == "email":
        form = plain.casefold()
    else:
        raise IdentifierError("its kind is none of card, phone, email")
    if not form:
        raise IdentifierError("empty")
    digest = hmac.digest(key, f"{kind}\x1f{form}".encode("utf-8", "surrogatepass"), "sha256")
    return Identifier(kind, digest.hex())  # type: ignore[arg-type]  # one of KINDS by now


def _phone(plain: str, region: str) -> str:
    try:
        number = phonenumbers.parse(plain, region)
    except phonenumbers.NumberParseException:
        return "".join(each for each in plain if each.isdigit())
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def names_payment_card(text: str) -> bool:
    """
    Tell whether *text* holds what looks like the number of a payment card.

    That is 13 to 19 digits, grouped by blanks or hyphens or not, that begin as a payment
    network's numbers do and pass the Luhn check.
    """
    if len(text) < 13:  # noqa: PLR2004 -- the least digits of such a number
        return False
    for found in _CARD_SIZED.finditer(text):
        digits = found.group().replace(" ", "").replace("-", "")
        if _NETWORKS.match(digits) and _luhn(digits):
            return True
    return False


def _luhn(digits: str) -> bool:
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + index % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 -- the sum of two digits
    return total % 10 == 0
