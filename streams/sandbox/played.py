"""What can be played, and what somebody wishes to see played."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from connectors.pos import Sale
from streams.core.campaigns import Campaign
from streams.core.programme import Programme
from streams.documents import read_campaigns, read_programme
from streams.sandbox.members import Member
from streams.wire.references import Described

SHOP = Path(__file__).with_name("shop")
RECEIPTS = 10_000
RATE = 200.0


class Shop(Protocol):
    """What can be played: the real data set or the generated shop."""

    @property
    def name(self) -> str:
        """Name the shop."""

    def products(self) -> Iterator[Described]:
        """Give every product."""

    def stores(self) -> tuple[Described, ...]:
        """Give every store."""

    def members(self) -> tuple[Member, ...]:
        """Give the member of every household."""

    def count(self) -> int:
        """Count the receipts."""

    def receipts(self, limit: int | None = None) -> Iterator[Sale]:
        """Give the receipts in the order of their times."""


class Wishes(Struct, frozen=True, kw_only=True):
    """
    What is to be played.

    Attributes:
        rate: Records a second; as fast as possible when None.
        receipts: Sales; every one there is when None.
        plain: Sales only.
        chaos: Broken records, and workers that are killed at random.
        offline: The generated shop instead of the real data set.
        programme: File of another programme than the shop's.
        campaigns: File or folder of other campaigns than the shop's.
        balances: File to write all final balances to.
        keep: Leave everything running until it is interrupted.
    """

    rate: float | None = RATE
    receipts: int | None = RECEIPTS
    plain: bool = False
    seed: int = 1
    chaos: bool = False
    offline: bool = False
    programme: Path | None = None
    campaigns: Path | None = None
    balances: Path | None = None
    keep: bool = False


class Documents(Struct, frozen=True):
    """The programme and the campaigns to play, read and checked."""

    programme: Programme
    campaigns: tuple[Campaign, ...]


def documents(wishes: Wishes) -> Documents:
    """
    Read the documents that *wishes* names, the shop's where it names none.

    Raises:
        DocumentFileError: With the problems of all documents.
    """
    programme = read_programme(wishes.programme or SHOP / "programme.yaml")
    campaigns = read_campaigns(wishes.campaigns or SHOP / "campaigns", programme)
    return Documents(programme, tuple(campaigns))
