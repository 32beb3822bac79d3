"""
Decides what a shop's tills send in its days, and in which order.

Pure: the same seed gives the same acts.  A sale is good for at most one of the stories
below.
"""

import heapq
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count

import msgspec
from msgspec import Struct

from connectors.pos import Exchange, Redeem, Return, ReturnLine, Sale, SaleLine, Void
from connectors.pos.documents import fields
from schemas.codec import Codec, committed
from streams.sandbox.acts import Act

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
POINT_EARNED_PER_MINOR = 100  # A point a dollar: the demo's base campaign.
POINTS_LEAST = 50  # Who has fewer does not ask for them.


class Mix(Struct, frozen=True, kw_only=True):
    """
    How much of what is mixed in, each as a share of the sales, 0 to 1.

    The first six exclude each other; *duplicates* is of all documents; *broken* is of
    records.  *overdrafts* is of redemptions: the till asks for more than there can be.
    """

    returns: float = 0.05
    exchanges: float = 0.01
    voids: float = 0.003
    conflicts: float = 0.002
    redemptions: float = 0.08
    duplicates: float = 0.03
    overdrafts: float = 0.02
    broken: float = 0.0
    # Of the returns: those whose sale's record comes later, from a till that was offline.
    early_returns: float = 0.1
    # Of the returns: those by somebody who shows no card.
    cardless_returns: float = 0.3


PLAIN = Mix(returns=0, exchanges=0, voids=0, conflicts=0, redemptions=0, duplicates=0, overdrafts=0)
MIXED = Mix()
CHAOS = Mix(broken=0.01)


def script(
    sales: Iterable[Sale],
    *,
    mix: Mix = PLAIN,
    seed: int = 1,
    currency: str = "P",
    codec: Codec | None = None,
) -> Iterator[Act]:
    """
    Decide what the tills send, in the order in which it is accepted.

    Acts of the same instant come in the order in which they were decided on.  What is
    still to come after the last sale (returns of later days) comes at the end.

    Args:
        sales: In the order of their times.
        mix: How much of what is mixed in.
        seed: Of all choices.
        currency: Of redeemed points.
        codec: Encodes what is then broken; of the committed ids when None.
    """
    return _Script(mix, seed, currency, codec or committed()).acts(sales)


class _Script:
    """The state of a script: what is still to come, and what members may have."""

    def __init__(self, mix: Mix, seed: int, currency: str, codec: Codec) -> None:
        self.mix = mix
        self.currency = currency
        self.codec = codec
        self.dice = random.Random(f"{seed} script")  # noqa: S311 -- reproducible, not secret
        # (when, order of decision, act): the order decides between acts of one instant.
        self.to_come: list[tuple[int, int, Act]] = []
        self.order = count()
        self.broken = count(1)
        self.points: Counter[str] = Counter()

    def acts(self, sales: Iterable[Sale]) -> Iterator[Act]:
        for sale in sales:
            yield from self._due(sale.sold_at)
            for act in self._story(sale):
                if act.at_ms > sale.sold_at:
                    self._later(act)
                else:
                    yield from self._with_company(act)
        yield from self._due(None)

    def _due(self, until_ms: int | None) -> Iterator[Act]:
        """Give what was planned up to an instant, or all of it."""
        while self.to_come and (until_ms is None or self.to_come[0][0] <= until_ms):
            yield from self._with_company(heapq.heappop(self.to_come)[2])

    def _later(self, act: Act) -> None:
        heapq.heappush(self.to_come, (act.at_ms, next(self.order), act))

    def _with_company(self, act: Act) -> Iterator[Act]:
        """Give an act, perhaps with a repetition beside it or later, perhaps a broken record."""
        yield act
        if not act.awaits_result:
            return
        if self._chance(self.mix.duplicates):
            again = Act("duplicate", act.at_ms, act.document)
            if self._chance(0.5):
                yield again
            else:
                wait = self.dice.randint(MINUTE_MS, 3 * DAY_MS)
                self._later(msgspec.structs.replace(again, at_ms=act.at_ms + wait))
        if self._chance(self.mix.broken):
            yield self._broken(act)

    def _story(self, sale: Sale) -> Iterator[Act]:
        """Decide on a sale and what follows from it."""
        mix = self.mix
        roll = self.dice.random() if mix != PLAIN and sale.lines else 1.0
        for share, tell in (
            (mix.returns, self._returned),
            (mix.exchanges, self._exchanged),
            (mix.voids, self._voided),
            (mix.conflicts, self._contradicted),
            (mix.redemptions, self._redeemed),
        ):
            if roll < share:
                yield from tell(sale)
                return
            roll -= share
        yield self._sold(sale)

    def _sold(self, sale: Sale, at_ms: int | None = None) -> Act:
        if self.mix.redemptions:
            due = sum(line.amount for line in sale.lines)
            self.points[_member(sale)] += due // POINT_EARNED_PER_MINOR
        return Act("sale", sale.sold_at if at_ms is None else at_ms, sale)

    def _returned(self, sale: Sale) -> Iterator[Act]:
        """Bring goods back within two weeks, sometimes before the sale's record is there."""
        early = self._chance(self.mix.early_returns)
        wait = self.dice.randint(HOUR_MS, DAY_MS) if early else self._days(14)
        back_at = sale.sold_at + wait
        if early:
            sale = msgspec.structs.replace(sale, offline=True)
        yield self._sold(sale, back_at + self.dice.randint(HOUR_MS, DAY_MS) if early else None)
        n = self.dice.randint(1, len(sale.lines))
        sold = sale.lines[n - 1]
        self.points[_member(sale)] -= sold.amount // POINT_EARNED_PER_MINOR
        for nth, quantity in enumerate(self._parts(sold.quantity), 1):
            line = ReturnLine(sold.sku, quantity, sale.id, n)
            at = back_at + (nth - 1) * self.dice.randint(MINUTE_MS, HOUR_MS)
            cardless = self._chance(self.mix.cardless_returns)
            document = Return(
                id=f"{sale.id}-r{nth}",
                store=sale.store,
                till=sale.till,
                sold_at=at,
                lines=(line,),
                card=None if cardless else sale.card,
                phone=None if cardless else sale.phone,
            )
            yield Act("return", at, document)

    def _parts(self, quantity: int) -> tuple[int, ...]:
        """Choose what of a line comes back: all of it, a part, or all of it in two parts."""
        pieces = quantity // 1000
        if quantity % 1000 or pieces == 1 or self._chance(0.5):
            return (quantity,)
        part = self.dice.randint(1, pieces - 1) * 1000
        return (part, quantity - part) if self._chance(0.3) else (part,)

    def _exchanged(self, sale: Sale) -> Iterator[Act]:
        """Exchange one line for a piece more or less dear, on a later day."""
        yield self._sold(sale)
        n = self.dice.randint(1, len(sale.lines))
        line = sale.lines[n - 1]
        amount = line.amount * self.dice.randint(60, 140) // 100
        document = Exchange(
            id=f"{sale.id}-x",
            store=sale.store,
            till=sale.till,
            sold_at=sale.sold_at + self._days(10),
            returned=(ReturnLine(line.sku, line.quantity, sale.id, n),),
            sold=(SaleLine(line.sku, amount, line.quantity),),
            card=sale.card,
            phone=sale.phone,
        )
        yield Act("exchange", document.sold_at, document)

    def _voided(self, sale: Sale) -> Iterator[Act]:
        """Take the sale back at the same till, within ten minutes."""
        yield Act("sale", sale.sold_at, sale)
        document = Void(
            id=f"{sale.id}-v",
            store=sale.store,
            till=sale.till,
            sold_at=sale.sold_at + self.dice.randint(MINUTE_MS, 10 * MINUTE_MS),
            receipt=sale.id,
        )
        yield Act("void", document.sold_at, document)

    def _contradicted(self, sale: Sale) -> Iterator[Act]:
        """Send other content under the sale's id, a moment or days later."""
        yield self._sold(sale)
        first = sale.lines[0]
        taken = (first.amount if first.list is None else first.list) - first.amount
        dearer = msgspec.structs.replace(
            first, amount=first.amount + 1, list=first.amount + 1 + taken
        )
        other = msgspec.structs.replace(sale, lines=(dearer, *sale.lines[1:]))
        wait = self.dice.choice((0, MINUTE_MS, HOUR_MS, 2 * DAY_MS))
        yield Act("conflict", sale.sold_at + wait, other)

    def _redeemed(self, sale: Sale) -> Iterator[Act]:
        """Pay a part of the dearest lines with points that the member should have."""
        member = _member(sale)
        wanted = self.points[member]
        if wanted < POINTS_LEAST or not member:
            yield self._sold(sale)
            return
        if self._chance(self.mix.overdrafts):
            wanted *= 3
        lines = list(sale.lines)
        dearest = sorted(range(len(lines)), key=lambda index: (-lines[index].amount, index))
        for index in dearest[: self.dice.randint(1, 3)]:
            # A point pays a cent; half of a line is what the demo's programme admits.
            points = min(wanted, lines[index].amount // 2)
            if points > 0:
                redeem = (Redeem(points, currency=self.currency),)
                lines[index] = msgspec.structs.replace(lines[index], redeem=redeem)
                wanted -= points
                self.points[member] -= points
        yield self._sold(msgspec.structs.replace(sale, lines=tuple(lines)))

    def _broken(self, act: Act) -> Act:
        """Damage a record in one of the ways that the codec tells apart."""
        sound = self.codec.encode("Receipt", fields(act.document))
        code, value = self.dice.choice(
            (
                ("BAD_MAGIC", b'{"receipt": "no Avro at all"}'),
                ("UNKNOWN_SCHEMA", sound[:1] + (4_000_000_000).to_bytes(4) + sound[5:]),
                ("TRUNCATED", sound[:-1]),
                ("TRAILING_BYTES", sound + b"\x00\x01"),
            )
        )
        # A key of its own: the bytes are no document, so no document's order is theirs.
        document = msgspec.structs.replace(act.document, id=f"broken-{next(self.broken)}")
        return Act("broken", act.at_ms, document, value, code)

    def _days(self, most: int) -> int:
        return self.dice.randint(HOUR_MS, most * DAY_MS)

    def _chance(self, share: float) -> bool:
        return share > 0 and self.dice.random() < share


def _member(sale: Sale) -> str:
    """Name whom the till saw; who shows card and phone in turn is taken for two."""
    return sale.card or sale.phone or ""
