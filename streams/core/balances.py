"""An account's balances at its mark: ledger.md §6."""

from streams.core.account import Account
from streams.core.purse import Purse
from streams.core.receipt import Points
from streams.core.result import Balance


def balances(account: Account) -> tuple[Balance, ...]:
    """
    Sum the lots and debts of *account* at its mark, by currency in order of name.

    A currency is listed once the account has had a lot or has a debt of it.
    """
    sums = dict(Purse.of(account.lots).sums(account.mark or 0))
    owed: dict[str, Points] = {}
    for debt in account.debts:
        owed[debt.currency] = owed.get(debt.currency, 0) + debt.points
        sums.setdefault(debt.currency, (0, 0, 0))
    usable = account.status == "open"
    return tuple(
        [
            Balance(
                currency,
                active,
                pending,
                held,
                owed.get(currency, 0),
                max(0, active - owed.get(currency, 0)) if usable else 0,
            )
            for currency, (active, pending, held) in sorted(sums.items())
        ]
    )
