"""What the tills send is plausible, in order, repeatable, and counted."""

import time
from collections import Counter, defaultdict
from datetime import timedelta

import pytest

from connectors.pos import Exchange, Return, Void
from connectors.pos.documents import fields, problems
from schemas.codec import CodecError, committed
from streams.sandbox.acts import Act
from streams.sandbox.offline_shop import OfflineShop
from streams.sandbox.player import Player, Progress
from streams.sandbox.script import CHAOS, MIXED, PLAIN, Mix, script

CODEC = committed()
SALES = tuple(OfflineShop(size=6_000).receipts())
ACTS = tuple(script(SALES, mix=MIXED, seed=5, codec=CODEC))


def firsts(acts=ACTS):
    """Give the documents that are sent, each once, with when."""
    kinds = ("sale", "return", "exchange", "void")
    return {act.document.id: act for act in acts if act.kind in kinds}


def of_kind(kind, acts=ACTS):
    """Give the acts of a kind."""
    return [act for act in acts if act.kind == kind]


def test_plain_play_is_the_sales_as_they_are():
    """In their order, at their times."""
    acts = list(script(SALES, mix=PLAIN, seed=5))

    assert acts == [Act("sale", sale.sold_at, sale) for sale in SALES]


@pytest.mark.parametrize("mix", [PLAIN, MIXED, CHAOS])
def test_the_same_seed_gives_the_same_acts(mix):
    """Another seed gives others, unless nothing is mixed in."""
    acts = list(script(SALES[:1_000], mix=mix, seed=1))

    assert acts == list(script(SALES[:1_000], mix=mix, seed=1))
    assert (acts == list(script(SALES[:1_000], mix=mix, seed=2))) == (mix == PLAIN)


def test_acts_are_in_order_of_acceptance_and_sound():
    """No till sends what the library would refuse, nor what is of the future or a month old."""
    assert [act.at_ms for act in ACTS] == sorted(act.at_ms for act in ACTS)
    month = timedelta(days=30) / timedelta(milliseconds=1)
    for act in ACTS:
        assert problems(act.document) == ()
        assert 0 <= act.at_ms - act.document.sold_at < month


SHARES = [
    # kind, share of the sales, from, to
    ("sale", 1, 1),
    ("return", 0.045, 0.075),
    ("exchange", 0.006, 0.014),
    ("void", 0.001, 0.006),
    ("duplicate", 0.025, 0.04),
    ("conflict", 0.0005, 0.004),
]


@pytest.mark.parametrize(("kind", "least", "most"), SHARES)
def test_each_kind_has_its_share(kind, least, most):
    """Each row is a kind, with bounds of its share of the sales."""
    assert least <= len(of_kind(kind)) / len(SALES) <= most


def test_every_sale_is_sent_once():
    """Redemptions and the offline mark aside, as the shop tells it."""
    assert sorted(act.document.id for act in of_kind("sale")) == sorted(sale.id for sale in SALES)


def test_goods_come_back_that_were_sold_and_no_more_than_were():
    """By receipt and line, with the sku of the line."""
    back = Counter()
    sent = firsts()
    for act in ACTS:
        if act.kind not in ("return", "exchange"):
            continue
        document = act.document
        lines = document.lines if isinstance(document, Return) else document.returned
        for line in lines:
            sold = sent[line.receipt].document.lines[line.line - 1]
            assert sold.sku == line.sku
            back[line.receipt, line.line] += line.quantity
            assert back[line.receipt, line.line] <= sold.quantity
            assert document.sold_at > sent[line.receipt].document.sold_at


def test_returns_are_of_every_sort():
    """Whole and part, in two parts, with and without a card, before and after the sale."""
    sent = firsts()
    sorts = Counter()
    for act in of_kind("return"):
        (line,) = act.document.lines
        sale = sent[line.receipt]
        whole = line.quantity == sale.document.lines[line.line - 1].quantity
        sorts["whole" if whole else "part"] += 1
        sorts["second"] += act.document.id.endswith("-r2")
        sorts["cardless"] += not (act.document.card or act.document.phone)
        sorts["early"] += act.at_ms < sale.at_ms
        if act.at_ms < sale.at_ms:
            assert sale.document.offline
    for sort in ("whole", "part", "second", "cardless", "early"):
        assert sorts[sort] > 0, sorts


def test_a_sale_has_one_story_at_most():
    """A voided or contradicted sale has no returns and no redemption."""
    stories = defaultdict(set)
    for act in ACTS:
        document = act.document
        if act.kind == "conflict":
            stories[document.id].add("conflict")
        elif isinstance(document, Void):
            stories[document.receipt].add("void")
        elif isinstance(document, Exchange):
            stories[document.returned[0].receipt].add("exchange")
        elif isinstance(document, Return):
            stories[document.lines[0].receipt].add("return")
        elif any(line.redeem for line in document.lines):
            stories[document.id].add("redeem")
    assert all(len(story) == 1 for story in stories.values())
    assert set().union(*stories.values()) == {"conflict", "void", "exchange", "return", "redeem"}


def test_duplicates_repeat_what_was_sent_before():
    """Some stand beside the first, some come later."""
    seen, adjacent = {}, 0
    previous = None
    for act in ACTS:
        if act.kind == "duplicate":
            assert seen[act.document.id] == act.document
            adjacent += previous == act.document
        elif act.kind != "conflict":
            seen[act.document.id] = act.document
        previous = act.document
    assert 0 < adjacent < len(of_kind("duplicate"))


def test_conflicts_have_the_id_and_not_the_content_of_what_was_sent_before():
    """The first content stands in the log before the other."""
    seen = {}
    for act in ACTS:
        if act.kind == "conflict":
            assert seen[act.document.id] != act.document
        else:
            seen.setdefault(act.document.id, act.document)


def test_redemptions_are_covered_by_what_was_earned_but_for_a_few():
    """No lot is named; a line is never paid by more than its half."""
    earned, asked, short, count = Counter(), Counter(), 0, 0
    mix = Mix(returns=0, exchanges=0, voids=0, conflicts=0, duplicates=0, redemptions=0.3)
    for act in script(SALES, mix=mix, seed=5, currency="bonus"):
        sale = act.document
        member = sale.card or sale.phone
        for line in sale.lines:
            for redeem in line.redeem:
                assert (redeem.lot, redeem.currency) == (None, "bonus")
                assert redeem.points <= line.amount // 2
                asked[member] += redeem.points
        count += any(line.redeem for line in sale.lines)
        short += asked[member] > earned[member]
        earned[member] += sum(line.amount for line in sale.lines) // 100
    assert count > 500
    assert short < count / 10


def test_broken_records_fail_as_their_code_says():
    """All four ways of it occur, and no key of theirs is a document's."""
    acts = list(script(SALES, mix=CHAOS, seed=2, codec=CODEC))
    broken = of_kind("broken", acts)

    for act in broken:
        with pytest.raises(CodecError) as refused:
            CODEC.decode(act.value, "Receipt")
        assert refused.value.code == act.code
    assert {act.code for act in broken} == {
        "BAD_MAGIC",
        "UNKNOWN_SCHEMA",
        "TRUNCATED",
        "TRAILING_BYTES",
    }
    assert not {act.document.id for act in broken} & set(firsts(acts))


class FakeTill:
    """Takes what the player sends, as the producer does, and remembers it."""

    def __init__(self, fail_at=None):
        self.documents, self.records, self.flushed = [], [], 0
        self.fail_at = fail_at

    def send(self, document, accepted_at_ms=None, *, unchecked=False):
        """Take a document."""
        assert unchecked
        if len(self.documents) == self.fail_at:
            raise OSError("no way to Kafka")
        fields(document)
        self.documents.append((document, accepted_at_ms))

    def send_bytes(self, key, value, accepted_at_ms=None):
        """Take a record."""
        self.records.append((key, value, accepted_at_ms))

    def flush(self):
        """Count the flushes."""
        self.flushed = len(self.documents) + len(self.records)


def test_the_tally_holds_what_was_sent():
    """Every document once, whatever else was sent under its id."""
    till = FakeTill()
    acts = list(script(SALES, mix=CHAOS, seed=3, codec=CODEC))
    player = Player(acts, till)
    player.start()

    assert player.wait(60)
    tally = player.tally
    assert tally.records == len(acts) == till.flushed
    assert tally.ids() == set(firsts(acts))
    assert sum(map(len, tally.documents.values())) == len(tally.ids())
    assert tally.duplicates.total() == len(of_kind("duplicate", acts))
    assert set(tally.conflicts) == {act.document.id for act in of_kind("conflict", acts)}
    assert tally.broken == Counter(act.code for act in of_kind("broken", acts))
    assert len(till.records) == tally.broken.total()


def test_the_player_tells_acts_and_progress():
    """Each act before it is sent; the last report is of all of it."""
    till, told, reports = FakeTill(), [], []
    player = Player(
        ACTS[:100],
        till,
        sent=lambda act: told.append((act, len(till.documents))),
        progress=reports.append,
    )
    player.run()

    assert told == [(act, index) for index, act in enumerate(ACTS[:100])]
    assert till.documents == [(act.document, act.at_ms) for act in ACTS[:100]]
    last = reports[-1]
    assert isinstance(last, Progress)
    assert (last.sent, last.at_ms, last.done) == (100, ACTS[99].at_ms, True)


def test_a_rate_is_kept():
    """Thirty records at 100 a second take at least 0.29 s."""
    began = time.monotonic()
    Player(ACTS[:30], FakeTill(), rate=100).run()

    assert 0.28 < time.monotonic() - began < 2


def test_a_stopped_player_flushes_what_it_sent():
    """It ends at once, also while it waits for its turn."""
    till = FakeTill()
    player = Player(ACTS, till, rate=0.5)
    player.start()
    deadline = time.monotonic() + 5
    while not till.documents and time.monotonic() < deadline:
        time.sleep(0.01)
    player.stop()

    assert player.wait(5)
    assert not player.playing
    assert till.flushed == len(till.documents) == 1


def test_what_ends_the_player_early_is_told_to_who_waits():
    """The thread does not die in silence."""
    player = Player(ACTS, FakeTill(fail_at=3))
    player.start()
    with pytest.raises(OSError, match="no way to Kafka"):
        player.wait(10)


def test_memory_does_not_grow_with_the_sales():
    """What is still to come is bounded by two weeks, not by the year."""
    days = 0
    shop = OfflineShop(size=40_000)
    acts = script(shop.receipts(), mix=MIXED, seed=1)
    held = []
    for act in acts:
        day = act.at_ms // 86_400_000
        if day != days:
            days = day
            held.append(len(acts.gi_frame.f_locals["self"].to_come))
    assert max(held) < 1_500
