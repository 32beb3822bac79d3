"""The outcomes of all parts that are still open, put together in every way that may be best.

What a threshold counts may fall short of it by what is chosen before its lane.  Then its
campaign is not to be had, however much the parts are worth with it.  So a choice that
uses it is left out once no choice of the other parts reaches the threshold, and a minor
unit that it counts is given a price: a combination that uses the campaign reaches the
threshold, so it is worth no more than with what it counts beyond that paid for.
"""

from collections.abc import Callable, Sequence
from typing import Final, final

from streams.core.depth import allow_depth
from streams.core.part import Outcome

HALVINGS: Final = 16  # How closely a price is looked for; any price gives a bound.


@final
class Option:
    """
    An outcome of a part, and what it does to thresholds.

    Attributes:
        counts: What each threshold counts of it.
        uses: The thresholds whose campaigns it claims, as bits.
    """

    def __init__(self, outcome: Outcome, counts: Sequence[int] = (), uses: int = 0) -> None:
        self.outcome = outcome
        self.worth = outcome.worth
        self.counts = counts
        self.uses = uses


@final
class Doubt:
    """
    One threshold over all parts, the last of them first.

    Attributes:
        need: The least that it has to count.
        price: Of a minor unit that it counts.
        most: What it counts at most of the parts from one on.
        tops: What those are worth at most, with what it counts of them at the price.
    """

    def __init__(
        self, number: int, need: int, parts: Sequence[Sequence[Option]], unit: int
    ) -> None:
        self.number = number
        self.need = need
        self.price = self._price(parts, unit)
        self.most = [0]
        self.tops = [-self.price * need]
        for own in reversed(parts):
            self.most.append(self.most[-1] + max([each.counts[number] for each in own]))
            self.tops.append(
                self.tops[-1] + max([e.worth + self.price * e.counts[number] for e in own])
            )
        self.most.reverse()
        self.tops.reverse()

    def _price(self, parts: Sequence[Sequence[Option]], unit: int) -> int:
        """Find the price at which what is worth most just reaches the threshold."""
        low, high = 0, 2 * unit
        for _ in range(HALVINGS):
            price = (low + high) // 2
            count = 0
            for own in parts:
                count += max(
                    [(e.worth + price * e.counts[self.number], e.counts[self.number]) for e in own]
                )[1]
            if count < self.need:
                low = price
            else:
                high = price
        return low

    def may(self, at: int, worth: int, count: int, least: int) -> bool:
        """
        Tell whether a choice of the parts before *at* can be worth *least* and reach it.

        Args:
            at: The first part that isn't chosen.
            worth: What the choice is worth.
            count: What the threshold counts of it.
            least: What all has to be worth.
        """
        if count + self.most[at] < self.need:
            return False
        return worth + self.price * count + self.tops[at] >= least


class Joining:
    """
    All choices of one outcome for each part.

    Attributes:
        spent: Whether nodes were spent before every choice was weighed.
    """

    def __init__(  # noqa: PLR0917 - What it joins, and then what it does with it.
        self,
        parts: Sequence[Sequence[Option]],
        needs: Sequence[int],
        unit: int,
        least: Callable[[], int],
        count: Callable[[int], bool],
        weigh: Callable[[Sequence[Outcome]], None],
    ) -> None:
        """
        Join *parts*, each best first.

        Args:
            parts: What can be chosen for each.
            needs: What each threshold has to count at least.
            unit: What a minor unit of discount is worth.
            least: Gives what all have to be worth.
            count: Uses nodes; False when none is left.
            weigh: Weighs a choice.
        """
        self.least = least
        self.count = count
        self.weigh = weigh
        self.spent = False
        self.settled = [own[0] for own in parts if len(own) == 1]
        self.open = sorted((own for own in parts if len(own) != 1), key=len)
        self.worth = sum([each.worth for each in self.settled])
        self.counts = [sum([e.counts[at] for e in self.settled]) for at in range(len(needs))]
        self.doubts: list[Doubt] = []
        for number, need in enumerate(needs):
            if all(self.open) and any(each.uses >> number & 1 for own in parts for each in own):
                self._doubt(number, need, unit)
        # What the parts from one on are worth at most.
        self.rest = [0]

    def _doubt(self, number: int, need: int, unit: int) -> None:
        """Keep a threshold in view, or leave out what uses it where that can't be enough."""
        doubt = Doubt(number, need, self.open, unit)
        if doubt.may(0, self.worth, self.counts[number], self.least()):
            self.doubts.append(doubt)
            return
        if any(each.uses >> number & 1 for each in self.settled):
            self.open = [[]]
        self.open = [[each for each in own if not each.uses >> number & 1] for own in self.open]

    def run(self) -> None:
        """Weigh every choice that may be as good as the best."""
        if not all(self.open):
            return
        for own in reversed(self.open):
            self.rest.append(self.rest[-1] + own[0].worth)
        self.rest.reverse()
        if self.worth + self.rest[0] < self.least():
            return
        allow_depth(2 * len(self.open))
        self._choose(0, self.worth, self.counts, 0, ())

    def _choose(
        self, at: int, worth: int, counts: list[int], uses: int, chosen: tuple[Outcome, ...]
    ) -> None:
        if at == len(self.open):
            if self.count(1):
                self.weigh([*[each.outcome for each in self.settled], *chosen])
            else:
                self.spent = True
            return
        for option in self.open[at]:
            after = worth + option.worth
            if after + self.rest[at + 1] < self.least():
                return
            if not self.count(1):
                self.spent = True
                return
            used, sums = uses | option.uses, counts
            if self.doubts:
                sums = [one + other for one, other in zip(counts, option.counts)]
                if not self._may(at + 1, after, sums, used):
                    continue
            self._choose(at + 1, after, sums, used, (*chosen, option.outcome))

    def _may(self, at: int, worth: int, counts: Sequence[int], uses: int) -> bool:
        """Tell whether a choice of the parts before *at* may be enough with what it uses."""
        return all(
            each.may(at, worth, counts[each.number], self.least())
            for each in self.doubts
            if uses >> each.number & 1
        )
