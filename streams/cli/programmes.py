"""`loyalty programmes`: publish versions of the programme, list what is out."""

from pathlib import Path
from typing import Annotated

import typer

from streams.cli import output
from streams.cli.connection import codec, reading, settings
from streams.cli.errors import VerbError
from streams.cli.publishing import compared, now_ms, publish, read
from streams.core.grammar import DocumentError
from streams.core.programme import Programme, load_programme
from streams.documents import canonical, read_programme
from streams.reading import published
from streams.reading.log import LogError, LogReader
from streams.settings import Settings
from streams.topics import Names
from streams.wire.references import Document, content, programme_bytes

app = typer.Typer(
    help="Publish and list programmes.", add_completion=False, rich_markup_mode="markdown"
)


def served(chosen: Settings, log: LogReader) -> Programme | None:
    """
    Load the newest version of the programme that is served; None when none is out.

    Raises:
        VerbError: If several are out and the settings name none, or it cannot be used.
    """
    try:
        found = published.newest(published.programmes(log, codec(chosen), Names(chosen.tenant)))
    except LogError as error:
        if error.code == "NO_TOPIC":
            return None
        raise
    fitting = [each for each in found if chosen.programme in (None, each.id)]
    if len(fitting) > 1:
        raise VerbError(
            "PROGRAMMES",
            f"several programmes are published: {', '.join(each.id for each in fitting)}",
            "name one with LOYALTY_PROGRAMME",
        )
    if not fitting:
        return None
    try:
        return load_programme(content(fitting[0]))
    except DocumentError as error:
        raise VerbError(
            "PROGRAMME",
            f"{fitting[0].id} version {fitting[0].version} cannot be used: {error}",
            f"publish it mended, as version {fitting[0].version + 1}",
        ) from error


@app.command("publish")
def publish_files(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Programme files.")],
    *,
    by: Annotated[
        str | None, typer.Option("--by", help="Staff id of who publishes; no name.")
    ] = None,
    execute: Annotated[
        bool, typer.Option("--execute", help="Do it; without this only say what would be done.")
    ] = False,
    json: Annotated[bool, output.Json] = False,
) -> None:
    """Publish programmes.  A version that is out is never changed: raise the number."""
    chosen = settings(context)
    names, coding = Names(chosen.tenant), codec(chosen)
    loaded = read(files, lambda path: [read_programme(path)])
    wanted = [
        Document(
            id=each.programme,
            version=each.version,
            valid_from=each.valid_from or 0,
            document=canonical(each.document),
            published_at=now_ms(),
            published_by=by,
        )
        for each in loaded
    ]
    with reading(chosen) as log:
        candidates = compared(wanted, published.programmes(log, coding, names))
    publish(
        chosen,
        names.programmes,
        candidates,
        write=lambda each: programme_bytes(coding, each),
        execute=execute,
        json=json,
    )


@app.command("list")
def list_published(context: typer.Context, *, json: Annotated[bool, output.Json] = False) -> None:
    """List every version of every programme that is published."""
    chosen = settings(context)
    with reading(chosen) as log:
        found = published.programmes(log, codec(chosen), Names(chosen.tenant))
    if json:
        output.print_json(
            [
                {
                    "id": each.id,
                    "version": each.version,
                    "valid_from": each.valid_from,
                    "published_at": each.published_at,
                    "document": content(each),
                }
                for each in found
            ]
        )
    elif not found:
        output.say("No programme is published: loyalty programmes publish FILE --execute")
    else:
        output.print_table(
            ("id", "version", "valid from", "zone", "published"),
            (
                (
                    each.id,
                    each.version,
                    output.since(each.valid_from),
                    content(each).get("zone"),
                    output.when(each.published_at),
                )
                for each in found
            ),
        )
