"""
The apps' own wiring without a broker: logs in lists, one partition, time as ticks.

Stages run one after another until none has anything left to read.  How many records a
batch holds is the caller's choice; nothing that is decided may depend on it.
"""

from schemas.codec import committed
from streams.agents.terms import CAMPAIGNS, PRODUCTS, PROGRAMMES, RESOLUTIONS, STORES
from streams.app import APPS, app_of
from streams.engine import Record
from streams.engine.driver import StageDriver
from streams.sandbox.members import OPENED_AT
from streams.sandbox.offline_shop import OfflineShop
from streams.sandbox.played import Wishes, documents
from streams.settings import Settings
from streams.topics import Names
from streams.wire.envelopes import Message, command_bytes, route_bytes
from streams.wire.messages import Tick
from streams.wire.outputs import account_from, bonus_from, notification_from
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


def shelves():
    """Give what the demo's shop has published: each reference from key to its versions."""
    played, shop = documents(Wishes()), OfflineShop()
    programme, campaigns = played.programme, played.campaigns
    published = {}
    for each in campaigns:
        document = _published(each.campaign, each)
        versions = published.setdefault(each.campaign.encode(), [])
        versions.append((document.valid_from, campaign_bytes(CODEC, document)))
    serving = _published(programme.programme, programme)
    return {
        PROGRAMMES: {serving.id.encode(): [(serving.valid_from, programme_bytes(CODEC, serving))]},
        CAMPAIGNS: published,
        PRODUCTS: {
            each.id.encode(): [(each.valid_from, product_bytes(CODEC, each))]
            for each in shop.products()
        },
        STORES: {
            each.id.encode(): [(each.valid_from, store_bytes(CODEC, each))]
            for each in shop.stores()
        },
    }


def _published(name, each):
    valid_from = OPENED_AT if each.valid_from is None else each.valid_from
    return Document(name, each.version, valid_from, canonical(each.document), OPENED_AT)


SHELVES = shelves()


def stages():
    """Give a fresh driver of each stage, by name, in the order of a record's way."""
    settings = Settings.model_validate({})
    declared = [stage for app in APPS for stage in app_of(app, settings, CODEC).stages]
    return {
        stage.name: StageDriver(
            stage, {name: SHELVES[name] for name in stage.references if name in SHELVES}
        )
        for stage in declared
    }


class OfflinePipeline:
    """Every stage, and the log of every topic."""

    def __init__(self):
        self.stages = stages()
        self.logs = {}
        self._read = {}

    def send(self, topic, value, *, key=b"any", at=0, headers=()):
        """Append a record to the log of *topic*."""
        log = self.logs.setdefault(topic, [])
        log.append(Record(topic, 0, len(log), at, key, value, headers))

    def tick(self, at):
        """Append the clock's tick to the logs that it goes to."""
        name = f"tick-{at}"
        self.send(NAMES.routes, route_bytes(CODEC, Message(name, at, Tick(at))), key=None)
        self.send(NAMES.commands, command_bytes(CODEC, Message(name, at, Tick(at))), key=None)

    def run(self, *names):
        """Run all stages, or those named alone, until they have read their logs to the end."""
        while sum(self._step(name) for name in names or self.stages):
            pass

    def history(self, stage):
        """Give all that *stage* has read so far, topic by topic."""
        return [
            record
            for topic in self.stages[stage].stage.sources
            for record in self.logs.get(topic, [])
        ]

    def values(self, topic):
        """Give the values in the log of *topic*."""
        return [each.value for each in self.logs.get(topic, [])]

    def bonuses(self):
        """Give every result, in order."""
        return [bonus_from(CODEC, value) for value in self.values(NAMES.bonuses)]

    def results(self, document):
        """Give all results of *document*, in order."""
        return [each for each in self.bonuses() if each.document == document]

    def account(self, name):
        """Give the newest snapshot of an account, or None."""
        published = [account_from(CODEC, value) for value in self.values(NAMES.accounts)]
        return next((each for each in reversed(published) if each.account == name), None)

    def told(self):
        """Give every notification."""
        return [notification_from(CODEC, value) for value in self.values(NAMES.notifications)]

    def _step(self, name):
        driver = self.stages[name]
        fresh = []
        for topic in driver.stage.sources:
            log = self.logs.get(topic, [])
            fresh += log[self._read.get((name, topic), 0) :]
            self._read[name, topic] = len(log)
        for output in driver.run(fresh):
            self._publish(output)
        return bool(fresh)

    def _publish(self, output):
        self.send(output.topic, output.value, key=output.key, headers=output.headers)
        if output.topic == NAMES.resolutions:
            self.stages["route"].references[RESOLUTIONS].publish(output.key, output.value)


def replayed(pipeline, name, cuts=(), *, attempts=1):
    """
    Run a fresh stage *name* over what it has read in *pipeline*, in batches of *cuts* records.

    What the cuts leave over is one batch.  Of every batch that was cut, all *attempts* but
    the last are lost, as by a crash before their commit.  What the route stage knows of
    owners is what it knew in the end.

    Returns:
        The stage's driver.
    """
    driver = stages()[name]
    if RESOLUTIONS in driver.references:
        driver.references[RESOLUTIONS] = pipeline.stages[name].references[RESOLUTIONS]
    left = pipeline.history(name)
    for cut in cuts:
        if not left:
            break
        batch, left = left[:cut], left[cut:]
        for _ in range(attempts - 1):
            driver.attempt(batch)
        driver.run(batch)
    driver.run(left)
    return driver
