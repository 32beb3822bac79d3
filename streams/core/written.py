"""The last tie: how claims are written."""

from collections.abc import Sequence

from streams.core.accrual_claims import Choice
from streams.core.combination import Claim, Unit
from streams.core.task import Solution

Pieces = tuple[tuple[int, int], ...]  # Line and number of each.
WrittenClaim = tuple[int, str, Pieces, Pieces]
Written = tuple[WrittenClaim, ...]
AllWritten = tuple[tuple[object, ...], ...]


def comes_before(one: Solution, other: Solution, units: Sequence[Unit]) -> bool:
    """Tell whether *one* comes before *other* in the same order of lanes."""
    if one.merit != other.merit:
        return one.merit > other.merit
    mine = all_written(one.claims, one.accrual, units)
    return mine < all_written(other.claims, other.accrual, units)


def may_come_before(one: Solution, other: Solution, units: Sequence[Unit]) -> bool:
    """Tell whether *one* could come before *other*, as good, if its pieces had other numbers."""
    least = sorted([_least_written(claim, units) for claim in one.claims])
    mine = *[(0, *each) for each in least], *_last(one.accrual)
    return mine < all_written(other.claims, other.accrual, units)


def all_written(claims: Sequence[Claim], accrual: Choice, units: Sequence[Unit]) -> AllWritten:
    """
    Write all claims as the last tie compares them: one list, accrual lanes after the others.

    Of equally many claims, more discounts come before fewer that begin alike.
    """
    return *[(0, *each) for each in written(claims, units)], *_last(accrual)


def _last(accrual: Choice) -> AllWritten:
    return tuple([(1, *each) for each in accrual.written])


def written(claims: Sequence[Claim], units: Sequence[Unit]) -> Written:
    """Write discount claims as the last tie compares them: sorted, pieces as (line, piece)."""
    return tuple(sorted(_written_one(claim, units) for claim in claims))


def _written_one(claim: Claim, units: Sequence[Unit]) -> WrittenClaim:
    """Write a claim."""
    offer = claim.offer
    return offer.lane, offer.id, _pieces(claim.units, units), _pieces(claim.group, units)


def _pieces(own: Sequence[int], units: Sequence[Unit]) -> Pieces:
    """Write units, which come in order of their lines and pieces."""
    return tuple([(units[u].line, piece) for u in own for piece in units[u].pieces])


def _least_written(claim: Claim, units: Sequence[Unit]) -> WrittenClaim:
    """Write a claim as if no other had the first pieces of its lines."""
    pieces, group = _first_pieces(claim.units, units), _first_pieces(claim.group, units)
    return claim.offer.lane, claim.offer.id, pieces, group


def _first_pieces(own: Sequence[int], units: Sequence[Unit]) -> Pieces:
    found = []
    line = piece = -1
    for u in own:
        unit = units[u]
        if unit.line != line:
            line, piece = unit.line, 0
        for _ in unit.pieces:
            found.append((line, piece))
            piece += 1
    return tuple(found)
