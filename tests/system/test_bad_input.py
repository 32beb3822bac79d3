"""Bad input, a row a test, through the real pipeline: broker, intake, route, settle."""

import struct
import time
from itertools import count

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient

from connectors.pos import Return, ReturnLine, Sale, SaleLine
from connectors.pos.documents import fields
from schemas.codec import committed
from streams import broker
from streams.app import APPS, full_plan
from streams.clock import Clock
from streams.reading.log import LogReader
from streams.sandbox.crew import Crew
from streams.sandbox.demo import Wishes, documents
from streams.sandbox.kafka import EmbeddedKafka
from streams.sandbox.members import OPENED_AT, member_of, registration
from streams.sandbox.offline_shop import OfflineShop
from streams.sandbox.shelves import Shelves
from streams.settings import Settings
from streams.topics import INPUT_BYTES_MAX, Names, dead_letters
from streams.wire.dead_letters import reason_from
from streams.wire.outputs import bonus_from

pytestmark = pytest.mark.broker

NOW = 1_488_380_400_000  # 2017-03-01 15:00 UTC
DAY = 86_400_000
ANSWER_SECONDS = 60
CODEC = committed()
NAMES = Names()
SHOP = OfflineShop()
SKU = next(SHOP.products()).id
MEMBER, OTHER = member_of(1), member_of(2)
numbers = count(1)


class Pipeline:
    """A running shop, and what it has said since a test began."""

    def __init__(self, settings):
        self.settings = settings
        self.client = settings.client()
        limits = {"message.max.bytes": 4 << 20, "linger.ms": 0, "log_level": 0}
        self.producer = Producer(self.client | limits)
        # Between partitions records have no order but this: when they were first seen.
        self.heard = {}
        self.mark()

    def mark(self):
        """Forget what was said so far."""
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
        assert sum(rule.points for rule in result.rules) > 0
        return good.id

    def _results(self):
        return [bonus_from(CODEC, each.value) for each in self._heard(NAMES.bonuses)]

    def _letters(self):
        return self._heard(dead_letters(NAMES.receipts))

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
            running = Pipeline(settings)
            running.until(lambda: settled_as_member(running))
            yield running
            assert [worker.starts for worker in crew.workers] == [1] * len(APPS)
        finally:
            crew.stop()


@pytest.fixture
def pipeline(shop):
    """Give the running shop, with nothing said yet."""
    shop.mark()
    return shop


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
