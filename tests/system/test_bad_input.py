"""Bad input, a row a test, and registering, through the real pipeline: broker and workers."""

import struct
import time
from itertools import count

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from connectors.pos import Exchange, Return, ReturnLine, Sale, SaleLine
from connectors.pos.documents import fields
from schemas.codec import committed
from streams import broker
from streams.app import APPS, full_plan
from streams.clock import Clock
from streams.reading.log import LogReader
from streams.sandbox.crew import Crew
from streams.sandbox.kafka import EmbeddedKafka
from streams.sandbox.members import OPENED_AT, member_of, registration
from streams.sandbox.offline_shop import OfflineShop
from streams.sandbox.played import Wishes, documents
from streams.sandbox.shelves import Shelves
from streams.settings import Settings
from streams.topics import INPUT_BYTES_MAX, Names, dead_letters
from streams.wire.dead_letters import reason_from
from streams.wire.outputs import account_from, bonus_from

pytestmark = pytest.mark.broker

NOW = 1_488_380_400_000  # 2017-03-01 15:00 UTC
DAY = 86_400_000
ANSWER_SECONDS = 60
CODEC = committed()
NAMES = Names()
SHOP = OfflineShop()
SKU = next(SHOP.products()).id
MEMBER, OTHER = member_of(1), member_of(2)
# Who registers late, gives goods to each other, or leaves something personal behind.
LATE, GIVER, TAKER, PRIVATE = member_of(3), member_of(4), member_of(5), member_of(6)
CARD_NUMBER = "4111111111111111"
numbers = count(1)


class Pipeline:
    """A running shop, and what it has said since a test began."""

    def __init__(self, settings, logs):
        self.settings = settings
        self.logs = logs
        self.client = settings.client()
        limits = {"message.max.bytes": 4 << 20, "linger.ms": 0, "log_level": 0}
        self.producer = Producer(self.client | limits)
        # Between partitions records have no order but this: when they were first seen.
        self.heard = {}
        # Results of thousands of lines are decoded once, not at every look.
        self.decoded = {}
        self.mark()

    def mark(self):
        """Forget what was said so far, and note what must not change from now on."""
        self.bystander = self.account(OTHER.account)
        self.results_before = len(self._results())
        self.letters_before = len(self._letters())

    def send(self, value, *, key="any", at=NOW):
        """Send bytes; raise what the broker says against them."""
        failed = []
        self.producer.produce(
            NAMES.receipts, value, key, timestamp=at, on_delivery=lambda e, _: failed.append(e)
        )
        self.producer.flush(30)
        assert failed
        if failed[0] is not None:
            raise KafkaException(failed[0])

    def results(self, document):
        """Give the results of *document* since the mark."""
        return [each for each in self.new_results() if each.document == document]

    def new_results(self):
        """Give all results since the mark."""
        return self._results()[self.results_before :]

    def answers(self, document):
        """Give the bytes of the results of *document*, whenever they came."""
        heard = self._heard(NAMES.bonuses)
        return [
            each.value for each in heard if self._decoded(each, bonus_from).document == document
        ]

    def account(self, name):
        """Give the newest snapshot of an account, or None."""
        published = [self._decoded(each, account_from) for each in self._heard(NAMES.accounts)]
        versions = [each for each in published if each.account == name]
        # Between reads of a partition its order holds, so that the last one is the newest.
        return versions[-1] if versions else None

    def register(self, *members):
        """Send the events of *members* joining."""
        Shelves(self.client, NAMES, CODEC).members(members)

    def letters(self):
        """Give the codes of the dead letters since the mark, with their bytes."""
        return [
            (reason_from(each.headers).code, each.value)
            for each in self._letters()[self.letters_before :]
        ]

    def until(self, wanted):
        """Wait until *wanted* gives something true, and give that."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while not (found := wanted()):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        return found

    def the_next_is_processed(self):
        """Send a sound receipt and wait for its points; give its id."""
        good = sale()
        self.send(encoded(good))
        result = self.until(lambda: self.results(good.id))[0]
        assert (result.status, result.account) == ("ok", MEMBER.account)
        assert base_points(result) == 12
        return good.id

    def _results(self):
        return [self._decoded(each, bonus_from) for each in self._heard(NAMES.bonuses)]

    def _letters(self):
        return self._heard(dead_letters(NAMES.receipts))

    def _decoded(self, logged, read):
        if logged.position not in self.decoded:
            self.decoded[logged.position] = read(CODEC, logged.value)
        return self.decoded[logged.position]

    def _heard(self, topic):
        """Read *topic* anew; give its records in the order in which the tests first saw them."""
        with LogReader(self.client) as log:
            for logged in log.to_end([topic]):
                self.heard.setdefault(logged.position, logged)
        return [each for position, each in self.heard.items() if position.topic == topic]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Start a broker and the workers; two members are known."""
    folder = tmp_path_factory.mktemp("shop")
    with EmbeddedKafka(folder / "kafka", heap_mb=384) as kafka:
        settings = Settings.model_validate(
            {"brokers": kafka.bootstrap, "data_dir": folder / "state"}
        )
        broker.apply(full_plan(settings), AdminClient(settings.client()))
        shelves = Shelves(settings.client(), NAMES, CODEC)
        played = documents(Wishes())
        shelves.programme(played.programme, at=OPENED_AT)
        shelves.campaigns(played.campaigns, at=OPENED_AT)
        shelves.products(SHOP.products())
        shelves.stores(SHOP.stores())
        environment = {
            "LOYALTY_BROKERS": settings.brokers,
            "LOYALTY_DATA_DIR": str(settings.data_dir),
        }
        crew = Crew(APPS, folder=folder / "logs", environment=environment)
        try:
            crew.start()
            crew.await_ready()
            shelves.members([registration(MEMBER), registration(OTHER)])
            running = Pipeline(settings, folder / "logs")
            running.until(lambda: settled_as_member(running))
            running.until(lambda: running.account(OTHER.account))
            yield running
            assert [worker.starts for worker in crew.workers] == [1] * len(APPS)
        finally:
            crew.stop()


@pytest.fixture
def pipeline(shop):
    """Give the running shop, with nothing said yet; nobody's points change by the way."""
    shop.mark()
    yield shop
    assert shop.account(OTHER.account) == shop.bystander


def settled_as_member(running):
    """Whether the registrations have arrived: a sale by card goes to the member's account."""
    first = sale()
    running.send(encoded(first))
    result = running.until(lambda: running.results(first.id))[0]
    return result.account == MEMBER.account


def sale(**changed):
    """Build a sale of 12.34 by the member's card."""
    given = {
        "id": f"test-{next(numbers)}",
        "store": "367",
        "till": "1",
        "sold_at": NOW,
        "lines": (SaleLine(SKU, 1234),),
        "card": MEMBER.card,
    }
    return Sale(**given | changed)


def base_points(result):
    """Give what the campaign that pays a point a dollar paid."""
    return sum(rule.points for rule in result.rules if rule.rule == "base")


def encoded(document, **changed):
    """Encode a document, with fields that no library of ours would write."""
    return CODEC.encode("Receipt", fields(document) | changed)


def line(**changed):
    """Write a line's fields."""
    return {"n": 1, "sku": SKU, "qty": 1000, "amount": 1234} | changed


SOUND = encoded(sale())
NOT_A_NUMBER = struct.pack("<d", float("nan"))
AMOUNT = b"\xa4\x13"  # 1234 as Avro writes it


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("BAD_MAGIC", b'{"receipt": 1}'),
        ("BAD_MAGIC", b"\xff\xfe\xfd" * 20),
        ("TRUNCATED", b"\x00\x00"),
        ("TRUNCATED", b""),
        ("UNKNOWN_SCHEMA", SOUND[:1] + (4_000_000_000).to_bytes(4) + SOUND[5:]),
        ("TRUNCATED", SOUND[:-1]),
        ("TRUNCATED", SOUND[: len(SOUND) // 2]),
        ("TRAILING_BYTES", SOUND + b"\x00"),
    ],
)
def test_what_cannot_be_read_is_a_dead_letter_with_its_bytes(pipeline, code, value):
    """Nobody's points change, and the next record is processed."""
    pipeline.send(value)
    good = pipeline.the_next_is_processed()

    assert pipeline.until(pipeline.letters) == [(code, value)]
    assert {each.document for each in pipeline.new_results()} == {good}


def test_not_a_number_where_an_amount_belongs_is_a_dead_letter(pipeline):
    """Avro's own readers would take its bytes for other fields."""
    sound = encoded(sale())
    assert AMOUNT in sound
    value = sound.replace(AMOUNT, NOT_A_NUMBER, 1)
    pipeline.send(value)
    good = pipeline.the_next_is_processed()

    letters = pipeline.until(pipeline.letters)
    assert [each for _, each in letters] == [value]
    assert not [each for each in pipeline.new_results() if each.rules and each.document != good]


@pytest.mark.parametrize(
    ("code", "changed"),
    [
        ("VALUE_RANGE", {"lines": [line(amount=-1)]}),
        ("VALUE_RANGE", {"lines": [line(amount=10**15 + 1)]}),
        ("VALUE_RANGE", {"lines": [line(amount=2**63 - 1)]}),
        ("VALUE_RANGE", {"lines": [line(qty=0)]}),
        ("VALUE_RANGE", {"lines": [line(qty=-1000)]}),
        ("VALUE_RANGE", {"lines": [line(qty=10**15 + 1)]}),
        ("VALUE_RANGE", {"gift_card": -1}),
        ("VALUE_RANGE", {"lines": []}),
        ("LINE_DUPLICATE", {"lines": [line(), line()]}),
        ("TOTALS_MISMATCH", {"lines": [line(list=2000)]}),
        ("TOTALS_MISMATCH", {"gift_card": 1235}),
        ("FUTURE_DATED", {"sold_at": NOW + 11 * 60_000}),
        ("FUTURE_DATED", {"sold_at": NOW + 10_000 * DAY}),
        ("TOO_OLD", {"sold_at": NOW - 31 * DAY}),
        ("TOO_OLD", {"sold_at": 0}),
    ],
)
def test_a_document_that_makes_no_sense_is_refused_by_its_code(pipeline, code, changed):
    """It posts nothing, and is no dead letter: its till can be told."""
    bad = sale()
    pipeline.send(encoded(bad, **changed))
    good = pipeline.the_next_is_processed()

    result = pipeline.until(lambda: pipeline.results(bad.id))[0]
    assert (result.status, result.code, result.entries) == ("refused", code, ())
    assert {each.document for each in pipeline.new_results()} == {bad.id, good}
    assert pipeline.letters() == []


@pytest.mark.parametrize(
    "changed",
    [
        {"till": CARD_NUMBER},
        {"channel": "4111 1111 1111 1111"},
        {"hold_id": CARD_NUMBER},
        {"quote_id": CARD_NUMBER},
    ],
)
def test_the_number_of_a_payment_card_is_not_kept(pipeline, changed):
    """The letter says why and has no value; the till hears that its document was wrong."""
    bad = sale()
    pipeline.send(encoded(bad, **changed))
    pipeline.the_next_is_processed()

    assert pipeline.until(pipeline.letters) == [("CARD_DATA", None)]
    result = pipeline.until(lambda: pipeline.results(bad.id))[0]
    assert (result.status, result.code, result.entries) == ("refused", "MALFORMED", ())


@pytest.mark.parametrize("many", [5_000, 9_000])
def test_a_receipt_of_thousands_of_lines_earns_on_all_of_them(pipeline, many):
    """A point a dollar on the sum, rounded once."""
    big = sale(lines=tuple(SaleLine("no such product", 100) for _ in range(many)))
    pipeline.send(encoded(big))
    pipeline.the_next_is_processed()

    result = pipeline.until(lambda: pipeline.results(big.id))[0]
    assert result.status == "ok"
    assert {rule.points for rule in result.rules if rule.rule == "base"} == {many}
    assert len(result.lines) == many


def test_a_record_just_under_the_brokers_limit_is_settled(pipeline):
    """Its envelope may be larger than what a till may send, and is carried all the same."""
    lines = tuple(SaleLine(f"{'x' * 100}{n}", 100) for n in range(8_640))
    big = sale(lines=lines)
    value = encoded(big)
    assert INPUT_BYTES_MAX - 30_000 < len(value) < INPUT_BYTES_MAX - 200
    pipeline.send(value)
    pipeline.the_next_is_processed()

    assert pipeline.until(lambda: pipeline.results(big.id))[0].status == "ok"


def test_a_record_above_the_brokers_limit_is_refused_to_the_till(pipeline):
    """The till hears of it, and the pipeline never sees it."""
    with pytest.raises(KafkaException) as refused:
        pipeline.send(SOUND + b"\x00" * INPUT_BYTES_MAX)
    good = pipeline.the_next_is_processed()

    assert refused.value.args[0].name() == "MSG_SIZE_TOO_LARGE"
    assert {each.document for each in pipeline.new_results()} == {good}


@pytest.mark.parametrize(
    ("changed", "account"),
    [
        ({"lines": (SaleLine("no such product", 1234),)}, MEMBER.account),
        ({"store": "no such store"}, MEMBER.account),
    ],
)
def test_an_unknown_product_or_store_is_no_reason_to_refuse(pipeline, changed, account):
    """What has no attributes meets the campaigns that ask for none."""
    odd = sale(**changed)
    pipeline.send(encoded(odd))
    pipeline.the_next_is_processed()

    result = pipeline.until(lambda: pipeline.results(odd.id))[0]
    assert (result.status, result.account) == ("ok", account)
    assert {rule.points for rule in result.rules if rule.rule == "base"} == {12}


def test_the_points_of_an_unknown_card_wait_for_its_member(pipeline):
    """They are held in an account of the card's digest, which tells nothing of the card."""
    odd = sale(card="9809999999999")
    pipeline.send(encoded(odd))
    pipeline.the_next_is_processed()

    result = pipeline.until(lambda: pipeline.results(odd.id))[0]
    assert result.status == "ok"
    assert result.account not in (None, MEMBER.account, OTHER.account)
    assert "9809999999999" not in result.account
    assert {each.currency: (each.held, each.available) for each in result.balances}["bonus"] == (
        sum(rule.points for rule in result.rules),
        0,
    )


@pytest.mark.parametrize(
    "changed",
    [
        {"lines": (SaleLine(SKU, 1235),)},
        {"sold_at": NOW - 1},
        {"card": OTHER.card},
        {"card": OTHER.card, "lines": (SaleLine(SKU, 99),)},
        {"card": None},
    ],
)
def test_other_content_under_a_known_id_is_a_conflict_beside_the_stored_result(pipeline, changed):
    """The first stays as it was, whatever card the second shows."""
    first = sale()
    pipeline.send(encoded(first))
    stored = pipeline.until(lambda: pipeline.results(first.id))[0]
    pipeline.send(encoded(sale(**{"id": first.id} | changed)))
    other = pipeline.until(lambda: pipeline.results(first.id)[1:])[0]
    good = pipeline.the_next_is_processed()
    pipeline.send(encoded(first))
    again = pipeline.until(lambda: pipeline.results(first.id)[2:])[0]

    assert (other.status, other.code, other.entries) == ("conflict", "CONFLICT", ())
    assert other.result_id != stored.result_id
    assert again == stored
    assert {each.document for each in pipeline.new_results()} == {first.id, good}


def test_a_document_sent_again_is_answered_with_the_same_bytes(pipeline):
    """The account keeps its version: nothing is posted twice."""
    first = sale()
    pipeline.send(encoded(first))
    pipeline.until(lambda: pipeline.answers(first.id))
    before = pipeline.account(MEMBER.account)
    pipeline.send(encoded(first), key="another partition's", at=NOW + DAY)
    stored, again = pipeline.until(
        lambda: found if len(found := pipeline.answers(first.id)) > 1 else None
    )

    assert again == stored
    assert pipeline.account(MEMBER.account) == before
    pipeline.the_next_is_processed()


def test_a_return_of_what_was_never_sold_waits_and_ends_after_thirty_days(pipeline):
    """It gives nothing back meanwhile; a late original would still settle it."""
    back = Return(
        id=f"test-{next(numbers)}",
        store="367",
        till="1",
        sold_at=NOW,
        lines=(ReturnLine(SKU, 1000, "never sold", 1),),
        card=MEMBER.card,
    )
    pipeline.send(encoded(back))
    waiting = pipeline.until(lambda: pipeline.results(back.id))[0]
    pipeline.the_next_is_processed()
    with Clock(pipeline.client) as clock:
        clock.reach(NOW + 29 * DAY)
    pipeline.the_next_is_processed()
    early = pipeline.results(back.id)
    with Clock(pipeline.client) as clock:
        clock.reach(NOW + 31 * DAY)
    ended = pipeline.until(lambda: pipeline.results(back.id)[1:])[0]

    assert (waiting.status, waiting.code) == ("deferred", "ORIGINAL_UNKNOWN")
    assert early == [waiting]
    assert (ended.status, ended.code, ended.entries) == ("refused", "RETURN_UNMATCHED", ())


def available(pipeline, account):
    """Give the points of the shop's currency that an account can spend; None if unknown."""
    snapshot = pipeline.account(account)
    if snapshot is None:
        return None
    return sum(each.available for each in snapshot.balances if each.currency == "bonus")


def answered(pipeline, sent):
    """Give the results of all documents *sent*, or None while one has none."""
    wanted = {each.id for each in sent}
    found = [each for each in pipeline.new_results() if each.document in wanted]
    return found if {each.document for each in found} == wanted else None


def base_lots(pipeline, account):
    """Count the lots that sales of 10.00 have brought an account."""
    snapshot = pipeline.account(account)
    lots = () if snapshot is None else snapshot.lots
    return sum(lot.remaining == 10 for lot in lots)


def by_card_of(member, amount=1000):
    """Build a sale that is of no campaign's goods or stores; visits may still be counted."""
    return sale(store="9", lines=(SaleLine("no such product", amount),), card=member.card)


def test_registering_a_card_releases_its_points_and_receipts_under_way_follow(pipeline):
    """Whether routed before or after the registration, each receipt counts once."""
    early = [by_card_of(LATE) for _ in range(3)]
    for each in early:
        pipeline.send(encoded(each))
    held = pipeline.until(lambda: answered(pipeline, early))
    home = held[0].account
    pipeline.register(registration(LATE))
    under_way = [by_card_of(LATE) for _ in range(40)]
    for number, each in enumerate(under_way):
        pipeline.send(encoded(each), key=f"till {number}")
    settled = pipeline.until(lambda: answered(pipeline, under_way))
    pipeline.until(lambda: base_lots(pipeline, LATE.account) == 43)

    assert {each.account for each in held} == {home}
    assert home not in (None, LATE.account)
    pointer = pipeline.account(home)
    assert (pointer.merged_into, pointer.lots) == (LATE.account, ())
    # A receipt may have been settled at the home account just before that was merged.
    assert len(settled) == len(under_way)
    assert {each.account for each in settled} <= {LATE.account, home}
    snapshot = pipeline.account(LATE.account)
    assert not any(lot.held for lot in snapshot.lots)
    # Every tenth visit pays besides; which it is depends on when the merge came between.
    paid = [rule.points for each in [*held, *settled] for rule in each.rules]
    assert available(pipeline, LATE.account) == sum(paid)
    pipeline.the_next_is_processed()


def test_a_card_that_somebody_owns_is_refused_to_another(pipeline):
    """It goes on naming its first owner."""
    greedy = registration(OTHER) | {"id": "greedy", "cards": [MEMBER.card], "at": NOW}
    pipeline.register(greedy)
    refused = pipeline.until(
        lambda: [each for each in pipeline.new_results() if each.kind == "claim"]
    )

    assert [(each.status, each.code) for each in refused] == [("refused", "IDENTIFIER_TAKEN")]
    assert [(each.account, each.entries) for each in refused] == [(OTHER.account, ())]
    pipeline.the_next_is_processed()


def test_an_exchange_of_what_two_members_bought_settles_in_parts(pipeline):
    """Each gets back what was theirs, and who buys earns."""
    pipeline.register(registration(GIVER), registration(TAKER))
    known = [by_card_of(GIVER), by_card_of(TAKER, 3000)]
    for each, owner in zip(known, (GIVER, TAKER), strict=True):
        pipeline.send(encoded(each))
        pipeline.until(lambda each=each: pipeline.results(each.id))
        pipeline.until(lambda owner=owner: available(pipeline, owner.account))
    swap = Exchange(
        id=f"test-{next(numbers)}",
        store="9",
        till="1",
        sold_at=NOW,
        returned=tuple(ReturnLine("no such product", 1000, each.id, 1) for each in known),
        sold=(SaleLine("no such product", 5000),),
        card=TAKER.card,
    )
    pipeline.send(encoded(swap))
    parts = [pipeline.until(lambda k=k: pipeline.results(f"{swap.id}#{k}"))[0] for k in (1, 2)]

    assert [(each.status, each.account, each.refund.money) for each in parts] == [
        ("ok", GIVER.account, 1000),
        ("ok", TAKER.account, 3000),
    ]
    assert [base_points(each) for each in parts] == [0, 50]
    assert pipeline.until(lambda: available(pipeline, TAKER.account) == 50)
    assert available(pipeline, GIVER.account) == 0
    assert pipeline.results(swap.id) == []
    pipeline.the_next_is_processed()


def test_no_topic_key_header_or_log_tells_a_person_but_the_inputs(pipeline):
    """What could not be read is kept whole, under the rules of the inputs themselves."""
    event = registration(PRIVATE) | {"email": "somebody.private@example.com"}
    pipeline.register(event)
    pipeline.send(encoded(sale(card=PRIVATE.card, phone=PRIVATE.phone, email=event["email"])))
    pipeline.send(encoded(sale(card="9801234567890", email="no.member@example.com")))
    pipeline.send(encoded(sale(card=PRIVATE.card))[:-3])
    pipeline.send(encoded(sale(codes=(CARD_NUMBER,), tenders=(CARD_NUMBER,))))
    pipeline.the_next_is_processed()
    pipeline.until(pipeline.letters)
    words = [PRIVATE.card, PRIVATE.phone, PRIVATE.phone[2:], PRIVATE.name, PRIVATE.born]
    words += [event["email"], "9801234567890", "no.member@example.com", CARD_NUMBER]
    words += [MEMBER.card, MEMBER.phone, MEMBER.name]

    inputs = {NAMES.receipts, NAMES.members}
    whole = inputs | {dead_letters(topic) for topic in inputs}
    told, kept = set(), set()
    with LogReader(pipeline.client) as log:
        topics = [topic for topic in log.topics() if not topic.startswith("__")]
        for logged in log.to_end(topics):
            around = [logged.key, *(value for _, value in logged.headers)]
            topic = logged.position.topic
            found = told if topic not in whole else kept
            found |= {(topic, word) for word in words if word.encode() in (logged.value or b"")}
            told |= {
                (topic, word) for word in words if any(word.encode() in e for e in around if e)
            }
    files = list(pipeline.logs.glob("*.log"))
    for file in files:
        told |= {(file.name, word) for word in words if word in file.read_text(errors="replace")}

    assert told == set()
    assert {word for topic, word in kept if topic in inputs} == set(words)
    assert {file.stem for file in files} == set(APPS)
    assert any("changelog" in topic for topic in topics)
