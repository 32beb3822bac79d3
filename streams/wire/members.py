"""
What the CRM tells of a member, made into digests, facts and a change of status.

Names, numbers and addresses end here.  Of the birth date, month and day go on.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Literal, get_args

from msgspec import Struct

from schemas.codec import Codec
from streams.core.account import Born
from streams.core.receipt import EpochMs, Identifier
from streams.identifiers import Digester, IdentifierError
from streams.wire.attributes import attributes_of
from streams.wire.errors import MalformedError
from streams.wire.messages import Consent, MemberFacts
from streams.wire.receipts import ID_LENGTH_MAX, LISTED_MAX

Kind = Literal["register", "update", "replace_card", "block", "unblock", "close", "erase"]
KINDS: tuple[str, ...] = get_args(Kind)
STATUSES: Mapping[str, str] = {
    "block": "blocked",
    "unblock": "open",
    "close": "closed",
    "erase": "erased",
}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


class MemberEvent(Struct, frozen=True):
    """
    One event of a member, without what names a person.

    Attributes:
        identifiers: Digests that name the member from now on: cards, phone, e-mail.
        replaced: Digests of cards that no longer do.
        facts: What decisions may use.
        status: The status that the event asks for, or None.
    """

    id: str
    kind: Kind
    account: str
    at: EpochMs
    identifiers: tuple[Identifier, ...] = ()
    replaced: tuple[Identifier, ...] = ()
    facts: MemberFacts = MemberFacts()
    status: str | None = None
    actor: str | None = None
    reason: str | None = None


def member_from(codec: Codec, data: bytes | None, *, digester: Digester) -> MemberEvent:
    """
    Read the value of a record of the members topic.

    Raises:
        CodecError: If the bytes are no member event.
        MalformedError: If they are one whose form is wrong; with its id if that is sound.
    """
    plain = codec.decode(data, "Member")
    event = plain["id"]
    if not _sound(event):
        raise MalformedError(f"id: 1 to {ID_LENGTH_MAX} printable characters")
    try:
        return _event(plain, digester)
    except MalformedError as malformed:
        malformed.document = event
        raise


def member_bytes(codec: Codec, member: Mapping[str, Any]) -> bytes:
    """
    Write a member event: the fields of `Member.1.avsc`, those with a default optional.

    Raises:
        CodecError: UNENCODABLE, naming the field, or TOO_LARGE.
    """
    return codec.encode("Member", member)


def _event(plain: Mapping[str, Any], digester: Digester) -> MemberEvent:
    kind, account = plain["kind"], plain["account"]
    if kind not in KINDS:
        raise MalformedError(f"kind: none of {', '.join(KINDS)}")
    # An account that begins with ~ is the home of a digest, and # marks a part.
    if not _sound(account) or "~" in account or "#" in account:
        raise MalformedError(f"account: 1 to {ID_LENGTH_MAX} printable characters without # and ~")
    if len(plain["cards"]) + len(plain["replaced_cards"]) > LISTED_MAX:
        raise MalformedError(f"cards: more than {LISTED_MAX}")
    named = [("card", card) for card in plain["cards"]]
    named += [(kind, plain[kind]) for kind in ("phone", "email") if plain[kind] is not None]
    replaced = [("card", card) for card in plain["replaced_cards"]]
    return MemberEvent(
        id=plain["id"],
        kind=kind,
        account=account,
        at=plain["at"],
        identifiers=_digests(named, digester),
        replaced=_digests(replaced, digester),
        facts=_facts(plain),
        status=STATUSES.get(kind),
        actor=plain["actor"],
        reason=plain["reason"],
    )


def _facts(plain: Mapping[str, Any]) -> MemberFacts:
    consents, segments, attributes = plain["consents"], plain["segments"], plain["attributes"]
    registered_at = plain["registered_at"]
    if registered_at is None and plain["kind"] == "register":
        registered_at = plain["at"]
    return MemberFacts(
        person=plain["person"],
        born=None if plain["born"] is None else _born(plain["born"], known_at=plain["at"]),
        segments=None if segments is None else tuple(segments),
        attributes=None if attributes is None else attributes_of(attributes),
        language=plain["language"],
        consents=None if consents is None else tuple(Consent(**each) for each in consents),
        registered_at=registered_at,
    )


def _born(text: str, *, known_at: EpochMs) -> Born:
    if not _DATE.fullmatch(text):
        raise MalformedError("born: a date is written YYYY-MM-DD")
    try:
        born = date.fromisoformat(text)
    except ValueError:
        raise MalformedError("born: no such day") from None
    return Born(born.month, born.day, known_at)


def _digests(named: Sequence[tuple[str, str]], digester: Digester) -> tuple[Identifier, ...]:
    try:
        return tuple(digester.digest(kind, value) for kind, value in named)
    except IdentifierError as wrong:
        raise MalformedError(f"cards, phone, email: {wrong}") from None


def _sound(word: str) -> bool:
    return 0 < len(word) <= ID_LENGTH_MAX and word.isprintable()
