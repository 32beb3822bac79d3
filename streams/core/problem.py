"""All that the choice of the best combination depends on."""

from msgspec import Struct
from msgspec.structs import replace

from streams.core.accrual_claims import Earner
from streams.core.campaigns import Threshold
from streams.core.combination import Offer, Unit


class Seed(Struct, frozen=True):
    """
    An accrual campaign before nets are known.

    Attributes:
        earner: Its lines are all eligible ones.
        net: Its threshold on the earning base, or on list amounts.
        skip_discounted: Whether discounted lines can't be claimed.
    """

    earner: Earner
    net: Threshold | None = None
    skip_discounted: bool = False


class Problem(Struct, frozen=True):
    """
    All that the choice depends on.

    Attributes:
        lists: List amount of every line.
        units: Pieces, or whole lines, by line.
        offers: Discount campaigns that can apply, by id.
        seeds: Accrual campaigns that can apply, by id.
        odds: Pairs of campaigns, both ways, of which either's `not_with` names the other.
        groups: Discount lanes by index, grouped as written.
        cap: Largest discount of the receipt; None is without cap.
        nodes: Budget of the search.
    """

    lists: tuple[int, ...]
    units: tuple[Unit, ...]
    offers: tuple[Offer, ...]
    seeds: tuple[Seed, ...]
    odds: frozenset[tuple[str, str]]
    groups: tuple[tuple[int, ...], ...]
    cap: int | None
    nodes: int

    def without(self, campaign: str) -> "Problem":
        """Give the problem in which *campaign* can't apply."""
        return replace(
            self,
            offers=tuple(each for each in self.offers if each.id != campaign),
            seeds=tuple(each for each in self.seeds if each.earner.id != campaign),
        )
