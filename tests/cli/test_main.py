import subprocess
import sys
from importlib import import_module

import pytest

from streams.cli.main import VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_that_is_listed_can_be_asked_for_help(call, verb):
    """A verb in the list has a module, and its help needs no broker."""
    assert import_module(f"streams.cli.{verb}").app
    assert call(verb, "--help").code == 0


def test_help_lists_every_verb_without_loading_kafka():
    """The list comes at once, also where the client of Kafka cannot be loaded."""
    asked = "import sys; from streams.cli.main import main\n"
    asked += "try: main(['--help'])\n"
    asked += "except SystemExit: pass\n"
    asked += (
        "print([name for name in ('confluent_kafka', 'faust', 'pydantic') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)

    assert done.stdout.rstrip().endswith("[]")
    assert all(f" {verb} " in done.stdout for verb in VERBS)


def test_the_module_is_the_command():
    """`python -m streams.cli` is what a supervisor starts."""
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "--version"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0
    assert done.stdout.startswith("loyalty-streams ")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("topic",), "Did you mean 'topics'? Next: loyalty --help"),
        (("topics", "plann"), "Next: loyalty topics --help"),
        (("topics", "plan", "--nope"), "No such option: --nope. Next: loyalty topics plan --help"),
        (("tail",), "Missing argument 'topic'"),
        (("worker", "front"), "Invalid value for 'APP'"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(call, arguments, said):
    """Code, cause and where to read on; nothing on stdout."""
    ended = call(*arguments)

    assert ended.code == 2
    assert ended.out == ""
    assert ended.err.startswith("error USAGE: ")
    assert said in ended.err
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("topics", "check"),
        ("tail", "bonuses"),
        ("dlq", "list"),
        ("members", "show", "m-1"),
        ("receipts", "show", "r-1"),
        ("campaigns", "list"),
        ("programmes", "list"),
        ("reconcile",),
    ],
)
def test_no_broker_is_one_line_and_exit_code_70(call, monkeypatch, arguments):
    """Nothing listens on port 1.  A supervisor may try again."""
    monkeypatch.setattr("streams.reading.log.ANSWER_S", 0.2)

    ended = call(*arguments)

    assert ended.code == 70
    assert ended.err.splitlines()[-1].startswith(
        "error NO_BROKER: no Kafka answers at 127.0.0.1:1."
    )
    assert ended.out == ""


def test_a_setting_that_cannot_be_used_is_named(call):
    """The variable, not a stack of Python."""
    ended = call("config", "show", partitions="many")

    assert ended.code == 2
    assert ended.err.startswith("error SETTING: LOYALTY_PARTITIONS is not usable: ")
