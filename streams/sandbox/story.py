"""
One member's story in plain words: a receipt, its lines, the campaigns, the message.

Everything in it is read from the topics, as a service desk would read it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from schemas.codec import Codec
from streams.core.notices import Notification
from streams.core.receipt import Attribute, EpochMs
from streams.reading.log import LogReader
from streams.reading.member import Member, Story, explain, find
from streams.topics import Names
from streams.wire.outputs import notification_from
from streams.wire.references import Described

LINES_SHOWN = 4
# What a product is called by, where it has it.
CALLED_BY = ("product_type", "product_category", "package_size")


class Teller:
    """
    Tells stories of one shop.

    Args:
        titles: Campaign id → what the campaign is called.
        products: Gives all products anew each time.
        zone: Instants are written in.
        exponent: Digits of the money after the point.
        settled_changelog: Changelog topic of the settle stage's table `settled`.
    """

    def __init__(
        self,
        *,
        titles: Mapping[str, str],
        products: Callable[[], Iterator[Described]],
        zone: ZoneInfo,
        exponent: int,
        settled_changelog: str,
    ) -> None:
        self._titles = titles
        self._products = products
        self._zone = zone
        self._exponent = exponent
        self._settled_changelog = settled_changelog

    def tell(self, log: LogReader, codec: Codec, names: Names, account: str) -> list[str]:
        """
        Tell of the receipt that most campaigns paid for, of several the latest.

        Returns:
            Lines of text; none when the account has earned nothing.

        Raises:
            LogError: If the log cannot be read.
        """
        member = find(log, codec, names, account)
        if member is None or member.snapshot.mark is None:
            return []
        stories = explain(
            log,
            codec,
            names,
            member,
            settled_changelog=self._settled_changelog,
            at=member.snapshot.mark,
            ended=True,
        )
        chosen = _chosen(stories)
        if not chosen:
            return []
        receipt = chosen[0].lot.document
        messages = [
            told
            for logged in log.to_end([names.notifications])
            if logged.key == account.encode() and logged.value is not None
            for told in [notification_from(codec, logged.value)]
            if told.receipt == receipt
        ]
        return [
            *self._bought(account, chosen),
            *self._earned(chosen),
            *self._told(messages),
            self._has(member),
        ]

    def _bought(self, account: str, stories: Sequence[Story]) -> Iterator[str]:
        first = stories[0]
        when = "" if first.sold_at is None else f" on {self._day(first.sold_at)}"
        store = "" if first.store is None else f" at store {first.store}"
        yield f"Member {account} went shopping{store}{when}: receipt {first.lot.document}."
        goods = {each.n: each for story in stories for each in story.goods}
        known = self._names({each.sku for each in goods.values()})
        dearest = sorted(goods.values(), key=lambda each: (-each.amount, each.n))
        for each in dearest[:LINES_SHOWN]:
            yield f"  line {each.n}: {known.get(each.sku, each.sku)} for {self._money(each.amount)}"
        if len(dearest) > LINES_SHOWN:
            yield f"  and {len(dearest) - LINES_SHOWN} more lines that earned something"

    def _earned(self, stories: Sequence[Story]) -> Iterator[str]:
        for story in stories:
            lot = story.lot
            title = self._titles.get(lot.rule, lot.rule)
            lines = _ranges([each.n for each in story.goods])
            where = f" for {'lines' if len(story.goods) > 1 else 'line'} {lines}" if lines else ""
            until = "for ever"
            if lot.expires_at is not None:
                # The instant from which the points are gone: the last day is the one before.
                until = f"until the end of {self._date(lot.expires_at - 1)}"
            gave = _points(lot.credited, lot.currency)
            yield f"“{title}” (version {lot.version}) gave {gave}{where}"
            if story.sold_at is not None and lot.active_from > story.sold_at:
                yield f"  to be spent from {self._day(lot.active_from)}, {until}"
            else:
                yield f"  to be spent at once, {until}"

    def _told(self, messages: Sequence[Notification]) -> Iterator[str]:
        for each in sorted(messages, key=lambda told: (told.due_at, told.id)):
            text = self._text(each)
            if text is not None:
                yield f"Message of {self._day(each.due_at)}: “{text}”"

    def _text(self, told: Notification) -> str | None:
        """Say a notification as a message would; None for one that is not worth a line here."""
        points = _points(told.figures.get("points", 0), told.codes.get("currency", "points"))
        match told.kind:
            case "bonus_credited":
                return f"Thank you for your visit! You have earned {points}."
            case "points_activating":
                return f"From {self._day(told.figures['at'])} you can spend {points} more."
            case "points_expiring":
                last = self._date(told.figures["at"] - 1)
                return f"{points} can be spent until the end of {last}."
            case "points_spent":
                return f"You have paid with {points}."
            case "tier_changed":
                return f"Welcome to {told.codes.get('tier_to', 'a new tier')}!"
            case _:
                return None

    def _has(self, member: Member) -> str:
        mark = member.snapshot.mark
        assert mark is not None
        balances = "; ".join(
            f"{_points(each.available, each.currency)} to spend, {each.pending:,} pending"
            for each in member.balances(mark)
        )
        tier = f", tier {member.snapshot.tier}" if member.snapshot.tier else ""
        return f"On {self._day(mark)} the account holds: {balances or 'nothing'}{tier}."

    def _names(self, skus: set[str]) -> dict[str, str]:
        """Call each product by what its attributes say."""
        found = {}
        for product in self._products():
            if product.id in skus:
                found[product.id] = _called(product.attributes) or product.id
        return found

    def _day(self, at: EpochMs) -> str:
        return f"{self._date(at)}, {self._local(at):%H:%M}"

    def _date(self, at: EpochMs) -> str:
        local = self._local(at)
        return f"{local:%A} {local.day} {local:%B %Y}"

    def _local(self, at: EpochMs) -> datetime:
        return datetime.fromtimestamp(at / 1000, self._zone)

    def _money(self, minor: int) -> str:
        whole, part = divmod(minor, 10**self._exponent)
        return f"{whole:,}.{part:0{self._exponent}}" if self._exponent else f"{whole:,}"


def _chosen(stories: Sequence[Story]) -> list[Story]:
    """Keep the lots of the receipt to tell of, in the order of their rules."""
    by_receipt: dict[str, list[Story]] = {}
    for story in stories:
        if story.goods:
            by_receipt.setdefault(story.lot.document, []).append(story)
    if not by_receipt:
        return []
    best = max(
        by_receipt.values(),
        key=lambda group: (len(group), group[0].sold_at or 0, group[0].lot.document),
    )
    return sorted(best, key=lambda story: (-story.lot.credited, story.lot.rule))


def _called(attributes: Mapping[str, Attribute]) -> str:
    words = [str(attributes[name]) for name in CALLED_BY if attributes.get(name)]
    return ", ".join(dict.fromkeys(words)).lower()


def _ranges(numbers: Sequence[int]) -> str:
    """Write numbers in order as ranges: 1–4, 7."""
    runs: list[list[int]] = []
    for n in sorted(numbers):
        if runs and runs[-1][1] == n - 1:
            runs[-1][1] = n
        else:
            runs.append([n, n])
    return ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in runs)


def _points(points: int, currency: str) -> str:
    unit = "point" if points == 1 else "points"
    return f"{points:,} {currency} {unit}"
