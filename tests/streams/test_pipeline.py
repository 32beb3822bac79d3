"""The stages in a row, as the apps wire them, without a broker: whose, how much, told what."""

from itertools import repeat

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.pos import Exchange, Redeem, Return, ReturnLine, Sale, SaleLine, Void
from connectors.pos.documents import fields
from streams.core.notices import REMIND_DAYS
from streams.core.ownership import is_home
from streams.sandbox.members import OPENED_AT, member_of, registration
from streams.topics import dead_letters
from streams.wire import messages
from streams.wire.dead_letters import reason_from
from streams.wire.envelopes import Message, command_bytes, command_from
from streams.wire.members import member_bytes
from tests.support.offline_pipeline import CODEC, NAMES, OfflinePipeline, replayed

NOW = 1_488_380_400_000  # 2017-03-01 15:00 UTC
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
SKU = "no product of the shop"
ANNA, BORIS = member_of(1), member_of(2)
STAGES = ("intake", "route", "settle", "marketing")


@pytest.fixture
def pipeline():
    """Give a pipeline in which Anna and Boris are members."""
    running = OfflinePipeline()
    register(running, ANNA)
    register(running, BORIS)
    running.run()
    return running


def register(pipeline, member, at=OPENED_AT, **changed):
    """Send the event of *member* joining."""
    event = registration(member, at) | changed
    pipeline.send(NAMES.members, member_bytes(CODEC, event), key=member.account.encode(), at=at)


def send(pipeline, *documents, at=None):
    """Send documents, accepted when sold unless *at* says otherwise."""
    for each in documents:
        accepted = each.sold_at if at is None else at
        value = CODEC.encode("Receipt", fields(each))
        pipeline.send(NAMES.receipts, value, key=each.id.encode(), at=accepted)


def sale(name, *lines, at=NOW, **changed):
    """Build Anna's sale of the amounts *lines*."""
    goods = tuple(SaleLine(SKU, each) if isinstance(each, int) else each for each in lines)
    given = {"id": name, "store": "9", "till": "1", "sold_at": at, "lines": goods}
    return Sale(**given | {"card": ANNA.card} | changed)


def back(name, *lines, at=NOW, **changed):
    """Build a return of (receipt, line) pairs, by nobody's card."""
    goods = tuple(ReturnLine(SKU, 1000, receipt, line) for receipt, line in lines)
    return Return(
        **{"id": name, "store": "9", "till": "1", "sold_at": at, "lines": goods} | changed
    )


def bonus(result):
    """Give the bonus points that *result* paid."""
    return sum(rule.points for rule in result.rules if rule.rule == "base")


def available(pipeline, account):
    """Give the bonus points that an account can spend."""
    balances = {each.currency: each for each in pipeline.account(account).balances}
    return balances["bonus"].available if "bonus" in balances else 0


def outcomes(pipeline, document):
    """Give status and code of all results of *document*, in order."""
    return [(each.status, each.code) for each in pipeline.results(document)]


# --- Whose -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("named", "account", "flags"),
    [
        ({"card": ANNA.card}, ANNA.account, ()),
        ({"card": None, "phone": ANNA.phone}, ANNA.account, ()),
        ({"card": None, "phone": "(201) 555-0100"}, ANNA.account, ()),
        ({"card": ANNA.card, "phone": ANNA.phone}, ANNA.account, ()),
        ({"card": ANNA.card, "phone": BORIS.phone}, ANNA.account, ("IDENTITY_MISMATCH",)),
        ({"card": "unknown", "phone": BORIS.phone}, BORIS.account, ()),
        ({"card": None}, None, ()),
    ],
)
def test_a_sale_goes_to_whom_its_identifiers_name_the_card_first(pipeline, named, account, flags):
    """An identifier that somebody owns wins over one that nobody owns."""
    send(pipeline, sale("s", 1234, **named))
    pipeline.run()

    (result,) = pipeline.results("s")
    assert (result.status, result.account, result.flags) == ("ok", account, flags)
    if account is None:
        assert result.rules == ()
    else:
        assert (bonus(result), available(pipeline, account)) == (12, 12)


def test_an_unknown_cards_points_are_held_and_nobody_is_told(pipeline):
    """Its account is the home of the card's digest."""
    send(pipeline, sale("s", 1234, card="unknown"))
    pipeline.run()

    (result,) = pipeline.results("s")
    assert is_home(result.account)
    snapshot = pipeline.account(result.account)
    assert snapshot.status == "provisional"
    assert [(each.held, each.available) for each in snapshot.balances] == [(12, 0)]
    assert pipeline.told() == []


def test_registering_a_card_releases_what_it_has_earned(pipeline):
    """The home account becomes a pointer; points and their lots move."""
    send(pipeline, sale("s", 1234, card="unknown"))
    pipeline.run()
    name = pipeline.results("s")[0].account
    (lot,) = pipeline.account(name).lots
    register(pipeline, ANNA, NOW + DAY, id="second card", cards=["unknown"])
    pipeline.run()

    pointer, anna = pipeline.account(name), pipeline.account(ANNA.account)
    assert (pointer.merged_into, pointer.lots) == (ANNA.account, ())
    assert available(pipeline, ANNA.account) == 12
    (moved,) = anna.lots
    assert (moved.id, moved.remaining, moved.expires_at) == (lot.id, 12, lot.expires_at)
    assert (moved.origin, moved.held) == (name, False)


def test_a_receipt_that_was_routed_before_the_registration_follows_the_pointer(pipeline):
    """It was on its way to the home account when that was merged, and settles once."""
    send(pipeline, sale("first", 1234, card="unknown"))
    pipeline.run()
    name = pipeline.results("first")[0].account
    register(pipeline, ANNA, NOW + DAY, id="second card", cards=["unknown"])
    pipeline.run("intake")
    send(pipeline, sale("straggler", 2000, card="unknown"))
    pipeline.run("intake", "route")
    pipeline.run()

    (result,) = pipeline.results("straggler")
    assert (result.status, result.account, bonus(result)) == ("ok", ANNA.account, 20)
    assert available(pipeline, ANNA.account) == 32
    passed_on = [
        command.via
        for command in (command_from(CODEC, value) for value in pipeline.values(NAMES.commands))
        if command.id == "straggler"
    ]
    assert passed_on == [(), (name,)]


def test_a_return_of_what_a_card_bought_before_it_was_registered_goes_to_its_member(pipeline):
    """The pointer hands the sold lines over with it."""
    send(pipeline, sale("s", 1234, card="unknown"))
    pipeline.run()
    register(pipeline, ANNA, NOW + DAY, id="second card", cards=["unknown"])
    pipeline.run()
    send(pipeline, back("r", ("s", 1), at=NOW + 2 * DAY))
    pipeline.run()

    (result,) = pipeline.results("r")
    assert (result.status, result.account, result.refund.money) == ("ok", ANNA.account, 1234)
    assert [each.clawed for each in result.lines] == [12]
    assert available(pipeline, ANNA.account) == 0


def test_a_card_that_somebody_owns_is_refused_to_another(pipeline):
    """The claim is answered; the card goes on naming its first owner."""
    register(pipeline, BORIS, NOW, id="greedy", cards=[ANNA.card])
    send(pipeline, sale("s", 1234))
    pipeline.run()

    refused = [
        (each.account, each.code)
        for each in pipeline.bonuses()
        if each.kind == "claim" and each.status == "refused"
    ]
    assert refused == [(BORIS.account, "IDENTIFIER_TAKEN")]
    assert pipeline.results("s")[0].account == ANNA.account


def test_a_repeated_registration_changes_nothing(pipeline):
    """No result, no snapshot, no change of an owner."""
    before = {topic: len(log) for topic, log in pipeline.logs.items()}
    register(pipeline, ANNA)
    pipeline.run()

    after = {topic: len(log) for topic, log in pipeline.logs.items()}
    for topic in (NAMES.bonuses, NAMES.accounts, NAMES.resolutions, NAMES.notifications):
        assert after.get(topic, 0) == before.get(topic, 0), topic


# --- Again ------------------------------------------------------------------------------


def test_a_document_sent_again_is_answered_with_the_same_bytes_and_posts_nothing(pipeline):
    """Whenever it comes: its acceptance is no part of its content."""
    first = sale("s", 1234)
    send(pipeline, first)
    pipeline.run()
    version = pipeline.account(ANNA.account).version
    send(pipeline, first, at=NOW + 90 * DAY)
    pipeline.run()

    stored, again = pipeline.values(NAMES.bonuses)
    assert again == stored
    assert pipeline.account(ANNA.account).version == version


@pytest.mark.parametrize("changed", [{"till": "2"}, {"card": BORIS.card}, {"card": None}])
def test_other_content_under_a_known_id_is_a_conflict_and_touches_no_account(pipeline, changed):
    """The stored result stays the document's."""
    first = sale("s", 1234)
    send(pipeline, first, sale("s", 1234, **changed), first)
    pipeline.run()

    answers = pipeline.results("s")
    conflicts = [each for each in answers if each.status == "conflict"]
    stored = [each for each in answers if each.status == "ok"]
    assert [each.code for each in conflicts] == ["CONFLICT"]
    assert len(stored) == 2
    assert stored[0] == stored[1]
    assert available(pipeline, ANNA.account) == 12
    assert pipeline.account(BORIS.account).version == 0


def test_an_id_is_free_again_after_a_document_that_could_not_be_read(pipeline):
    """MALFORMED is answered beside, under a result id of its own."""
    card_number = "4111111111111111"
    send(pipeline, sale("s", 1234, till=card_number))
    pipeline.run()
    send(pipeline, sale("s", 1234))
    pipeline.run()

    assert outcomes(pipeline, "s") == [("refused", "MALFORMED"), ("ok", None)]
    malformed, good = pipeline.results("s")
    assert malformed.result_id != good.result_id
    (letter,) = pipeline.logs[dead_letters(NAMES.receipts)]
    reason = reason_from(letter.headers)
    assert (reason.code, reason.document, reason.withheld) == ("CARD_DATA", "s", True)
    assert letter.value is None


# --- Returns ----------------------------------------------------------------------------


def test_a_return_goes_to_the_owner_of_what_was_sold_whoever_shows_a_card(pipeline):
    """Boris brings back what Anna bought: Anna's points go."""
    send(pipeline, sale("s", 1234, 500))
    pipeline.run()
    send(pipeline, back("r", ("s", 1), card=BORIS.card, at=NOW + DAY))
    pipeline.run()

    (result,) = pipeline.results("r")
    assert (result.account, result.refund.money) == (ANNA.account, 1234)
    assert available(pipeline, ANNA.account) == 5
    assert pipeline.account(BORIS.account).version == 0


def test_a_return_before_its_sale_waits_and_settles_right_after_it(pipeline):
    """It ends where the order of the shop would have ended."""
    send(pipeline, back("r", ("s", 1), at=NOW + HOUR))
    pipeline.run()
    assert outcomes(pipeline, "r") == [("deferred", "ORIGINAL_UNKNOWN")]
    send(pipeline, sale("s", 1234), at=NOW + DAY)
    pipeline.run()

    assert outcomes(pipeline, "r") == [("deferred", "ORIGINAL_UNKNOWN"), ("ok", None)]
    assert outcomes(pipeline, "s") == [("ok", None)]
    assert pipeline.results("r")[-1].refund.money == 1234
    assert available(pipeline, ANNA.account) == 0
    in_order = OfflinePipeline()
    register(in_order, ANNA)
    register(in_order, BORIS)
    in_order.run()
    send(in_order, sale("s", 1234), back("r", ("s", 1), at=NOW + HOUR))
    in_order.run()
    assert in_order.account(ANNA.account) == pipeline.account(ANNA.account)


def test_a_return_of_what_was_never_sold_ends_thirty_days_after_its_acceptance(pipeline):
    """Not a minute before; then no original settles it, and sent again it hears the same."""
    unmatched = back("r", ("s", 1), at=NOW)
    send(pipeline, unmatched)
    pipeline.run()
    pipeline.tick(NOW + 30 * DAY - MINUTE)
    pipeline.run()
    waiting = outcomes(pipeline, "r")
    pipeline.tick(NOW + 30 * DAY)
    pipeline.run()
    ended = outcomes(pipeline, "r")
    send(pipeline, sale("s", 1234), unmatched, at=NOW + 30 * DAY - MINUTE)
    pipeline.run()

    assert waiting == [("deferred", "ORIGINAL_UNKNOWN")]
    assert ended == [*waiting, ("refused", "RETURN_UNMATCHED")]
    assert outcomes(pipeline, "r") == [*ended, ("refused", "RETURN_UNMATCHED")]
    assert available(pipeline, ANNA.account) == 12


def test_an_anonymous_sale_has_no_account_and_its_return_finds_its_lines(pipeline):
    """It is kept under its own id."""
    send(pipeline, sale("s", 1234, card=None))
    pipeline.run()
    send(pipeline, back("r", ("s", 1), at=NOW + DAY))
    pipeline.run()

    (sold,), (returned,) = pipeline.results("s"), pipeline.results("r")
    assert (sold.account, sold.entries, sold.balances) == (None, (), ())
    assert (returned.status, returned.account, returned.refund.money) == ("ok", None, 1234)


def test_an_exchange_across_owners_settles_in_parts(pipeline):
    """Anna's and Boris's goods come back in one document, and Boris buys."""
    send(pipeline, sale("a", 1200), sale("b", 3300, card=BORIS.card))
    pipeline.run()
    swap = Exchange(
        id="x",
        store="9",
        till="1",
        sold_at=NOW + DAY,
        returned=(ReturnLine(SKU, 1000, "a", 1), ReturnLine(SKU, 1000, "b", 1)),
        sold=(SaleLine(SKU, 5000),),
        card=BORIS.card,
    )
    send(pipeline, swap)
    pipeline.run()
    parts = {each.document: each for each in pipeline.bonuses() if each.document.startswith("x#")}

    assert pipeline.results("x") == []
    assert {name: (each.account, each.refund.money) for name, each in parts.items()} == {
        "x#1": (ANNA.account, 1200),
        "x#2": (BORIS.account, 3300),
    }
    assert (available(pipeline, ANNA.account), available(pipeline, BORIS.account)) == (0, 50)


@pytest.mark.parametrize("merged", [False, True])
def test_what_a_split_exchange_sold_comes_back(pipeline, merged):
    """The return names the document that is on the paper, and settles at the part's owner."""
    send(pipeline, sale("a", 1200))
    pipeline.run()
    swap = Exchange(
        id="x",
        store="9",
        till="1",
        sold_at=NOW + DAY,
        returned=(ReturnLine(SKU, 1000, "a", 1),),
        sold=(SaleLine(SKU, 5000),),
        card=BORIS.card,
    )
    send(pipeline, swap)
    pipeline.run()
    if merged:
        merge = Message("m", NOW + DAY, messages.Merge(ANNA.account))
        pipeline.send(NAMES.commands, command_bytes(CODEC, merge), key=BORIS.account.encode())
        pipeline.run()
    sold = next(
        each.n for record in pipeline.bonuses() if record.document == "x#2" for each in record.lines
    )
    send(pipeline, back("r", ("x", sold), at=NOW + 2 * DAY))
    send(pipeline, Void(id="v", store="9", till="1", sold_at=NOW + 3 * DAY, receipt="x"))
    pipeline.run()

    owner = ANNA.account if merged else BORIS.account
    (returned,) = pipeline.results("r")
    assert (returned.status, returned.account, returned.refund.money) == ("ok", owner, 5000)
    assert available(pipeline, owner) == 0
    assert outcomes(pipeline, "v") == [("refused", "VOID_HAS_RETURNS")]


def test_a_merge_of_what_was_merged_moves_the_points_where_they_are(pipeline):
    """Anna went into Boris; to merge Anna on takes Boris along, and all her receipts follow."""
    third = member_of(3)
    register(pipeline, third)
    send(pipeline, sale("s", 1_000))
    pipeline.run()
    for name, giver, into in (("m", ANNA, BORIS), ("n", ANNA, third), ("n", ANNA, third)):
        merge = Message(name, NOW + DAY, messages.Merge(into.account))
        pipeline.send(NAMES.commands, command_bytes(CODEC, merge), key=giver.account.encode())
        pipeline.run()
    send(pipeline, sale("t", 2_000, at=NOW + 2 * DAY))
    pipeline.run()

    assert pipeline.results("t")[0].account == third.account
    assert available(pipeline, third.account) == 30
    assert pipeline.account(BORIS.account).merged_into == third.account


def test_a_void_takes_everything_back_once(pipeline):
    """A second void of the same sale is refused."""
    send(pipeline, sale("s", 1234, 500))
    pipeline.run()
    for name in ("v1", "v2"):
        send(pipeline, Void(id=name, store="9", till="1", sold_at=NOW + HOUR, receipt="s"))
        pipeline.run()

    assert outcomes(pipeline, "v1") == [("ok", None)]
    assert outcomes(pipeline, "v2") == [("refused", "VOID_REPEATED")]
    assert pipeline.results("v1")[0].refund.money == 1734
    assert available(pipeline, ANNA.account) == 0


# --- Told ---------------------------------------------------------------------------------


def test_a_member_hears_of_points_once_and_is_reminded_before_they_expire(pipeline):
    """A document sent again tells nothing new."""
    first = sale("s", 1234)
    send(pipeline, first, first)
    pipeline.run()
    (lot,) = pipeline.account(ANNA.account).lots

    told = {each.kind: each for each in pipeline.told()}
    assert len(told) == len(pipeline.told())
    credited, expiring = told["bonus_credited"], told["points_expiring"]
    assert {each.account for each in told.values()} == {ANNA.account}
    assert (credited.receipt, credited.figures["points"]) == ("s", 12)
    assert (credited.at, credited.due_at) == (NOW, NOW)
    assert expiring.figures == {"points": 12, "at": lot.expires_at}
    assert (expiring.due_at, expiring.expires_at) == (
        lot.expires_at - REMIND_DAYS * DAY,
        lot.expires_at,
    )


def test_nobody_is_told_of_what_was_refused(pipeline):
    """Deferred, refused and conflicting documents are the till's business."""
    send(pipeline, sale("s", 1234, at=NOW), at=NOW + 31 * DAY)
    send(pipeline, back("r", ("never sold", 1)))
    pipeline.run()

    assert outcomes(pipeline, "s") == [("refused", "TOO_OLD")]
    assert pipeline.told() == []


# --- Nothing of a person, nothing of chance -------------------------------------------------


def history():
    """Play what the stages can meet, in one pipeline; give it."""
    running = OfflinePipeline()
    register(running, ANNA)
    register(running, BORIS)
    running.run()
    first = sale("s1", 12_340, 999, SaleLine("100001", 2500))
    redeem = SaleLine(SKU, 1000, redeem=(Redeem(50, currency="bonus"),))
    send(running, first, sale("u1", 4000, card="unknown"), back("early", ("late", 1)))
    send(running, sale("n1", 700, card=None), sale("b1", 9000, card=None, email="b@example.com"))
    running.run()
    send(running, first, sale("s1", 1), sale("s2", redeem, at=NOW + HOUR))
    register(running, BORIS, NOW + HOUR, id="more", cards=["unknown"], email="b@example.com")
    send(running, sale("u2", 2000, card="unknown", at=NOW + HOUR))
    running.run()
    send(
        running, back("r1", ("s1", 1), ("u1", 1), at=NOW + DAY), back("r2", ("s2", 1), at=NOW + DAY)
    )
    send(running, sale("late", 5000), back("r3", ("n1", 1), at=NOW + DAY), at=NOW + 2 * DAY)
    running.send(NAMES.receipts, b"no receipt", at=NOW)
    send(running, back("lost", ("never", 1), at=NOW + DAY))
    running.run()
    running.tick(NOW + 32 * DAY)
    running.run()
    return running


HISTORY = history()


def test_the_history_below_holds_what_it_should():
    """Else the tests that replay it would say less than they seem to."""
    results = HISTORY.bonuses()
    assert {each.status for each in results} == {"ok", "refused", "deferred", "conflict"}
    assert {"receipt", "merge"} <= {each.kind for each in results}
    assert {each.code for each in results} >= {"CONFLICT", "ORIGINAL_UNKNOWN", "RETURN_UNMATCHED"}
    assert {entry.kind for each in results for entry in each.entries} >= {
        "accrual",
        "redemption",
        "reinstatement",
        "clawback",
        "transfer",
    }
    assert {each.kind for each in HISTORY.told()} >= {"bonus_credited", "points_spent"}
    assert any("#" in each.document for each in results)
    assert HISTORY.logs[dead_letters(NAMES.receipts)]


def test_nothing_of_a_person_leaves_intake():
    """Neither in a key or header nor in a value; the topics of the inputs hold it alone."""
    personal = [ANNA.card, ANNA.phone, ANNA.name, BORIS.card, BORIS.phone, BORIS.name]
    personal += [ANNA.phone[2:], BORIS.phone[2:], ANNA.born, BORIS.born, "b@example.com"]
    inputs = {NAMES.receipts, NAMES.members}
    for topic in set(HISTORY.logs) - inputs:
        for record in HISTORY.logs[topic]:
            said = [record.key, record.value, *(value for _, value in record.headers)]
            for word in personal:
                assert not any(word.encode() in each for each in said if each), (topic, word)


def test_the_ledger_of_record_gives_every_result_and_account_again_byte_for_byte():
    """A new settle stage that reads the commands from the start ends where the old one did."""
    again = replayed(HISTORY, "settle")

    for topic in (NAMES.bonuses, NAMES.accounts):
        told = [each.value for each in again.emitted(topic)]
        kept = [each.value for each in HISTORY.stages["settle"].emitted(topic)]
        assert told == kept, topic
    for table in again.stage.tables:
        assert again.table(table) == HISTORY.stages["settle"].table(table)


@pytest.mark.parametrize("stage", STAGES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cuts=st.lists(st.integers(1, 12), max_size=40), attempts=st.integers(1, 3))
def test_how_batches_are_cut_and_how_often_they_are_tried_changes_nothing(stage, cuts, attempts):
    """Every key, value, header and row is that of one record a batch."""
    one_by_one = replayed(HISTORY, stage, repeat(1))
    otherwise = replayed(HISTORY, stage, cuts, attempts=attempts)

    assert otherwise.outputs == one_by_one.outputs
    for table in one_by_one.stage.tables:
        assert otherwise.table(table) == one_by_one.table(table)
