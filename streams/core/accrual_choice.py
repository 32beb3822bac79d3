"""The best accrual claims on given nets: promotions.md §4.

Nets are given: after the discounts, or the cash left after a redemption, or
the printed nets of a sold receipt.  What remains to choose is which campaign
claims which line in each accrual lane.

Most receipts need no search.  Campaigns that don't meet are chosen apart, conflicts are
resolved by solving each largest set without a conflict, and a table tells who takes which
line (`accrual_table`).  Only what the table can't say is searched (`accrual_search`), within
a budget of nodes.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

from streams.core.accrual_claims import NO_CHOICE, Choice, Earner, at_odds, better
from streams.core.accrual_search import Search
from streams.core.accrual_table import plain_choice

NODES_MOST: Final = 5_000  # promotions.md §4: when spent, the best found so far stands.
SETS_MOST: Final = 64  # Largest conflict-free sets of campaigns; more go to the search.


def choose(earners: Sequence[Earner], bases: Sequence[int], *, nodes: int = NODES_MOST) -> Choice:
    """
    Choose the claims of the largest objective, ties as promotions.md §4 orders them.

    Args:
        earners: The campaigns that can apply; an id occurs once.
        bases: Earning base of every line, at least 0.
        nodes: Budget of the search, where a search is needed.
    """
    able = [each for each in earners if each.lines and each.limit != 0 and each.points > 0]
    if sum(each.block for each in able) > 1:
        able = _undominated(able, bases)
    if not able:
        return NO_CHOICE
    sets = list(_conflict_free(able))
    if len(sets) == 1 and not any(each.items for each in able):
        groups = _apart(able)
        if len(groups) > 1:
            return _joined([choose(group, bases, nodes=nodes) for group in groups])
    best: Choice | None = None
    for members in sets[: SETS_MOST + 1]:
        found = plain_choice(members, bases) if len(sets) <= SETS_MOST else None
        if found is None:
            return Search(able, bases, nodes).run()
        if best is None or better(found, best):
            best = found
    return best or NO_CHOICE


def _apart(earners: list[Earner]) -> list[list[Earner]]:
    """
    Group campaigns without conflicts, so that none gets in the way of one of another group.

    Two meet on a line of one lane, or where one multiplies what the other pays.
    """
    times = {each.currency for each in earners if each.kind == "times" and each.lane}
    group = list(range(len(earners)))
    first: dict[tuple[int | str, int], int] = {}

    def root(at: int) -> int:
        while group[at] != at:
            at = group[at]
        return at

    for at, earner in enumerate(earners):
        places: list[int | str] = [earner.lane]
        if earner.currency in times and (earner.lane == 0 or earner.kind == "times"):
            places.append(earner.currency)
        for place in places:
            for line in earner.lines:
                group[root(at)] = root(first.setdefault((place, line), at))
    found: dict[int, list[Earner]] = {}
    for at, earner in enumerate(earners):
        found.setdefault(root(at), []).append(earner)
    return list(found.values())


def _joined(choices: Sequence[Choice]) -> Choice:
    """Put the choices of groups that are apart together: objective and ties are sums."""
    claims = [claim for choice in choices for claim in choice.claims]
    return Choice(
        sum((choice.worth for choice in choices), Fraction(0)),
        tuple(sorted(claims, key=lambda claim: (claim[0].lane, claim[0].id))),
        all(choice.proven for choice in choices),
    )


def _undominated(earners: list[Earner], bases: Sequence[int]) -> list[Earner]:
    """Of the blocks of one lane that want the same lines and that nothing limits, keep the best."""
    best: dict[object, tuple[tuple[Fraction, int, int], Earner]] = {}
    rest = []
    named = frozenset().union(*(each.foes for each in earners))
    for earner in sorted(earners, key=lambda each: each.id):
        seen = earner.limit is not None or earner.alone or earner.items or earner.foes
        if not earner.block or seen or earner.id in named:
            rest.append(earner)
            continue
        whole = sum(bases[line] for line in earner.lines)
        points = Fraction(earner.points * (whole if earner.kind == "per" else 1), earner.per)
        merit = points * earner.value, -earner.coded, earner.priority
        key = earner.lane, earner.lines, earner.currency, earner.value
        if key not in best or merit > best[key][0]:
            best[key] = merit, earner
    return [*rest, *(earner for _, earner in best.values())]


def _conflict_free(earners: list[Earner]) -> Iterator[list[Earner]]:
    """Yield the largest sets without a conflict: Bron and Kerbosch over who gets along."""
    wary = [e for e in earners if e.alone or e.foes]
    odds = {(a.id, b.id) for a in wary for b in earners if a is not b and at_odds(a, b)}
    if not odds:
        yield earners
        return
    odds |= {(b, a) for a, b in odds}
    friends = {
        at: {to for to, b in enumerate(earners) if to != at and (a.id, b.id) not in odds}
        for at, a in enumerate(earners)
    }
    everyone = set(range(len(earners)))
    stack: list[tuple[tuple[int, ...], set[int], set[int]]] = [((), everyone, set())]
    found = 0
    while stack and found <= SETS_MOST:
        members, open_, closed = stack.pop()
        if not open_ and not closed:
            found += 1
            yield [earners[at] for at in sorted(members)]
            continue
        pivot = max(open_ | closed, key=lambda at: (len(friends[at] & open_), -at), default=0)
        for at in sorted(open_ - friends[pivot]):
            stack.append(((*members, at), open_ & friends[at], closed & friends[at]))
            open_ = open_ - {at}
            closed = closed | {at}
