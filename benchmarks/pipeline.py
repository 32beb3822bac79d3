"""CPU a receipt of every stage without Kafka, on the real shop's receipts.

One household in twenty of the real data set shops for a year, with the demo's programme
and campaigns; stages run one after another on lists of records, as the engine's driver
calls them, in batches as they are under light load and under full load.  What a machine
is worth is measured beside it: a plain fastavro loop decodes the same receipts, and
goals are multiples of that.  Broker, RocksDB and references' files are not in it.

    python benchmarks/pipeline.py [--quick]
"""

import gc
import io
import json
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import fastavro

from connectors.pos.documents import fields
from schemas.catalogue import catalogue
from schemas.codec import HEADER, committed
from streams.agents.terms import CAMPAIGNS, PRODUCTS, PROGRAMMES, RESOLUTIONS, STORES
from streams.app import APPS, app_of
from streams.core.state import account_from
from streams.engine import Record
from streams.engine.driver import StageDriver
from streams.sandbox.dataset import Dataset, find
from streams.sandbox.kafka import default_home
from streams.sandbox.members import OPENED_AT, registration
from streams.sandbox.offline_shop import OfflineShop
from streams.sandbox.played import Wishes, documents
from streams.settings import Settings
from streams.tables import ACCOUNTS
from streams.topics import Names
from streams.wire.members import member_bytes
from streams.wire.references import (
    Document,
    campaign_bytes,
    canonical,
    product_bytes,
    programme_bytes,
    store_bytes,
)

CODEC = committed()
NAMES = Names()
HOUSEHOLDS = 20  # One in so many shops.
LIGHT, FULL = 10, 1000
LOTS_MOST = 100
# Where decoding a receipt costs 50 µs: 500, 400 and 150 µs.
GOALS = {"intake and route": 10.0, "settle": 8.0, "marketing": 3.0}


def shop(*, quick: bool) -> tuple[Dataset | OfflineShop, int]:
    """Give the real shop where it has been downloaded, and one in how many households to take."""
    folder = None if quick else find(default_home())
    if folder is None:
        return OfflineShop(size=2_000), 1
    return Dataset(folder), HOUSEHOLDS


def shelves(place: Dataset | OfflineShop) -> dict[str, dict[bytes, list[tuple[int, bytes]]]]:
    """Give what the shop has published: each reference from key to its versions."""
    played = documents(Wishes())
    campaigns: dict[bytes, list[tuple[int, bytes]]] = {}
    for each in played.campaigns:
        written = _published(each.campaign, each)
        versions = campaigns.setdefault(each.campaign.encode(), [])
        versions.append((written.valid_from, campaign_bytes(CODEC, written)))
    serving = _published(played.programme.programme, played.programme)
    described = {
        PRODUCTS: (product_bytes, place.products()),
        STORES: (store_bytes, place.stores()),
    }
    return {
        PROGRAMMES: {serving.id.encode(): [(serving.valid_from, programme_bytes(CODEC, serving))]},
        CAMPAIGNS: campaigns,
        **{
            name: {each.id.encode(): [(each.valid_from, write(CODEC, each))] for each in things}
            for name, (write, things) in described.items()
        },
    }


def _published(name: str, each: Any) -> Document:
    valid_from = OPENED_AT if each.valid_from is None else each.valid_from
    return Document(name, each.version, valid_from, canonical(each.document), OPENED_AT)


class Inputs:
    """What comes in: members, and receipts of some of them as tills write them."""

    def __init__(self, place: Dataset | OfflineShop, one_in: int) -> None:
        members = [each for each in place.members() if each.household % one_in == 0]
        known = {each.card for each in members} | {each.phone for each in members}
        self.members = [
            (each.account.encode(), member_bytes(CODEC, registration(each)), OPENED_AT)
            for each in members
        ]
        self.receipts = [
            (sale.id.encode(), CODEC.encode("Receipt", fields(sale)), sale.sold_at)
            for sale in place.receipts()
            if (sale.card or sale.phone) in known
        ]


class Pipeline:
    """
    The stages in a row.

    Attributes:
        spent: CPU of each stage in µs: all, and of batches of accounts of few lots.
        taken: Receipts that are in them.
    """

    def __init__(self, published: dict[str, dict[bytes, list[tuple[int, bytes]]]]) -> None:
        settings = Settings.model_validate({})
        declared = [stage for app in APPS for stage in app_of(app, settings, CODEC).stages]
        self.stages = {
            stage.name: StageDriver(
                stage, {name: published[name] for name in stage.references if name in published}
            )
            for stage in declared
        }
        self.spent: dict[str, float] = {}
        self.taken: dict[str, int] = {}
        self._offsets: dict[str, int] = {}

    def run(self, topic: str, inputs: Sequence[tuple[bytes, bytes, int]], batch: int) -> None:
        """Send *inputs* to *topic*, *batch* at a time, and run all stages to the end of each."""
        for start in range(0, len(inputs), batch):
            some = [self._record(topic, *each) for each in inputs[start : start + batch]]
            out = self._to_the_end("intake", some, NAMES.receipts)
            out = self._to_the_end("route", out, NAMES.routes)
            keys = {each.key for each in out if each.topic == NAMES.commands}
            before = self.spent.get("settle", 0.0)
            out = self._to_the_end("settle", out, NAMES.commands)
            self._note("settle", self.spent["settle"] - before, len(some), keys)
            published = (NAMES.bonuses, NAMES.accounts)
            self._stage("marketing", [each for each in out if each.topic in published])

    def _note(self, stage: str, spent: float, receipts: int, keys: set[bytes | None]) -> None:
        """Count a batch; once more where all its accounts have few lots."""
        self.taken[""] = self.taken.get("", 0) + receipts
        rows = self.stages[stage]._store.tables[ACCOUNTS.name]  # noqa: SLF001 - A copy of all is slow.
        lots = [len(account_from(rows[key]).lots) for key in keys if key in rows]
        if max(lots, default=0) <= LOTS_MOST:
            self.spent["few"] = self.spent.get("few", 0.0) + spent
            self.taken["few"] = self.taken.get("few", 0) + receipts

    def _to_the_end(self, stage: str, records: list[Record], topic: str) -> list[Record]:
        """Run *stage* until it sends itself nothing more; give what it and others sent on."""
        found = [each for each in records if stage != "intake" and each.topic != topic]
        mine = [each for each in records if each not in found] if found else records
        while mine:
            out = self._stage(stage, mine)
            mine = [each for each in out if each.topic == topic]
            found += [each for each in out if each.topic != topic]
        return found

    def _stage(self, stage: str, records: list[Record]) -> list[Record]:
        driver = self.stages[stage]
        driver.outputs.clear()
        start = time.thread_time_ns()
        outputs = driver.run(records, batch_records_max=len(records) or 1)
        spent = (time.thread_time_ns() - start) / 1000
        self.spent[stage] = self.spent.get(stage, 0.0) + spent
        for each in outputs:
            if each.topic == NAMES.resolutions:
                self.stages["route"].references[RESOLUTIONS].publish(each.key, each.value)
        return [self._record(each.topic, each.key, each.value, 0, each.headers) for each in outputs]

    def _record(
        self, topic: str, key: bytes | None, value: bytes | None, at: int, headers: Any = ()
    ) -> Record:
        offset = self._offsets[topic] = self._offsets.get(topic, -1) + 1
        return Record(topic, 0, offset, at, key, value, headers)


def decoding(receipts: Sequence[tuple[bytes, bytes, int]]) -> float:
    """Measure µs of CPU that a plain loop of fastavro needs to decode a receipt."""
    schema = next(each for each in catalogue() if each.record == "Receipt")
    parsed = fastavro.parse_schema(json.loads(json.dumps(schema.tree)))
    bodies = [value[HEADER.size :] for _, value, _ in receipts]
    start = time.thread_time_ns()
    for body in bodies:
        fastavro.schemaless_reader(io.BytesIO(body), parsed)
    return (time.thread_time_ns() - start) / len(bodies) / 1000


def rounds(receipts: Sequence[Any], batch: int) -> Iterator[Sequence[Any]]:
    """Cut the year into a few parts of whole batches, between which decoding is measured."""
    size = max(batch, -(-len(receipts) // 8 // batch) * batch)
    for start in range(0, len(receipts), size):
        yield receipts[start : start + size]


def measured(inputs: Inputs, published: Any, batch: int, name: str) -> dict[str, dict[str, Any]]:
    """Run the year in batches of *batch* receipts."""
    pipeline = Pipeline(published)
    pipeline.run(NAMES.members, inputs.members, FULL)
    pipeline.spent.clear()
    pipeline.taken.clear()
    gc.collect()
    gc.freeze()
    decoded = []
    for some in rounds(inputs.receipts, batch):
        decoded.append(decoding(some))
        pipeline.run(NAMES.receipts, some, batch)
    gc.unfreeze()
    base = sum(decoded) / len(decoded)
    count, few = pipeline.taken[""], pipeline.taken.get("few", 0)
    spent = {stage: each / count for stage, each in pipeline.spent.items() if stage != "few"}
    figures = {
        "intake and route": spent["intake"] + spent["route"],
        "settle, all accounts": spent["settle"],
        "marketing": spent["marketing"],
    }
    if few:
        figures[f"settle, up to {LOTS_MOST} lots"] = pipeline.spent["few"] / few
    return {
        f"{stage}, batches of {batch}": measure(
            value, base, GOALS.get(stage, GOALS["settle"] if "up to" in stage else None), name
        )
        for stage, value in figures.items()
    }


def measure(value: float, decode: float, goal: float | None, name: str) -> dict[str, Any]:
    """Write one measure."""
    ratio = value / decode
    return {
        "value": round(value, 1),
        "unit": f"µs of CPU a receipt of {name}; beside: fastavro decodes it",
        "baseline": round(decode, 1),
        "ratio": round(ratio, 2),
        "goal": None if goal is None else f"≤ {goal:.0f}× decoding",
        "met": None if goal is None else ratio <= goal,
    }


def run(*, quick: bool = False) -> dict[str, dict[str, Any]]:
    """Measure light and full load."""
    place, one_in = shop(quick=quick)
    inputs, published = Inputs(place, one_in), shelves(place)
    found: dict[str, dict[str, Any]] = {}
    for batch in (LIGHT, FULL):
        found |= measured(inputs, published, batch, place.name)
    return found


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv), indent=2, ensure_ascii=False))
