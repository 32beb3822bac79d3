"""
The shipped scenarios on the stages themselves, without a broker.

A scenario plays on the core in memory.  Whatever a till, an office or the clock does in
it is sent to the real stages here, and must end in the same answers and balances.
"""

from pathlib import Path

import pytest

from streams.core.balances import balances
from streams.core.lots import condition_text
from streams.identifiers import Digester
from streams.scenarios import playing, world
from streams.scenarios.document import read_scenario, scenario_files
from streams.scenarios.playing import Player
from streams.scenarios.world import World
from streams.settings import Settings
from streams.wire import messages
from streams.wire.envelopes import Message, command_bytes
from streams.wire.references import (
    Described,
    Document,
    campaign_bytes,
    canonical,
    product_bytes,
    programme_bytes,
    store_bytes,
)
from tests.support import offline_pipeline
from tests.support.offline_pipeline import (
    CAMPAIGNS,
    CODEC,
    NAMES,
    PRODUCTS,
    PROGRAMMES,
    STORES,
    OfflinePipeline,
)

FOLDER = Path(__file__).parents[2] / "scenarios"
SETTINGS = Settings.model_validate({})
DIGESTER = Digester(SETTINGS.identifier_key.get_secret_value().encode(), SETTINGS.region)
# What the stages don't serve yet, or what is sent to them another way.
UNSERVED = {"hold", "confirm", "release", "publish", "register", "unmerge", "quote"}


def served(scenario):
    """Tell whether the stages serve all that happens in *scenario*."""
    return (
        not UNSERVED & {step.verb for step in scenario.steps}
        and not any("points" in step.fields and step.verb == "sale" for step in scenario.steps)
        and all(each.limits.campaign_amount is None for each in scenario.campaigns)
    )


SCENARIOS = [each for each in map(read_scenario, scenario_files(FOLDER)) if served(each)]


def shelves(scenario):
    """Publish what the scenario tells of."""

    def published(name, each):
        return Document(name, each.version, each.valid_from or 0, canonical(each.document), 0)

    def described(goods):
        return {
            sku: Described(sku, 0, attributes_of(attributes)) for sku, attributes in goods.items()
        }

    programme = published(scenario.programme.programme, scenario.programme)
    campaigns = {}
    for each in scenario.campaigns:
        document = published(each.campaign, each)
        versions = campaigns.setdefault(each.campaign.encode(), [])
        versions.append((document.valid_from, campaign_bytes(CODEC, document)))
    return {
        PROGRAMMES: {programme.id.encode(): [(0, programme_bytes(CODEC, programme))]},
        CAMPAIGNS: campaigns,
        PRODUCTS: {
            sku.encode(): [(0, product_bytes(CODEC, each))]
            for sku, each in described(scenario.products).items()
        },
        STORES: {
            name.encode(): [(0, store_bytes(CODEC, each))]
            for name, each in described(scenario.stores).items()
        },
    }


def attributes_of(plain):
    """Take lists as sets; a price is the line's."""
    return {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in plain.items()
        if key != "price" and not isinstance(value, dict)
    }


class OnStages:
    """Sends on to a pipeline what a world is told."""

    def __init__(self, pipeline, monkeypatch):
        self.pipeline = pipeline
        for name in ("receive", "register", "tell", "adjust", "set_status", "merge",
                     "time_passes", "offer", "grant_tier"):  # fmt: skip
            self._follow(name, monkeypatch)

    def _follow(self, name, monkeypatch):
        told = getattr(World, name)
        send = getattr(self, name)

        def both(played, *arguments, **named):
            send(*arguments, **named)
            self.pipeline.run()
            return told(played, *arguments, **named)

        monkeypatch.setattr(World, name, both)

    def receive(self, plain, accepted_at, **_):
        """Send a till's document."""
        value = CODEC.encode("Receipt", plain)
        self.pipeline.send(NAMES.receipts, value, key=plain["id"].encode(), at=accepted_at)

    def register(self, document, account, identifiers, at, *, person=None, replaced=()):
        """Let the home accounts of a member's identifiers know."""
        assert not replaced
        for place, each in enumerate(identifiers):
            claim = messages.Claim(each.digest, account, person)
            self.command(f"{document} {place}", at, claim, "~" + each.digest)

    def tell(self, account, *, born=None, attributes=None):
        """Send what the CRM knows."""
        facts = messages.MemberFacts(born=born, attributes=attributes or {})
        self.command(f"facts {account}", 0, facts, account)

    def adjust(self, adjustment):
        """Send an adjustment."""
        terms = adjustment.terms
        body = messages.Adjustment(
            adjustment.points,
            adjustment.currency,
            adjustment.actor,
            adjustment.approver,
            adjustment.reason,
            messages.Terms(
                terms.class_,
                condition_text(terms.spendable_on),
                condition_text(terms.delay),
                condition_text(terms.valid),
            ),
            adjustment.allow_debt,
        )
        self.command(adjustment.id, adjustment.at, body, adjustment.account)

    def set_status(self, change):
        """Send a change of status."""
        self.command(change.id, change.at, messages.StatusChange(change.status), change.account)

    def merge(self, document, giver, into, at):
        """Send a merge to the account that gives."""
        self.command(document, at, messages.Merge(into), giver)

    def time_passes(self, at):
        """Send the clock's tick."""
        self.pipeline.tick(at)

    def offer(self, account, campaign):
        """Send a personal offer."""
        self.command(f"offer {campaign}", 0, messages.Offer(campaign), account)

    def grant_tier(self, account, floor):
        """Send a tier by hand."""
        self.command(f"tier {account}", 0, messages.TierGrant(floor), account)

    def command(self, name, at, body, account):
        """Send a command to an account."""
        value = command_bytes(CODEC, Message(name, at, body))
        self.pipeline.send(NAMES.commands, value, key=account.encode())


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.file.split("scenarios/")[1])
def test_the_stages_end_where_the_scenario_does(scenario, monkeypatch):
    """Every till's document has the same last answer, every member the same balances."""
    monkeypatch.setattr(offline_pipeline, "SHELVES", shelves(scenario))
    for module in (playing, world):
        monkeypatch.setattr(module, "DIGESTER", DIGESTER)
    pipeline = OfflinePipeline()
    OnStages(pipeline, monkeypatch)
    player = Player(scenario)
    for step in scenario.steps:
        player.play(step)

    for answer in player.world.answers:
        if answer.result.kind != "receipt":
            continue
        name = answer.result.document
        wanted = player.world.history.results.get(name, answer.result)
        found = pipeline.results(name)
        assert (wanted.status, wanted.code, wanted.refund, wanted.rules) in [
            (each.status, each.code, each.refund, each.rules) for each in found
        ], name
    # No stage ticks an account: there lots end when somebody looks.
    looked = not player.world.history.tick_results
    for account in set(player.accounts.values()) if looked else ():
        held = player.world.account(account)
        shown = pipeline.account(held.id)
        if held.version:
            assert shown.balances == balances(held)
            assert shown.status == held.status


def test_most_scenarios_are_served():
    """So that the two cannot part unseen."""
    assert len(SCENARIOS) >= 60
