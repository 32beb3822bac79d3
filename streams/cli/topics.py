"""`loyalty topics`: the topic plan, and how a broker differs from it."""

from collections.abc import Sequence
from typing import Annotated

import typer

from streams import broker
from streams.cli import output
from streams.cli.connection import administering, settings
from streams.cli.errors import FAILED, VerbError
from streams.settings import Settings
from streams.topics import Topic

app = typer.Typer(
    help="Plan, apply and check the topics.", add_completion=False, rich_markup_mode="markdown"
)

REMEDY = {
    "missing": "loyalty topics apply --execute",
    "config": "loyalty topics apply --execute",
    "partitions": "replay into new topics: docs/operating.md",
}


def planned(chosen: Settings) -> tuple[Topic, ...]:
    """List every topic that the apps need, the engine's own included."""
    from streams.app import full_plan  # noqa: PLC0415 -- loads the engine, which help does not need

    return full_plan(chosen)


@app.command("plan")
def show_plan(context: typer.Context, *, json: Annotated[bool, output.Json] = False) -> None:
    """Show every topic of the plan.  Needs no broker."""
    topics = planned(settings(context))
    if json:
        output.print_json(topics)
        return
    output.print_table(
        ("topic", "partitions", "cleanup", "schema", "key", "what a record is"),
        (
            (
                topic.name,
                topic.partitions,
                topic.config.get("cleanup.policy", "delete"),
                topic.schema,
                topic.key,
                topic.about,
            )
            for topic in topics
        ),
    )


@app.command()
def check(context: typer.Context, *, json: Annotated[bool, output.Json] = False) -> None:
    """Compare the broker with the plan.  Exit code 1 if they differ."""
    chosen = settings(context)
    with administering(chosen) as admin:
        found = broker.differences(planned(chosen), admin)
    _show(found, json=json)
    if found:
        raise typer.Exit(FAILED)


@app.command()
def apply(
    context: typer.Context,
    *,
    execute: Annotated[
        bool, typer.Option("--execute", help="Do it; without this only say what would be done.")
    ] = False,
    json: Annotated[bool, output.Json] = False,
) -> None:
    """Create what is missing and set what differs; a partition count is never changed."""
    chosen = settings(context)
    topics = planned(chosen)
    with administering(chosen) as admin:
        found = broker.differences(topics, admin)
        counts = [each for each in found if each.kind == "partitions"]
        if counts:
            raise VerbError(
                "PARTITIONS",
                "; ".join(f"{d.topic} has {d.actual}, planned {d.planned}" for d in counts),
                "set LOYALTY_PARTITIONS to what is there, or replay into new topics",
            )
        if execute:
            found = broker.apply(topics, admin, replication=chosen.replication)
    _show(found, json=json)
    if found and not json:
        done = f"{len(found)} changes made." if execute else "Nothing is done yet: add --execute."
        output.say(f"\n{done}")


def _show(found: Sequence[broker.Difference], *, json: bool) -> None:
    if json:
        output.print_json(found)
    elif not found:
        output.say("The broker is as planned.")
    else:
        output.print_table(
            ("topic", "what", "setting", "planned", "actual", "next step"),
            (
                (each.topic, each.kind, each.setting, each.planned, each.actual, REMEDY[each.kind])
                for each in found
            ),
        )
