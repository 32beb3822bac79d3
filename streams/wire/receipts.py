"""
The receipt as a till writes it, made into the core's receipt.

Here the till's document loses all that names a person: identifiers become keyed
digests, and a payment card's number is dropped where it may stray to (tenders and
coupon codes) and refused everywhere else.  Here its form is checked, once; what its
figures mean is the core's business, which has its own refusals for them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from schemas.codec import Codec
from streams.core.receipt import (
    EpochMs,
    Identifier,
    LineDiscount,
    Original,
    Receipt,
    RedeemRequest,
    ReturnLine,
    SaleLine,
)
from streams.identifiers import Digester, IdentifierError, names_payment_card
from streams.wire.errors import CardDataError, MalformedError

# As long as any till's ids are; more would only make keys and tables larger.
ID_LENGTH_MAX = 128
# Twice what the largest shop of the real data set sells in a month of one household.
LINES_MAX = 10_000
LISTED_MAX = 100
# A part k of a split document is <id>#k, an unregistered member's account is ~<digest>:
# a till's id that looks like one could be taken for it.
RESERVED = ("#", "~")


def receipt_from(
    codec: Codec, data: bytes | None, *, accepted_at: EpochMs, digester: Digester
) -> Receipt:
    """
    Read the value of a record of the receipts topic.

    Args:
        codec: Of the registry's ids.
        data: The value.
        accepted_at: The record's Kafka timestamp.
        digester: Hides the identifiers.

    Raises:
        CodecError: If the bytes are no receipt.
        MalformedError: If they are one whose form is wrong; with its id if that is sound.
    """
    plain = codec.decode(data, "Receipt")
    document = plain["id"]
    if not _sound_id(document):
        raise MalformedError(f"id: 1 to {ID_LENGTH_MAX} printable characters without # and ~")
    try:
        return _receipt(plain, accepted_at, digester)
    except MalformedError as malformed:
        malformed.document = document
        raise


def receipt_bytes(codec: Codec, receipt: Mapping[str, Any]) -> bytes:
    """
    Write a till's document: the fields of `Receipt.1.avsc`, those with a default optional.

    Raises:
        CodecError: UNENCODABLE, naming the field, or TOO_LARGE.
    """
    return codec.encode("Receipt", receipt)


def _receipt(plain: Mapping[str, Any], accepted_at: EpochMs, digester: Digester) -> Receipt:
    _check(plain)
    sales: list[SaleLine] = []
    returns: list[ReturnLine] = []
    for line in plain["lines"]:
        if line["kind"] == "sale":
            sales.append(_sale(line))
        else:
            returns.append(_return(line))
    return Receipt(
        id=plain["id"],
        store=plain["store"],
        till=plain["till"],
        sold_at=plain["sold_at"],
        accepted_at=accepted_at,
        sales=tuple(sales),
        returns=tuple(returns),
        offline=plain["offline"],
        identifiers=_identifiers(plain["identifiers"], digester),
        hold_id=plain["hold_id"],
        quote_id=plain["quote_id"],
        codes=_without_card_data(plain["codes"]),
        gift_card=plain["gift_card"],
        void_of=plain["void_of"],
        payments=_without_card_data([each["tender"] for each in plain["payments"]]),
        channel=plain["channel"],
    )


def _check(plain: Mapping[str, Any]) -> None:
    """Refuse a form that no later stage could make sense of."""
    for name in ("store", "till", "channel"):
        _check_word(name, plain[name])
    for name in ("hold_id", "quote_id", "void_of"):
        if plain[name] is not None:
            _check_word(name, plain[name])
    for name in ("identifiers", "codes", "payments"):
        if len(plain[name]) > LISTED_MAX:
            raise MalformedError(f"{name}: more than {LISTED_MAX}")
    if len(plain["lines"]) > LINES_MAX:
        raise MalformedError(f"lines: more than {LINES_MAX}")
    if plain["void_of"] is not None and plain["lines"]:
        raise MalformedError("void_of: a void has no lines of its own")
    # The id of a receipt and of its products may be any digits: an article number has as
    # many as a payment card, and one in ten of them passes the same check.
    for name in ("till", "channel", "hold_id", "quote_id"):
        if plain[name] is not None and names_payment_card(plain[name]):
            raise CardDataError(f"{name} holds the number of a payment card")


def _sale(line: Mapping[str, Any]) -> SaleLine:
    if line["of"] is not None:
        raise MalformedError("lines.of: a sale line gives nothing back")
    _check_word("lines.sku", line["sku"])
    for name in ("discounts", "redeem"):
        if len(line[name]) > LISTED_MAX:
            raise MalformedError(f"lines.{name}: more than {LISTED_MAX}")
    return SaleLine(
        n=line["n"],
        sku=line["sku"],
        qty=line["qty"],
        amount=line["amount"],
        list=line["list"],
        discounts=tuple([_discount(each) for each in line["discounts"]]),
        redeem=tuple([_redeem(each) for each in line["redeem"]]),
    )


def _discount(plain: Mapping[str, Any]) -> LineDiscount:
    _check_word("lines.discounts.campaign", plain["campaign"])
    return LineDiscount(plain["campaign"], plain["version"], plain["amount"])


def _redeem(plain: Mapping[str, Any]) -> RedeemRequest:
    _check_word("lines.redeem.currency", plain["currency"])
    if plain["lot"] is not None:
        _check_word("lines.redeem.lot", plain["lot"])
    return RedeemRequest(plain["points"], plain["lot"], plain["currency"])


def _return(line: Mapping[str, Any]) -> ReturnLine:
    if line["kind"] != "return":
        raise MalformedError("lines.kind: neither sale nor return")
    if line["amount"] or line["list"] or line["discounts"] or line["redeem"]:
        raise MalformedError("lines.amount: a return line has no figures but its quantity")
    _check_word("lines.sku", line["sku"])
    original = line["of"]
    if original is None:
        of = None
    else:
        _check_word("lines.of.receipt", original["receipt"])
        of = Original(original["receipt"], original["line"])
    return ReturnLine(line["n"], line["sku"], line["qty"], of)


def _identifiers(plain: Sequence[Mapping[str, Any]], digester: Digester) -> tuple[Identifier, ...]:
    try:
        return tuple(digester.digest(each["kind"], each["value"]) for each in plain)
    except IdentifierError as wrong:
        raise MalformedError(f"identifiers: {wrong}") from None


def _without_card_data(words: Sequence[str]) -> tuple[str, ...]:
    """Keep the words that are no payment card's number, and check their form."""
    kept = tuple(word for word in words if not names_payment_card(word))
    for word in kept:
        _check_word("codes and payments", word)
    return kept


def _check_word(name: str, word: str) -> None:
    if not 0 < len(word) <= ID_LENGTH_MAX or not word.isprintable():
        raise MalformedError(f"{name}: 1 to {ID_LENGTH_MAX} printable characters")


def _sound_id(document: str) -> bool:
    return (
        0 < len(document) <= ID_LENGTH_MAX
        and document.isprintable()
        and not any(mark in document for mark in RESERVED)
    )
