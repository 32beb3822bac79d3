"""What the transactional writer makes of librdkafka's verdicts."""

import pytest
from confluent_kafka import KafkaError, KafkaException

from streams.engine.failure import AbortedError
from streams.engine.kafka_log import FatalLogError, KafkaLog


class Refusing:
    """A producer of which one call fails with a verdict that asks for an abort."""

    def __init__(self, call):
        self.call = call
        self.aborted = False

    def __getattr__(self, name):
        """Give any call; the one that is meant fails."""

        def called(*_arguments):
            if name == self.call:
                verdict = KafkaError(KafkaError.NOT_COORDINATOR, "", txn_requires_abort=True)
                raise KafkaException(verdict)

        return called

    def abort_transaction(self, _timeout_s):
        """Note that it was asked for."""
        self.aborted = True


def log_on(producer):
    """Make a writer on *producer*; no broker is asked."""
    log = KafkaLog(
        client={"bootstrap.servers": "127.0.0.1:1", "log_level": 0},
        transactional_id="w",
        timeout_ms=1000,
        changelogs={},
        call_timeout_s=1,
    )
    log._producer = producer
    return log


def test_a_commit_that_fails_is_never_tried_again():
    """The broker may have carried it out: the batch would be there twice."""
    producer = Refusing("commit_transaction")
    with pytest.raises(FatalLogError):
        log_on(producer).commit()

    assert not producer.aborted


def test_offsets_that_fail_abort_the_transaction():
    """No commit was sent: nothing has happened."""
    producer = Refusing("send_offsets_to_transaction")
    with pytest.raises(AbortedError):
        log_on(producer).acknowledge({("in", 0): 1})

    assert producer.aborted
