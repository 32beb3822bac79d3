"""`loyalty campaigns`: check files, publish versions, list what is out."""

from pathlib import Path
from typing import Annotated

import typer

from streams.cli import output
from streams.cli.connection import codec, reading, settings
from streams.cli.errors import FAILED, USAGE, VerbError
from streams.cli.programmes import served
from streams.cli.publishing import compared, now_ms, publish, read
from streams.documents import canonical, check, files_of, read_campaigns, read_programme
from streams.reading import published
from streams.topics import Names
from streams.wire.references import Document, campaign_bytes, content
from streams.written_documents import Problem

app = typer.Typer(
    help="Check, publish and list campaigns.", add_completion=False, rich_markup_mode="markdown"
)

Files = Annotated[list[Path], typer.Argument(help="Files, or folders of files.")]
ProgrammeFile = Annotated[
    Path | None,
    typer.Option("--programme", help="The programme's file; else the one published."),
]


@app.command("check")
def check_files(
    files: Files,
    *,
    programme: Annotated[
        Path | None,
        typer.Option(help="The programme's file; else the nearest programme.yaml."),
    ] = None,
    json: Annotated[bool, output.Json] = False,
) -> None:
    """Check campaign and programme files.  Needs no broker.  Exit code 1 if one is wrong."""
    base = None if programme is None else read([programme], lambda path: [read_programme(path)])[0]
    checked, problems = 0, list[Problem]()
    for path in files:
        if not path.exists():
            raise VerbError("NO_FILE", f"there is no file {path}", "check the path", USAGE)
        for file in files_of(path):
            checked += 1
            problems += check(file, base)
    if json:
        output.print_json({"files": checked, "problems": problems})
    else:
        for problem in problems:
            output.say(str(problem))
        output.say(f"{checked} files checked, {len(problems)} problems.")
    if problems:
        raise typer.Exit(FAILED)


@app.command("publish")
def publish_files(
    context: typer.Context,
    files: Files,
    *,
    programme: ProgrammeFile = None,
    by: Annotated[
        str | None, typer.Option("--by", help="Staff id of who publishes; no name.")
    ] = None,
    execute: Annotated[
        bool, typer.Option("--execute", help="Do it; without this only say what would be done.")
    ] = False,
    json: Annotated[bool, output.Json] = False,
) -> None:
    """Publish campaigns.  A version that is out is never changed: raise the number."""
    chosen = settings(context)
    names, coding = Names(chosen.tenant), codec(chosen)
    with reading(chosen) as log:
        base = (
            served(chosen, log)
            if programme is None
            else read([programme], lambda path: [read_programme(path)])[0]
        )
        if base is None:
            raise VerbError(
                "NO_PROGRAMME",
                "no programme is published, and a campaign belongs to one",
                "loyalty programmes publish FILE --execute, or name one with --programme",
            )
        loaded = read(files, lambda path: read_campaigns(path, base))
        wanted = [
            Document(
                id=each.campaign,
                version=each.version,
                valid_from=each.valid_from or 0,
                document=canonical(each.document),
                published_at=now_ms(),
                published_by=by,
            )
            for each in loaded
        ]
        candidates = compared(wanted, published.campaigns(log, coding, names))
    publish(
        chosen,
        names.campaigns,
        candidates,
        write=lambda each: campaign_bytes(coding, each),
        execute=execute,
        json=json,
    )


@app.command("list")
def list_published(
    context: typer.Context,
    *,
    every: Annotated[bool, typer.Option("--all", help="Every version.")] = False,
    json: Annotated[bool, output.Json] = False,
) -> None:
    """List the campaigns that are published."""
    chosen = settings(context)
    with reading(chosen) as log:
        found = published.campaigns(log, codec(chosen), Names(chosen.tenant))
    found = found if every else published.newest(found)
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
        return
    if not found:
        output.say("No campaign is published: loyalty campaigns publish FILE… --execute")
        return
    rows = []
    for each in found:
        document = content(each)
        rows.append(
            (
                each.id,
                each.version,
                output.since(each.valid_from),
                document.get("lane"),
                ", ".join(document.get("gives", {})),
                _title(document.get("title")),
            )
        )
    output.print_table(("id", "version", "valid from", "lane", "gives", "title"), rows)


def _title(title: str | dict[str, str] | None) -> str | None:
    """Choose one language to show: English, or else the first."""
    if isinstance(title, dict):
        return title.get("en") or next(iter(title.values()), None)
    return title
