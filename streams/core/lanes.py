"""The claims that need no weighing: what most receipts earn, read off their lanes.

`accrual_choice` defines which claims are best and finds them for any campaigns.  Most
receipts meet campaigns that don't get in each other's way: then a lane's effects take
their lines in an order that is the same for every receipt, and a block is worth more or
less than the effects it would displace.  The rule of this file: a lane where that is not
plainly so is left to the chooser.

Lines are bits of a mask: bit i is the i-th line.
"""

from collections.abc import Sequence
from functools import lru_cache

from msgspec import Struct

from streams.core.accrual_claims import Earner
from streams.core.masks import bits


class Rate(Struct, frozen=True):
    """
    What is the same of a campaign on every receipt.

    Attributes:
        earner: The campaign as `accrual_choice` sees it, without lines and counters.
        lane: Position among the accrual lanes.
        block: Whether it claims all its lines or nothing.
        times: Whether it multiplies what lane 0 pays.
        worth: What it counts a minor unit of base (an effect, a `per`) or in all (`points`),
            in minor units times the scale of all rates, and times *per* for a `per`.
        rank: Of two effects the one with the greater rank takes a line of both.
        able: Whether it can count anything.
        wary: Whether it has a say in what else applies.
    """

    earner: Earner
    lane: int
    block: bool
    times: bool
    worth: int
    rank: tuple[int, int, int]
    able: bool
    wary: bool


# A campaign, the lines it can claim, and what its counters leave; None is without limit.
Offer = tuple[Rate, int, int | None]


def rate_of(earner: Earner, scale: int, *, wary: bool = False) -> Rate:
    """
    See a campaign as the same on every receipt.

    Args:
        earner: Its lines, `left` and foes don't matter.
        scale: A multiple of what effects are counted by: of 100 and of every `per` of a
            percent.
        wary: Whether its `not_with` names anything.
    """
    worth = earner.points * earner.value * scale
    if not earner.block:
        worth //= earner.per
    return Rate(
        earner,
        earner.lane,
        earner.block,
        earner.kind == "times",
        worth,
        (worth, -earner.coded, earner.priority),
        earner.points > 0,
        wary or earner.alone or earner.items or not earner.value,
    )


def plain_claims(offers: Sequence[Offer], bases: Sequence[int]) -> tuple[list[Offer], list[Offer]]:
    """
    Give the best claims of the lanes where they are plain, and the offers to be weighed.

    Both are by lane and id.  The offers that are left get in the way of none of the claims.

    Args:
        offers: By id; each can claim a line, has something left, and is able.
        bases: Earning base of every line, above 0 where an offer can claim it.
    """
    lanes: dict[int, list[Offer]] = {}
    for offer in offers:
        rate = offer[0]
        if rate.wary:
            return [], list(offers)
        if rate.lane or not rate.times:  # In the first lane there is nothing to multiply yet.
            lanes.setdefault(rate.lane, []).append(offer)
    multiplied = {rate.earner.currency for rate, _, _ in offers if rate.times and rate.lane}
    found: dict[int, list[Offer] | None] = {}
    for lane in sorted(lanes):
        first = found.get(0) or []
        found[lane] = _of_lane(lane, lanes[lane], first, bases, multiplied)
    if multiplied:
        tied = [lane for lane in lanes if not lane or any(each[0].times for each in lanes[lane])]
        if any(found[lane] is None for lane in tied):
            found |= dict.fromkeys(tied)
    claims, left = [], []
    for lane, own in found.items():
        if own is None:
            left += lanes[lane]
        else:
            claims += own
    return claims, left


def _of_lane(
    lane: int,
    members: list[Offer],
    first: list[Offer],
    bases: Sequence[int],
    multiplied: set[str],
) -> list[Offer] | None:
    """Give the claims of one lane, or None; *first* are those of lane 0."""
    if lane == 0 or not multiplied:
        feeds = bool(multiplied)
        if len(members) == 1:
            claims = members if _is_free(members[0], bases, feeds=feeds) else None
        else:
            claims = _shared(members, bases, feeds=feeds)
        if feeds and claims is not None:
            currencies = {rate.earner.currency for rate, _, _ in claims}
            return claims if currencies | multiplied == multiplied else None
        return claims
    if any(rate.times for rate, _, _ in members):
        return _multiplied(members, first) if len(multiplied) == 1 else None
    return _of_lane(lane, members, first, bases, set())


def _multiplied(members: list[Offer], first: list[Offer]) -> list[Offer] | None:
    """Let multipliers take the lines that lane 0 pays for."""
    for rate, _, left in members:
        if not rate.times or rate.earner.cap is not None or left is not None:
            return None
    basic = 0
    for _, mask, _ in first:
        basic |= mask
    return _taken(members, ~basic)


def _taken(effects: list[Offer], taken: int) -> list[Offer]:
    """Let effects take the lines that are not *taken*, the greatest rank first, then by id."""
    claims = []
    for rate, mask, left in sorted(effects, key=_rank, reverse=True):
        own = mask & ~taken
        if own:
            claims.append((rate, own, left))
            taken |= own
    if len(claims) > 1:
        claims.sort(key=_id)
    return claims


def _rank(offer: Offer) -> tuple[int, int, int]:
    return offer[0].rank


def _id(offer: Offer) -> str:
    return offer[0].earner.id


def _is_free(offer: Offer, bases: Sequence[int], *, feeds: bool) -> bool:
    """Tell whether a campaign that no other meets claims all its lines."""
    rate, _, left = offer
    earner = rate.earner
    if earner.cap is None and left is None:
        return True
    if not earner.skip and not feeds and (rate.block or not earner.coded):
        return True
    return _is_loose(offer, bases)


def _is_loose(offer: Offer, bases: Sequence[int]) -> bool:
    """Tell whether no limit can bind."""
    rate, mask, left = offer
    earner = rate.earner
    limit = min(each for each in (earner.cap, left) if each is not None)
    if earner.kind == "points":
        return earner.points <= limit
    if rate.times:
        return False
    return _based(mask, bases) * earner.points <= limit * earner.per


def _based(mask: int, bases: Sequence[int]) -> int:
    return sum([bases[line] for line in places(mask)])


def _shared(members: list[Offer], bases: Sequence[int], *, feeds: bool) -> list[Offer] | None:
    """Let the campaigns of one lane take their lines."""
    effects, blocks, crossed, wanted = [], [], 0, 0
    for offer in members:
        rate, mask, left = offer
        limited = rate.earner.cap is not None or left is not None
        if rate.times or (limited and not _is_loose(offer, bases)):
            return None
        if rate.block:
            crossed |= wanted & mask
            wanted |= mask
            blocks.append(offer)
        else:
            effects.append(offer)
    if not blocks:
        return _taken(effects, 0)
    lines = 0
    for _, mask, _ in effects:
        lines |= mask
    contested = lines & wanted or crossed
    if contested and feeds:
        return None
    if crossed:
        best = None if lines & wanted else _best_of(blocks, bases)
        kept = None if best is None else [best]
    else:
        kept = _worth_more(blocks, effects, bases) if contested else blocks
    if kept is None:
        return None
    taken = 0
    for _, mask, _ in kept:
        taken |= mask
    return sorted([*kept, *_taken(effects, taken)], key=_id)


def _best_of(blocks: list[Offer], bases: Sequence[int]) -> Offer | None:
    """Choose one of blocks that all meet each other; of equals the first by id."""
    for at, one in enumerate(blocks):
        if not all(one[1] & other[1] for other in blocks[:at]):
            return None
    best, most = blocks[0], _block_merit(blocks[0], bases)
    for each in blocks[1:]:
        (worth, per, *ties), (least, by, *others) = _block_merit(each, bases), most
        if (worth * by, *ties) > (least * per, *others):
            best, most = each, _block_merit(each, bases)
    return best


def _block_merit(offer: Offer, bases: Sequence[int]) -> tuple[int, int, int, int]:
    """Give what a block counts as a fraction times the scale, and its ties."""
    rate, mask, _ = offer
    earner = rate.earner
    if earner.kind == "points":
        return rate.worth, 1, -earner.coded, earner.priority
    return rate.worth * _based(mask, bases), earner.per, -earner.coded, earner.priority


def _worth_more(
    blocks: list[Offer], effects: list[Offer], bases: Sequence[int]
) -> list[Offer] | None:
    """Keep the blocks, apart from each other, that count more than the effects on their lines."""
    kept = []
    for block in blocks:
        mask = block[1]
        claims = _taken([(rate, own & mask, left) for rate, own, left in effects], ~mask)
        worth, per, needs, priority = _block_merit(block, bases)
        own = (worth, needs, 1, priority)
        count = [own.bit_count() for _, own, _ in claims]
        other = (
            per * sum(rate.worth * _based(own, bases) for rate, own, _ in claims),
            -sum(n * rate.earner.coded for n, (rate, _, _) in zip(count, claims, strict=True)),
            sum(count),
            sum(n * rate.earner.priority for n, (rate, _, _) in zip(count, claims, strict=True)),
        )
        if own == other:
            return None
        if own > other:
            kept.append(block)
    return kept


@lru_cache(maxsize=16_384)
def places(mask: int) -> tuple[int, ...]:
    """List the positions of the bits of *mask*, ascending."""
    return tuple(bits(mask))
