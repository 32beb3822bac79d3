"""Erasing a member deletes the digests that named them, wherever those are kept."""

import pytest

from connectors.pos import Sale, SaleLine
from connectors.pos.documents import fields
from streams.core.ownership import home
from streams.identifiers import Digester
from streams.sandbox.members import OPENED_AT, member_of, registration
from streams.settings import Settings
from streams.tables import ACCOUNTS, OWNERS
from streams.wire import messages
from streams.wire.envelopes import Message, command_bytes
from streams.wire.members import member_bytes
from tests.support.offline_pipeline import CODEC, NAMES, OfflinePipeline

SETTINGS = Settings.model_validate({})
DIGESTER = Digester(SETTINGS.identifier_key.get_secret_value().encode(), SETTINGS.region)
ANNA, BORIS = member_of(1), member_of(2)
DAY = 86_400_000
NOW = 1_488_380_400_000


@pytest.fixture
def pipeline():
    """Give a pipeline in which Anna and Boris are members."""
    running = OfflinePipeline()
    for member in (ANNA, BORIS):
        tell(running, registration(member, OPENED_AT))
    return running


def tell(pipeline, event):
    """Send a member event, and let the stages settle it."""
    key = event["account"].encode()
    pipeline.send(NAMES.members, member_bytes(CODEC, event), key=key, at=event["at"])
    pipeline.run()


def command(pipeline, name, body, key, at=NOW):
    """Send a command to an account, and let the stages settle it."""
    pipeline.send(NAMES.commands, command_bytes(CODEC, Message(name, at, body)), key=key.encode())
    pipeline.run()


def erase(pipeline, member, at=NOW, **more):
    """Let the CRM erase *member*."""
    tell(pipeline, {"id": f"erase {member.account}", "kind": "erase", "account": member.account,
                    "at": at} | more)  # fmt: skip


def digest(kind, value):
    """Hide an identifier as intake does."""
    return DIGESTER.digest(kind, value).digest


def owners(pipeline):
    """Give by digest the accounts that the settle stage keeps as its owners."""
    stored = pipeline.stages["settle"]._store.tables[OWNERS.name]
    return {
        key.decode(): [each.account for each in OWNERS.read(value).intervals]
        for key, value in stored.items()
    }


def routed(pipeline):
    """Give the digests that the routers know."""
    return {key.decode() for key, _ in pipeline.stages["route"].references["resolutions"].scan()}


def account(pipeline, name):
    """Give an account as the settle stage keeps it."""
    stored = pipeline.stages["settle"]._store.tables[ACCOUNTS.name]
    return ACCOUNTS.read(stored[name.encode()])


def test_nobody_owns_what_named_an_erased_member(pipeline):
    """State and routers forget; other members are as they were, and points go nowhere."""
    named = {digest("card", ANNA.card), digest("phone", ANNA.phone)}
    assert named < set(owners(pipeline))
    before = {d: who for d, who in owners(pipeline).items() if ANNA.account not in who}
    erase(pipeline, ANNA)

    assert owners(pipeline) == before
    assert routed(pipeline) == set(before)
    assert account(pipeline, ANNA.account).identifiers == ()
    lines = (SaleLine("no product of the shop", 1_000),)
    sale = Sale(id="s", store="9", till="1", sold_at=NOW + DAY, lines=lines, card=ANNA.card)
    value = CODEC.encode("Receipt", fields(sale))
    pipeline.send(NAMES.receipts, value, key=b"s", at=NOW + DAY)
    pipeline.run()
    assert [rule.points for rule in pipeline.results("s")[-1].rules] == []


def test_a_card_passed_on_stays_with_its_owner_of_today(pipeline):
    """Only what it knew of the erased member is deleted."""
    card = digest("card", ANNA.card)
    tell(pipeline, {"id": "lost", "kind": "replace_card", "account": ANNA.account, "at": NOW,
                    "replaced_cards": [ANNA.card]})  # fmt: skip
    tell(pipeline, {"id": "found", "kind": "update", "account": BORIS.account, "at": NOW + DAY,
                    "cards": [ANNA.card]})  # fmt: skip
    assert owners(pipeline)[card] == [ANNA.account, BORIS.account]
    erase(pipeline, ANNA, NOW + 2 * DAY)

    assert owners(pipeline)[card] == [BORIS.account]
    assert card in routed(pipeline)
    assert digest("phone", ANNA.phone) not in owners(pipeline)


def test_an_account_that_was_merged_is_forgotten_with_its_survivor(pipeline):
    """Also one that came in by another: all are one member by then."""
    tell(pipeline, registration(member_of(3), OPENED_AT))
    command(pipeline, "m", messages.Merge(BORIS.account), ANNA.account)
    command(pipeline, "n", messages.Merge(member_of(3).account), BORIS.account, NOW + 1)
    erase(pipeline, member_of(3), NOW + DAY)

    assert owners(pipeline) == {}
    assert routed(pipeline) == set()
    for member in (ANNA, BORIS):
        pointer = account(pipeline, member.account)
        assert (pointer.identifiers, pointer.born) == ((), None)
        assert pointer.merged_into is not None


def test_a_claim_that_is_granted_to_an_erased_account_is_forgotten(pipeline):
    """The home account grants it without knowing; the account answers with its erasure."""
    erase(pipeline, ANNA)
    late = messages.Claim("d" * 64, ANNA.account)
    command(pipeline, "late", late, home("d" * 64), NOW + DAY)
    assert "d" * 64 not in owners(pipeline)


def test_an_erasure_forgets_the_identifiers_that_it_names(pipeline):
    """It claims none of them, and takes none from another member."""
    before = owners(pipeline)
    erase(pipeline, ANNA, cards=["a card never seen", BORIS.card])
    assert owners(pipeline) == {d: who for d, who in before.items() if ANNA.account not in who}


def test_erasing_a_pointer_erases_the_survivor(pipeline):
    """The CRM may know the member by either account."""
    command(pipeline, "m", messages.Merge(BORIS.account), ANNA.account)
    erase(pipeline, ANNA, NOW + DAY)
    assert account(pipeline, BORIS.account).status == "erased"
    assert owners(pipeline) == {}
