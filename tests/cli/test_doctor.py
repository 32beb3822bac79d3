import json
import socket

import pytest


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Do not wait long for a broker that is not there."""
    monkeypatch.setattr("streams.reading.log.ANSWER_S", 0.5)


def found(ended):
    """Read the report: what → finding."""
    return {each["what"]: each for each in json.loads(ended.out)}


def test_no_broker_is_found_and_has_a_next_step(call, tmp_path):
    """What can be looked at without one is, and is fine here."""
    ended = call("doctor", "--json", data_dir=str(tmp_path))

    rows = found(ended)
    assert ended.code == 1
    assert rows["kafka"]["verdict"] == "wrong"
    assert "LOYALTY_BROKERS" in rows["kafka"]["next_step"]
    for what in ("python", "packages", "clock", "schemas", "data folder", "health port"):
        assert rows[what]["verdict"] == "fine", rows[what]


def test_everything_wrong_has_a_next_step(call):
    """A port in use, a folder that cannot be, and the sandbox's key far from the sandbox."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        rows = found(
            call(
                "doctor", "--json",
                brokers="kafka.invalid:9092",
                port=str(taken.getsockname()[1]),
                data_dir="/proc/loyalty",
            )
        )  # fmt: skip

    for what in ("health port", "identifier key", "kafka", "data folder"):
        assert rows[what]["verdict"] == "wrong", rows[what]
        assert rows[what]["next_step"]


def test_a_broker_without_topics_is_told_from_one_without_campaigns(call, kafka, tmp_path):
    """The next step is the one that helps."""
    shop = {"brokers": kafka.bootstrap, "tenant": "cli-doctor", "data_dir": str(tmp_path)}

    before = found(call("doctor", "--json", **shop))
    assert call("topics", "apply", "--execute", **shop).code == 0
    after = found(call("doctor", "--json", **shop))

    assert before["kafka"]["verdict"] == "fine"
    assert "Kafka 4.1 or newer" in before["kafka"]["said"]
    assert before["topics"]["next_step"] == "loyalty topics apply --execute"
    assert after["topics"]["verdict"] == "fine"
    assert after["programme"]["next_step"] == "loyalty programmes publish FILE --execute"
    assert after["worker settle"]["said"] == "0 running, 0 records behind"
