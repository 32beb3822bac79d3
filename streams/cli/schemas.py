"""`loyalty schemas`: whether they may be released, and bringing them to a registry."""

from typing import Annotated

import typer

from schemas import evolution, registry
from schemas.catalogue import catalogue, unlisted
from streams.cli import output
from streams.cli.connection import no_registry, settings, subjects
from streams.cli.errors import FAILED, USAGE, VerbError

app = typer.Typer(
    help="Check and register the schemas.", add_completion=False, rich_markup_mode="markdown"
)


@app.command()
def check(*, json: Annotated[bool, output.Json] = False) -> None:
    """Check that released files are untouched and new versions compatible.  Needs no broker."""
    problems = [
        *(f"{name} was edited after its release" for name in evolution.edited()),
        *(f"{record}.{version} has no id yet" for record, version in unlisted()),
        *evolution.faults(catalogue()),
    ]
    if json:
        output.print_json(
            {
                "schemas": [
                    {"id": each.id, "record": each.record, "version": each.version}
                    for each in catalogue()
                ],
                "problems": problems,
            }
        )
    else:
        output.print_table(
            ("id", "record", "version", "compatibility"),
            (
                (each.id, each.record, each.version, evolution.level_of(each.record))
                for each in catalogue()
            ),
        )
        output.say(f"\n{len(problems)} problems.")
        for problem in problems:
            output.say(problem)
    if problems:
        raise typer.Exit(FAILED)


@app.command()
def register(
    context: typer.Context,
    *,
    execute: Annotated[
        bool, typer.Option("--execute", help="Do it; without this only say what would be done.")
    ] = False,
    json: Annotated[bool, output.Json] = False,
) -> None:
    """Register every version of every schema in the registry of LOYALTY_REGISTRY_URL."""
    chosen = settings(context)
    if chosen.registry_url is None:
        raise VerbError(
            "NO_REGISTRY",
            "LOYALTY_REGISTRY_URL is not set, and the committed ids need no registration",
            "set it to the registry's URL (Apicurio: …/apis/ccompat/v7)",
            USAGE,
        )
    wanted = subjects(chosen)
    ids: dict[str, tuple[int, ...]] = {}
    if execute:
        try:
            ids = registry.register(registry.connect(chosen.registry_url), wanted)
        except Exception as error:
            # The client raises what its HTTP library does, too.
            raise no_registry(chosen, error) from error
    if json:
        output.print_json([{"subject": name, "ids": ids.get(name)} for name in wanted])
        return
    output.print_table(
        ("subject", "record", "ids"),
        (
            (name, record, ", ".join(map(str, ids[name])) if name in ids else None)
            for name, record in wanted.items()
        ),
    )
    if not execute:
        output.say("\nNothing is done yet: add --execute.")
