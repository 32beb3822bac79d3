"""Why a document is refused: ledger.md §2, codes in their order, first match wins.

The form of a receipt is checked where it arrives, what it gives back where the
originals are.  A refusal is a value; a refused document posts nothing and
leaves the mark.
"""

from streams.core.calendar import DAY_MS, LATEST, MINUTE_MS
from streams.core.policy import DocumentKind, LedgerPolicy
from streams.core.receipt import Receipt, ReturnLine, SaleLine

LARGEST = 10**15  # Sums of thousands of such amounts still fit a signed 64-bit integer's digits.

RECEIPT_CODES = (
    "MALFORMED",
    "SOURCE_FORBIDDEN",
    "CONFLICT",
    "VALUE_RANGE",
    "LINE_DUPLICATE",
    "TOTALS_MISMATCH",
    "FUTURE_DATED",
    "TOO_OLD",
    "ORIGINAL_UNKNOWN",
    "VOID_HAS_RETURNS",
    "VOID_REPEATED",
    "RETURN_UNKNOWN_LINE",
    "RETURN_MISMATCH",
    "RETURN_EXCEEDS",
    "RETURN_NO_RECEIPT",
)
ADJUSTMENT_CODES = ("VALUE_RANGE", "ACTOR_REQUIRED", "APPROVAL_REQUIRED", "INSUFFICIENT")
MEMBER_CODES = ("MERGE_SELF", "NOT_MERGED", "STATUS_FINAL")


def source_refusal(receipt: Receipt, policy: LedgerPolicy) -> str | None:
    """
    Give SOURCE_FORBIDDEN where the channel of *receipt* may not send such a document.

    It is asked before the id is looked up: whoever may not send a document can't use up
    the id of one either.
    """
    if policy.sources is None or kind_of(receipt) in policy.sources.get(receipt.channel, ()):
        return None
    return "SOURCE_FORBIDDEN"


def kind_of(receipt: Receipt) -> DocumentKind:
    """Tell what *receipt* is by what it holds."""
    if receipt.void_of is not None:
        return "void"
    if receipt.returns:
        return "exchange" if receipt.sales else "return"
    return "sale"


def form_refusal(receipt: Receipt, policy: LedgerPolicy) -> str | None:
    """
    Give the first code that the form of *receipt* earns, or None.

    These are the codes that need nothing but the document: VALUE_RANGE to TOO_OLD.
    """
    if _out_of_range(receipt):
        return "VALUE_RANGE"
    lines: tuple[SaleLine | ReturnLine, ...] = (*receipt.sales, *receipt.returns)
    if len({line.n for line in lines}) != len(lines):
        return "LINE_DUPLICATE"
    if _totals_mismatch(receipt, policy):
        return "TOTALS_MISMATCH"
    if receipt.sold_at > receipt.accepted_at + policy.skew_minutes * MINUTE_MS:
        return "FUTURE_DATED"
    if receipt.accepted_at - receipt.sold_at > policy.max_late_days * DAY_MS:
        return "TOO_OLD"
    return None


def _out_of_range(receipt: Receipt) -> bool:
    if not receipt.sales and not receipt.returns and receipt.void_of is None:
        return True
    instants = (receipt.sold_at, receipt.accepted_at, receipt.held_at or 0)
    if min(instants) < 0 or max(instants) > LATEST:
        return True
    if not 0 <= receipt.gift_card <= LARGEST:
        return True
    if any(not 1 <= line.qty <= LARGEST for line in receipt.returns):
        return True
    return any(_line_out_of_range(line) for line in receipt.sales)


def _line_out_of_range(line: SaleLine) -> bool:
    if not 1 <= line.qty <= LARGEST or not 0 <= line.amount <= LARGEST:
        return True
    if line.list is not None and not 0 <= line.list <= LARGEST:
        return True
    return any(not 0 <= each.amount <= LARGEST for each in line.discounts) or any(
        not 1 <= each.points <= LARGEST for each in line.redeem
    )


def _totals_mismatch(receipt: Receipt, policy: LedgerPolicy) -> bool:
    due = 0
    for line in receipt.sales:
        listed = line.amount if line.list is None else line.list
        if listed - sum(each.amount for each in line.discounts) != line.amount:
            return True
        paid = line.amount - covered(line, policy)
        if paid < 0:
            return True
        due += paid
    return receipt.gift_card > due


def covered(line: SaleLine, policy: LedgerPolicy) -> int:
    """Give the money that the points of *line* cover; other currencies cover none."""
    if not line.redeem:
        return 0
    points = sum(each.points for each in line.redeem if each.currency == policy.currency)
    return points * policy.point_value
