"""Exact division of money and points: ledger.md §1.

Everything is integers; every function loses nothing and gives the same answer
to the same question for ever, because a return recomputes the shares of a sale.
"""

from collections.abc import Sequence


def half_up(numerator: int, denominator: int) -> int:
    """Divide and round, a half going up; *denominator* is above 0."""
    return (2 * numerator + denominator) // (2 * denominator)


def cum(part: int, quantity: int, whole: int) -> int:
    """
    Give the share of *part* that falls to the first *quantity* of *whole*.

    It rises with *quantity*, is 0 at 0 and *part* at *whole*; *whole* is above 0.
    """
    return (2 * part * quantity + whole) // (2 * whole)


def spread(total: int, weights: Sequence[int]) -> tuple[int, ...]:
    """
    Divide *total* in proportion to *weights* by largest remainder (`LR`).

    Each share is rounded down; the units left go one each to the greatest
    remainders, and to the lowest position on a tie.  Zero weights get nothing.

    Args:
        total: Whole units, at least 0.
        weights: At least 0 each; all 0 only where *total* is 0.

    Raises:
        ValueError: If *total* or a weight is negative, or there is nothing to divide over.
    """
    if len(weights) == 1 and total >= 0 and weights[0] > 0:
        return (total,)
    whole = sum(weights)
    if whole == 0 and total == 0:
        return (0,) * len(weights)
    if total < 0 or whole == 0 or min(weights) < 0:
        raise ValueError(f"cannot spread {total} over {list(weights)}")

    parts = [total * weight for weight in weights]
    shares = [part // whole for part in parts]
    left = total - sum(shares)
    if left:
        # A unit left has a remainder above 0 to go to, so a zero weight never gets one.
        remainders = [part % whole for part in parts]
        if left == 1:
            shares[remainders.index(max(remainders))] += 1
            return tuple(shares)
        # Sorting keeps equal ones in their order, also when it is the greatest first.
        for each in sorted(range(len(parts)), key=remainders.__getitem__, reverse=True)[:left]:
            shares[each] += 1
    return tuple(shares)
