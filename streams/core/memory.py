"""
What an account keeps of a receipt: ledger.md §6.

Later documents ask for it: tiers for net money, returns without a receipt for recent
sales, the front for holds that are posted now.  What nothing can ask for any more is dropped.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from streams.core.account import Account, CommittedHold, RecentSale
from streams.core.book import Book
from streams.core.calendar import DAY_MS
from streams.core.qualifying import with_return, with_sale
from streams.core.receipt import EpochMs, Money, Receipt
from streams.core.settled import SettledLine, SettledReceipt


def remember(
    book: Book,
    receipt: Receipt,
    lines: tuple[SettledLine, ...],
    *,
    back: Mapping[str, Money],
    originals: Mapping[str, SettledReceipt],
) -> Account:
    """
    Note *receipt* in the account of *book*.

    Args:
        book: Opened for the receipt.
        receipt: The document.
        lines: What it sold.
        back: Net money that came back, by original.
        originals: The settled records of those.
    """
    account, policy = book.account, book.policy
    qualifying = account.qualifying
    for name, net in back.items():
        original = originals[name]
        qualifying = with_return(
            qualifying,
            receipt=name,
            sold_at=original.sold_at,
            origin=original.origin or book.origin,
            at=receipt.sold_at,
            net=net,
            zone=policy.zone,
        )
    recent, purchases = account.recent, account.purchases
    if lines:
        net = sum([each.net + each.gift if policy.gift_earns else each.net for each in lines])
        qualifying = with_sale(
            qualifying, receipt=receipt.id, sold_at=receipt.sold_at, net=net, origin=book.origin
        )
        recent = _with_sale(recent, receipt, book)
        purchases += 1
    holds = account.holds
    if receipt.hold_id is not None:
        holds = _with_hold(holds, receipt.hold_id, receipt.sold_at, book)
    return replace(account, qualifying=qualifying, recent=recent, purchases=purchases, holds=holds)


def _with_sale(
    recent: tuple[RecentSale, ...], receipt: Receipt, book: Book
) -> tuple[RecentSale, ...]:
    """Add a sale; drop those that no return without a receipt can be of any more."""
    policy = book.policy
    oldest = book.mark - (policy.no_receipt_days + 2 * policy.max_late_days) * DAY_MS
    kept = [each for each in recent if each.sold_at >= oldest]
    return (*kept, RecentSale(receipt.sold_at, receipt.id))


def _with_hold(
    holds: tuple[CommittedHold, ...], hold_id: str, at: EpochMs, book: Book
) -> tuple[CommittedHold, ...]:
    """Add a hold that is posted; drop those whose posting every front has long seen."""
    oldest = book.mark - 2 * book.policy.max_late_days * DAY_MS
    return (*(each for each in holds if each.at >= oldest), CommittedHold(hold_id, at))
