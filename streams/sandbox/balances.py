"""What every account holds at the end of a replay, as a file for a spreadsheet."""

import csv
from collections.abc import Mapping
from pathlib import Path

from streams.core.receipt import EpochMs
from streams.core.snapshot import Snapshot
from streams.reading.log import Position
from streams.reading.member import Member

COLUMNS = ("account", "household", "currency", "active", "pending", "debt")
NOWHERE = Position("", 0, 0)


def write_balances(
    path: Path, snapshots: Mapping[str, Snapshot], households: Mapping[str, int], *, at: EpochMs
) -> int:
    """
    Write the balances of all published accounts as of one instant; give how many rows.

    Rows come in order of account and currency.  An account that no member of
    *households* has, such as that of an unregistered card, has no household.  Lots
    that ended by *at* count no more, whether or not the ledger has touched them since.

    Raises:
        OSError: If *path* cannot be written.
    """
    rows = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for account in sorted(snapshots):
            for balance in Member(snapshots[account], NOWHERE).balances(at):
                household = households.get(account, "")
                writer.writerow(
                    (
                        account,
                        household,
                        balance.currency,
                        balance.active,
                        balance.pending,
                        balance.debt,
                    )
                )
                rows += 1
    return rows
