"""Which campaigns apply to a basket, and to which of its lines: promotions.md §3.

`CampaignIndex` compiles all campaigns into bitmasks and finds the matches that
`judging` finds for each at a cost that follows the hits, not the number of
campaigns.  The rule of this file: only what is known before any
combination is chosen decides here; what depends on claims belongs to
`combination`.

Values that are made for each receipt are kept from the garbage collector
(`gc=False`): none of them can be part of a cycle.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from msgspec import Struct

from streams.core.campaigns import Campaign
from streams.core.conditions import (
    TRUE,
    Atom,
    AttributeMap,
    Condition,
)
from streams.core.judging import reachable
from streams.core.masks import ConditionIndex, UnknownIndex, bits, mask_of
from streams.core.occasion import (
    GoodsLine,
    Match,
    Occasion,
    Reason,
    Refusal,
    goods_attributes,
)
from streams.core.programme import Programme
from streams.core.receipt import EpochMs, Money, Thousandths
from streams.core.service_times import ServiceTimes

EXCLUSIONS = 3  # From discounts, from points, from redemption: the first rows of the index.
MEMO_BYTES = 32 * 1024 * 1024  # What remembered products may take; beyond it all are forgotten.
MEMO_ENTRY_BYTES = 300  # A remembered product without its mask.


class ExcludedLines(Struct, frozen=True, gc=False):
    """Lines the programme keeps from discounts, points and redemption: bit i is the i-th line."""

    discounts: int = 0
    points: int = 0
    redemption: int = 0


class _Product(Struct, frozen=True, gc=False):
    """
    What was found for a product, at the price and quantity it last had.

    Attributes:
        kinds: Types of the attributes: 1 and true are equal to Python, not to us.
        rows: Rows of the index that the product alone does not refuse.
        at_price: Rows that its price does not refuse; another price often has the same.
        at_quantity: Rows that its quantity does not refuse.
        eligible: Campaigns that it is eligible for.
        excluded: What the programme excludes it from, a bit each.
    """

    attributes: AttributeMap
    kinds: tuple[type, ...]
    rows: int
    price: Money
    quantity: Thousandths
    at_price: int
    at_quantity: int
    eligible: int
    excluded: int

    def describes(self, attributes: AttributeMap) -> bool:
        """Tell whether *attributes* are the product's."""
        if self.attributes is attributes:
            return True
        kinds = tuple(map(type, attributes.values()))
        return self.attributes == attributes and self.kinds == kinds


class _Goods:
    """`goods` of every campaign and the programme's exclusions, compiled; remembers products."""

    def __init__(self, campaigns: Sequence[Campaign], programme: Programme) -> None:
        excluded = programme.excluded
        kept_out = (excluded.discounts, excluded.points, excluded.redemption)
        never = Condition(TRUE.tree, (), ())
        own = [never if each is None else each for each in kept_out]
        self._discounts = mask_of(
            (at for at, each in enumerate(campaigns) if each.kind == "discount"), len(campaigns)
        )
        self._index = ConditionIndex([*own, *(campaign.goods for campaign in campaigns)])
        columns = self._index.columns
        self._price, self._quantity = columns.get("price"), columns.get("quantity")
        self._product = [c for name, c in columns.items() if name not in ("price", "quantity")]
        self._memo: dict[str, _Product] = {}
        self._masks: dict[int, int] = {}
        self._memo_most = MEMO_BYTES // MEMO_ENTRY_BYTES
        self._masks_most = max(16, MEMO_BYTES // (self._index.possible.bit_length() // 8 + 100))

    def products(self, lines: Sequence[GoodsLine]) -> list[_Product]:
        """Find what holds on each line."""
        memo = self._memo
        by_price, by_quantity = self._price is not None, self._quantity is not None
        found = []
        for line in lines:
            known = memo.get(line.sku)
            if (
                known is None
                or known.attributes is not line.attributes
                or (by_price and known.price != line.price)
                or (by_quantity and known.quantity != line.quantity)
            ):
                known = self._remember(line, known)
            found.append(known)
        return found

    def _remember(self, line: GoodsLine, known: _Product | None) -> _Product:
        at_price = 0 if self._price is None else self._price.mask(line.price)
        at_quantity = 0 if self._quantity is None else self._quantity.mask(line.quantity)
        if known is not None and known.describes(line.attributes):
            if known.at_price == at_price and known.at_quantity == at_quantity:
                return known
            rows = known.rows
        else:
            rows = self._index.rows({**line.attributes, "sku": line.sku}, self._product)
        mask = rows
        if self._price is not None:
            mask &= at_price
        if self._quantity is not None:
            mask &= at_quantity
        mask = self._index.owners(mask)
        eligible, excluded = mask >> EXCLUSIONS, mask & (1 << EXCLUSIONS) - 1
        if excluded & 1:
            eligible &= ~self._discounts
        if excluded & 2:
            eligible &= self._discounts
        if len(self._memo) >= self._memo_most or len(self._masks) >= self._masks_most:
            self._memo.clear()
            self._masks.clear()
        # Products of one kind share their masks.
        rows = self._masks.setdefault(rows, rows)
        eligible = self._masks.setdefault(eligible, eligible)
        found = self._memo[line.sku] = _Product(
            attributes=line.attributes,
            kinds=tuple(map(type, line.attributes.values())),
            rows=rows,
            price=line.price,
            quantity=line.quantity,
            at_price=at_price,
            at_quantity=at_quantity,
            eligible=eligible,
            excluded=excluded,
        )
        return found


# A reason, the campaigns that it does not refuse, and what names the unknowns of things.
_Stage = tuple[Reason, int, UnknownIndex | None, tuple[AttributeMap, ...]]


class CampaignIndex:
    """
    The campaigns of a programme, compiled once.

    Several versions of a campaign may be given: each serves its time.
    """

    def __init__(self, programme: Programme, campaigns: Iterable[Campaign]) -> None:
        """Compile *campaigns*, which were loaded with *programme*."""
        self.programme = programme
        self.campaigns = tuple(sorted(campaigns, key=lambda c: (c.campaign, c.version)))
        own = self.campaigns
        self._times = ServiceTimes(own, programme.zoneinfo)
        self._who = ConditionIndex([campaign.who for campaign in own])
        self._where = ConditionIndex([campaign.where for campaign in own])
        self._channel = ConditionIndex([_one_of("channel", c.basket.channel) for c in own])
        self._payment = ConditionIndex([_one_of("payment", c.basket.payment) for c in own])
        self._unknown_who = UnknownIndex([campaign.who for campaign in own])
        self._unknown_where = UnknownIndex([campaign.where for campaign in own])
        self._unknown_goods = UnknownIndex([campaign.goods for campaign in own])
        self._goods = _Goods(own, programme)
        size = len(own)
        places = range(size)
        self._code = mask_of((at for at in places if own[at].needs == "code"), size)
        self._offer = mask_of((at for at in places if own[at].needs == "offer"), size)
        self._coupons: dict[str, list[int]] = {}
        for at in bits(self._code):
            for code in own[at].codes or (own[at].campaign,):
                self._coupons.setdefault(code, []).append(at)
        self._kinds = {
            kind: mask_of((at for at in places if own[at].kind == kind), size)
            for kind in ("discount", "accrual")
        }
        self._places: dict[int, tuple[int, ...]] = {}
        self._places_most = max(16, MEMO_BYTES // (size // 8 + MEMO_ENTRY_BYTES))
        bounded = [at for at in places if own[at].basket.net or own[at].basket.quantity]
        self._bounded = mask_of(bounded, size)
        self._versions: dict[str, int] = {}
        for at, campaign in enumerate(own):
            self._versions[campaign.campaign] = self._versions.get(campaign.campaign, 0) | 1 << at

    def live(self, at: EpochMs) -> tuple[Campaign, ...]:
        """List the versions that serve *at*, running or not, by id."""
        return tuple(self.campaigns[place] for place in bits(self._times.serving(at)))

    def version(self, name: str, at: EpochMs) -> Campaign | None:
        """Find the version of the campaign *name* that serves *at*, running or not."""
        known = self._versions.get(name)
        if known is None:
            return None
        serving = known & self._times.serving(at)
        return self.campaigns[serving.bit_length() - 1] if serving else None

    def presented(self, codes: Iterable[str], at: EpochMs) -> dict[str, str]:
        """
        Give the campaign of each coupon among *codes*; other codes are left out.

        Of several campaigns with one code, the first by id has it.
        """
        found = {}
        for code in codes:
            serving = self._times.serving(at)
            places = (place for place in self._coupons.get(code, ()) if serving >> place & 1)
            first = next(places, None)
            if first is not None:
                found[code] = self.campaigns[first].campaign
        return found

    def matches(
        self, occasion: Occasion, kind: Literal["discount", "accrual"] | None = None
    ) -> tuple[Match, ...]:
        """Find the campaigns of *kind* that may apply and their eligible lines, by id."""
        candidates = self._candidates(occasion)
        if kind is not None:
            candidates &= self._kinds[kind]
        found = self._matched(occasion, candidates)
        if not candidates & self._bounded:
            return tuple(found)
        return tuple(
            [
                match
                for match in found
                if not (match.campaign.basket.net or match.campaign.basket.quantity)
                or reachable(match.campaign.basket, match.lines, occasion)
            ]
        )

    def _matched(self, occasion: Occasion, candidates: int) -> list[Match]:
        """Find the eligible lines of *candidates* that have any, by id."""
        if not candidates:
            return []
        lines_of: dict[int, int] = {}
        places_of = self._places
        bit = 1
        for product in self._goods.products(occasion.lines):
            found = product.eligible & candidates
            if found:
                places = places_of.get(found)
                if places is None:
                    places = self._remember(found)
                for at in places:
                    lines_of[at] = lines_of.get(at, 0) | bit
            bit <<= 1
        own = self.campaigns
        return [Match(own[at], lines_of[at]) for at in sorted(lines_of)]

    def _remember(self, found: int) -> tuple[int, ...]:
        """List the campaigns of a mask; baskets meet the same ones again and again."""
        if len(self._places) >= self._places_most:
            self._places.clear()
        places = self._places[found] = tuple(bits(found))
        return places

    def _candidates(self, occasion: Occasion) -> int:
        """Ask all that does not depend on lines."""
        mask = self._times.running(occasion.at)
        if mask:
            mask &= self._where.holding(occasion.store)
        if mask:
            mask &= self._who.holding(occasion.member)
        if mask & self._code:
            mask &= ~self._code | self._named(occasion.codes)
        if mask & self._offer:
            mask &= ~self._offer | self._named(occasion.offers)
        if mask and self._channel.columns:
            mask &= self._channel.holding({"channel": occasion.channel})
        if mask and self._payment.columns:
            mask &= self._payment.holding({"payment": occasion.payments})
        if mask and occasion.left:
            mask &= ~(self._spent(occasion, "uses") | self._spent(occasion, "amount"))
        return mask

    def _spent(self, occasion: Occasion, what: Literal["uses", "amount"]) -> int:
        """Give the campaigns of whose uses or amount nothing is left."""
        mask = 0
        for campaign, left in occasion.left.items():
            figure = left.uses if what == "uses" else left.amount
            if figure is not None and figure <= 0:
                mask |= self._versions.get(campaign, 0)
        return mask

    def _named(self, campaigns: Iterable[str]) -> int:
        mask = 0
        for campaign in campaigns:
            mask |= self._versions.get(campaign, 0)
        return mask

    def refusals(self, occasion: Occasion) -> dict[str, Refusal]:
        """Say the first reason for every live campaign that can't apply, as `judge` does."""
        found: dict[int, Refusal] = {}
        open_ = self._times.serving(occasion.at)
        for reason, met, unknown, things in self._stages(occasion):
            refused = open_ & ~met
            open_ &= met
            names = {} if unknown is None else unknown.names(things, refused)
            plain = Refusal(reason, None if unknown is None else ())
            for at in bits(refused):
                found[at] = Refusal(reason, names[at]) if at in names else plain
        for match in self._matched(occasion, open_):
            if not reachable(match.campaign.basket, match.lines, occasion):
                found[self._place(match.campaign)] = Refusal("threshold")
        return {self.campaigns[at].campaign: found[at] for at in sorted(found)}

    def _stages(self, occasion: Occasion) -> Iterator[_Stage]:
        """Yield each reason in order, the campaigns that pass it, and who names its unknowns."""
        everything = (1 << len(self.campaigns)) - 1
        nobody: tuple[None, tuple[()]] = (None, ())
        yield "not_running", self._times.running(occasion.at), *nobody
        member, store = occasion.member, occasion.store
        yield "who", self._who.holding(member), self._unknown_who, (member,)
        yield "where", self._where.holding(store), self._unknown_where, (store,)
        yield "code", ~self._code | self._named(occasion.codes), *nobody
        yield "offer", ~self._offer | self._named(occasion.offers), *nobody
        yield "limit", everything & ~self._spent(occasion, "uses"), *nobody
        yield "budget", everything & ~self._spent(occasion, "amount"), *nobody
        eligible = 0
        for product in self._goods.products(occasion.lines):
            eligible |= product.eligible
        things = tuple(goods_attributes(line) for line in occasion.lines)
        yield "goods", eligible, self._unknown_goods, things
        yield "channel", self._channel.holding({"channel": occasion.channel}), *nobody
        yield "payment", self._payment.holding({"payment": occasion.payments}), *nobody

    def _place(self, campaign: Campaign) -> int:
        key = (campaign.campaign, campaign.version)
        return bisect_left(self.campaigns, key, key=lambda each: (each.campaign, each.version))

    def excluded(self, lines: Sequence[GoodsLine]) -> ExcludedLines:
        """Find the lines that the programme excludes."""
        found = [0] * EXCLUSIONS
        for place, product in enumerate(self._goods.products(lines)):
            for which in range(EXCLUSIONS):
                found[which] |= (product.excluded >> which & 1) << place
        return ExcludedLines(*found)


def _one_of(name: str, words: tuple[str, ...]) -> Condition:
    """Ask a basket for one of *words*; without words, nothing."""
    if not words:
        return TRUE
    atom = Atom(name, "one_of", frozenset(words), "string")
    return Condition(atom, ((atom,),), (atom,))
