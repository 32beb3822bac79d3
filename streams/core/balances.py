"""An account's balances at its mark: ledger.md §6."""

from streams.core.account import Account
from streams.core.result import Balance


def balances(account: Account) -> tuple[Balance, ...]:
    """
    Sum the lots and debts of *account* at its mark, by currency in order of name.

    A currency is listed once the account has had a lot or has a debt of it.
    """
    mark = account.mark or 0
    sums: dict[str, list[int]] = {}
    for lot in account.lots:
        active_pending_held = sums.get(lot.currency)
        if active_pending_held is None:
            active_pending_held = sums[lot.currency] = [0, 0, 0]
        if not lot.remaining or (lot.expires_at is not None and lot.expires_at <= mark):
            continue
        if lot.closed_at is not None and lot.closed_at <= mark:
            continue
        active_pending_held[2 if lot.held else lot.active_from > mark] += lot.remaining
    owed: dict[str, int] = {}
    for debt in account.debts:
        owed[debt.currency] = owed.get(debt.currency, 0) + debt.points
        sums.setdefault(debt.currency, [0, 0, 0])
    usable = account.status == "open"
    return tuple(
        Balance(
            currency,
            active,
            pending,
            held,
            owed.get(currency, 0),
            max(0, active - owed.get(currency, 0)) if usable else 0,
        )
        for currency, (active, pending, held) in sorted(sums.items())
    )
