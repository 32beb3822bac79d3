import pytest

import streams.worker


@pytest.mark.parametrize("code", [0, 70])
def test_the_exit_code_of_an_app_is_the_processs(call, monkeypatch, code):
    """A supervisor starts it again by it."""
    asked = []

    def run(name, settings):
        asked.append((name, settings.brokers))
        return code

    monkeypatch.setattr(streams.worker, "run", run)

    assert call("--brokers", "kafka-1:9092", "worker", "settle").code == code
    assert asked == [("settle", "kafka-1:9092")]
