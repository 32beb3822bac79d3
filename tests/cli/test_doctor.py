import json
import socket

import pytest

from streams.reading.log import LogError


@pytest.fixture
def _impatient(monkeypatch):
    """Do not wait long for a broker that is not there."""
    monkeypatch.setattr("streams.reading.log.ANSWER_S", 0.5)


def found(ended):
    """Read the report: what → finding."""
    return {each["what"]: each for each in json.loads(ended.out)}


@pytest.mark.usefixtures("_impatient")
def test_no_broker_is_found_and_has_a_next_step(call, tmp_path):
    """What can be looked at without one is, and is fine here."""
    ended = call("doctor", "--json", data_dir=str(tmp_path))

    rows = found(ended)
    assert ended.code == 1
    assert rows["kafka"]["verdict"] == "wrong"
    assert "LOYALTY_BROKERS" in rows["kafka"]["next_step"]
    for what in ("python", "packages", "clock", "schemas", "data folder", "health port"):
        assert rows[what]["verdict"] == "fine", rows[what]


@pytest.mark.usefixtures("_impatient")
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


def test_a_broker_that_cannot_tell_is_not_told_to_make_topics(call, kafka, tmp_path, monkeypatch):
    """The topics are there; something else is wrong with it."""
    shop = {"brokers": kafka.bootstrap, "tenant": "cli-doctor-mute", "data_dir": str(tmp_path)}
    assert call("topics", "apply", "--execute", **shop).code == 0

    def mute(*_, **__):
        raise LogError("KAFKA", "the broker doesn't say where it ends")

    monkeypatch.setattr("streams.reading.log.LogReader.to_end", mute)
    ended = call("doctor", "--json", **shop)

    last = json.loads(ended.out)[-1]
    assert ended.code == 1
    assert last["said"] == "the broker doesn't say where it ends"
    assert "ACLs" in last["next_step"]
