"""
A small generated shop with the shapes of the real data set, for machines without a network.

Products have the same attribute names, some of them missing; baskets, discounts, fuel in
thousandths and the hours of a day are like those of the real shop.  All of it follows
from a seed.  The first stores have the numbers of the real shop's largest, so that the
demo's campaigns mean something here too.
"""

import random
from bisect import bisect
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import accumulate
from zoneinfo import ZoneInfo

from msgspec import Struct

from connectors.pos import Discount, Sale, SaleLine
from streams.core.receipt import Attribute
from streams.sandbox.members import OPENED_AT, Member, card_of, member_of, members_of
from streams.wire.references import Described

ZONE = ZoneInfo("America/New_York")
FIRST_DAY = datetime(2017, 1, 1, tzinfo=ZONE)
STORES = (367, 406, 343, 361, 381)
HOUSEHOLDS = 200
PRODUCTS = 300
RECEIPTS_A_DAY = 425
PHONE_EVERY = 5
FIRST_RECEIPT = 10_000_000_001
# Shares of the day's baskets by the hour in which they are closed, from 6 in the morning.
HOURS = (1, 2, 3, 4, 5, 6, 7, 7, 7, 8, 9, 9, 8, 6, 4, 3, 2, 1)
FIRST_HOUR = 6
# Department, category, types, cheapest and dearest in cents.
GOODS = (
    ("GROCERY", "COLD CEREAL", ("ALL FAMILY CEREAL", "KIDS CEREAL"), 199, 499),
    ("GROCERY", "YOGURT", ("YOGURT NOT MULTI-PACKS", "YOGURT MULTI-PACKS"), 50, 399),
    ("GROCERY", "FLUID MILK PRODUCTS", ("FLUID MILK WHITE ONLY",), 99, 349),
    ("GROCERY", "EGGS", ("EGGS - LARGE", "EGGS - X-LARGE"), 89, 299),
    ("GROCERY", "BAG SNACKS", ("POTATO CHIPS", "TORTILLA/NACHO CHIPS"), 99, 399),
    ("GROCERY", "FROZEN PIZZA", ("PIZZA/PREMIUM", "PIZZA/ECONOMY"), 100, 699),
    ("GROCERY", "SOFT DRINKS", ("SOFT DRINKS 12/18&15PK CAN CAR",), 100, 599),
    ("GROCERY", "DRY NOODLES/PASTA", ("SPAGHETTI DRY", "SHORT CUTS PASTA"), 79, 199),
    ("GROCERY", "PASTA SAUCE", ("MAINSTREAM",), 99, 299),
    ("PRODUCE", "TROPICAL FRUIT", ("BANANAS",), 30, 250),
    ("PRODUCE", "SALAD MIX", ("BLENDS",), 199, 399),
    ("MEAT", "BEEF", ("PRIMAL", "LOIN - CHOICE BONELESS"), 299, 1999),
    ("MEAT-PCKGD", "BACON", ("FLAVORED/OTHER",), 199, 599),
    ("PASTRY", "BREAD", ("BREAD:ITALIAN/FRENCH",), 100, 399),
    ("DELI", "CHEESES", ("CHEESE: PROCESSED BULK",), 199, 899),
    ("DRUG GM", "DIAPERS & DISPOSABLES", ("BABY DIAPERS",), 599, 2499),
    ("DRUG GM", "CIGARETTES", ("CIGARETTES",), 299, 599),
    ("COSMETICS", "MAKEUP AND TREATMENT", ("MAYBELLINE",), 299, 999),
    ("FUEL", "COUPON/MISC ITEMS", ("GASOLINE-REG UNLEADED",), 210, 260),
)
FUEL = "FUEL"
SIZES = ("8 OZ", "12 OZ", "16 OZ", "1 LB", "1 GAL", "6 PK")


class Goods(Struct, frozen=True):
    """A product of the shop: *price* is cents a piece, of fuel cents a gallon."""

    id: int
    price: int
    fuel: bool
    attributes: dict[str, Attribute]


class OfflineShop:
    """
    The generated shop; the same *seed* gives the same shop and receipts.

    Args:
        seed: Of everything.
        size: How many receipts there are, 0 or more.
    """

    name = "generated"

    def __init__(self, seed: int = 1, size: int = 10_000) -> None:
        self.seed = seed
        self.size = size
        dice = random.Random(f"{seed} products")  # noqa: S311 -- reproducible, not secret
        self._goods = tuple(_goods(dice, index) for index in range(PRODUCTS))
        # A few products sell much, most sell rarely, as in every shop.
        self._often = tuple(accumulate(1000 // (rank + 5) for rank in range(PRODUCTS)))

    def products(self) -> Iterator[Described]:
        """Give the products in the order of their numbers."""
        for goods in self._goods:
            yield Described(str(goods.id), OPENED_AT, goods.attributes)

    def stores(self) -> tuple[Described, ...]:
        """Give the five stores."""
        return tuple(Described(str(store), OPENED_AT, {"store_id": store}) for store in STORES)

    def members(self) -> tuple[Member, ...]:
        """Give the members of the 200 households in the order of their numbers."""
        return members_of(tuple(range(1, HOUSEHOLDS + 1)))

    def count(self) -> int:
        """Count the receipts."""
        return self.size

    def receipts(self, limit: int | None = None) -> Iterator[Sale]:
        """Give the receipts in the order of their times; *limit* of them when given."""
        dice = random.Random(f"{self.seed} receipts")  # noqa: S311 -- reproducible, not secret
        wanted = self.size if limit is None else min(limit, self.size)
        day, given = 0, 0
        while given < wanted:
            for moment in _moments(dice, day):
                if given == wanted:
                    return
                yield self._sale(dice, FIRST_RECEIPT + given, moment)
                given += 1
            day += 1

    def _sale(self, dice: random.Random, number: int, sold_at: int) -> Sale:
        household = dice.randint(1, HOUSEHOLDS)
        by_phone = dice.randrange(PHONE_EVERY) == 0
        # A household has a store of its own and is seldom seen in another.
        own = household % len(STORES)
        store = STORES[own if dice.random() < 0.9 else dice.randrange(len(STORES))]  # noqa: PLR2004
        lines = min(60, 1 + int(dice.expovariate(1 / 8)))
        return Sale(
            id=str(number),
            store=str(store),
            till=str(dice.randint(1, 6)),
            sold_at=sold_at,
            lines=tuple(self._line(dice) for _ in range(lines)),
            card=None if by_phone else card_of(household),
            phone=member_of(household).phone if by_phone else None,
        )

    def _line(self, dice: random.Random) -> SaleLine:
        goods = self._goods[bisect(self._often, dice.randrange(self._often[-1]))]
        if goods.fuel:
            quantity = dice.randint(2_000, 18_000)
            return SaleLine(str(goods.id), (goods.price * quantity + 500) // 1000, quantity)
        pieces = 1 if dice.random() < 0.8 else dice.randint(2, 6)  # noqa: PLR2004 -- a share
        listed = goods.price * pieces
        if dice.random() < 0.6:  # noqa: PLR2004 -- the share of lines at full price
            return SaleLine(str(goods.id), listed, pieces * 1000)
        taken = listed * dice.randint(5, 40) // 100
        off = (Discount("retail_disc", taken),) if taken else ()
        return SaleLine(str(goods.id), listed - taken, pieces * 1000, listed, off)


def _goods(dice: random.Random, index: int) -> Goods:
    department, category, types, least, most = GOODS[index % len(GOODS)]
    product = 100_001 + index * 7
    attributes: dict[str, Attribute] = {
        "product_id": product,
        "manufacturer_id": dice.choice((2, 69, 103, 544, 673, 764, 1251)),
        "department": department,
        "brand": "Private" if dice.random() < 0.3 else "National",  # noqa: PLR2004 -- a share
        "product_category": category,
        "product_type": dice.choice(types),
        "package_size": dice.choice(SIZES),
    }
    # As in the real data: a third has no size, some have no category and type.
    if dice.random() < 1 / 3:
        del attributes["package_size"]
    if dice.random() < 0.02:  # noqa: PLR2004 -- a share
        del attributes["product_category"], attributes["product_type"]
    return Goods(product, dice.randint(least, most), department == FUEL, attributes)


def _moments(dice: random.Random, day: int) -> list[int]:
    """Draw the instants of a day's receipts, in order; all fall into hours that exist."""
    weekend = (FIRST_DAY + timedelta(days=day)).weekday() >= 5  # noqa: PLR2004 -- Saturday
    many = RECEIPTS_A_DAY + (60 if weekend else -25) + dice.randint(-20, 20)
    hours = dice.choices(range(FIRST_HOUR, FIRST_HOUR + len(HOURS)), HOURS, k=many)
    return sorted(
        int((FIRST_DAY + timedelta(days=day, hours=hour, seconds=dice.randrange(3600))).timestamp())
        * 1000
        for hour in hours
    )
