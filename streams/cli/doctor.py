"""`loyalty doctor`: what is wrong with the set-up, and what to do about it."""

from collections.abc import Iterator
from typing import Annotated

import typer
from confluent_kafka import KafkaException

from streams.cli import output, symptoms
from streams.cli.connection import settings
from streams.cli.errors import FAILED, VerbError
from streams.cli.symptoms import Finding
from streams.reading.log import LogError, LogReader
from streams.settings import Settings

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
MARKS = {"fine": "✓", "wrong": "✗", "note": "·"}


@app.command()
def doctor(context: typer.Context, *, json: Annotated[bool, output.Json] = False) -> None:
    """
    Look at the machine, the settings, the broker and what is published.

    ✓ is fine, ✗ is wrong and has a next step, · is not there and need not be.
    Exit code 1 if anything is wrong.
    """
    found = list(examined(context))
    if json:
        output.print_json(found)
    else:
        output.print_table(
            ("", "what", "found", "next step"),
            ((MARKS[each.verdict], each.what, each.said, each.next_step) for each in found),
        )
        wrong = sum(each.verdict == "wrong" for each in found)
        output.say(f"\n{wrong or 'Nothing'} wrong.")
    if any(each.verdict == "wrong" for each in found):
        raise typer.Exit(FAILED)


def examined(context: typer.Context) -> Iterator[Finding]:
    """Give the findings in the order in which they should be mended."""
    yield symptoms.python()
    yield symptoms.packages()
    yield symptoms.sandbox()
    try:
        chosen = settings(context)
    except VerbError as error:
        yield Finding("settings", "wrong", error.cause, error.next_step)
        return
    yield symptoms.clock()
    yield symptoms.identifier_key(chosen)
    yield symptoms.data_folder(chosen)
    yield symptoms.health_port(chosen)
    yield symptoms.schemas(chosen)
    with LogReader(chosen.client()) as log:
        yield from _on_the_broker(chosen, log)


def _on_the_broker(chosen: Settings, log: LogReader) -> Iterator[Finding]:
    answers = symptoms.kafka(chosen, log)
    yield answers
    if answers.verdict == "wrong":
        return
    try:
        there = symptoms.topics(chosen)
        yield there
        yield symptoms.documents(chosen, log)
        if there.verdict != "wrong":
            yield from symptoms.workers(chosen, log)
    except (KafkaException, LogError) as error:
        step = "look at the broker's log and at your access rights (ACLs), then try again"
        yield Finding("kafka", "wrong", str(error), step)
