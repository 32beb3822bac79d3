"""`loyalty dlq`: what could not be read, why, and where it was."""

from collections import Counter
from typing import Annotated

import typer

from streams.cli import output
from streams.cli.connection import reading, settings
from streams.cli.errors import USAGE, VerbError
from streams.cli.tail import full_name
from streams.reading.letters import letter_of, letters
from streams.reading.log import Position

app = typer.Typer(
    help="List and show what could not be read.", add_completion=False, rich_markup_mode="markdown"
)
PRINTABLE = range(0x20, 0x7F)
HEX_WIDTH = 16


@app.command("list")
def list_letters(
    context: typer.Context,
    *,
    topic: Annotated[
        str | None, typer.Option(help="Only what was in this topic, such as receipts.")
    ] = None,
    most: Annotated[int | None, typer.Option("--max", min=1, help="Stop after N.")] = None,
    json: Annotated[bool, output.Json] = False,
) -> None:
    """List dead letters: the reason, its code, and where the record was."""
    chosen = settings(context)
    with reading(chosen) as log:
        name = None if topic is None else full_name(log, chosen.tenant, topic)
        found = []
        for letter in letters(log, chosen.tenant, topic=name):
            found.append(letter)
            if len(found) == most:
                break
    if json:
        output.print_json(found)
        return
    if not found:
        output.say("No dead letters.")
        return
    output.print_table(
        ("letter", "at", "code", "reason", "was at", "bytes"),
        (
            (
                each.position,
                output.when(each.at),
                each.code,
                each.reason,
                each.origin,
                each.value_bytes,
            )
            for each in found
        ),
    )
    counts = Counter(each.code or "without a code" for each in found)
    output.say(f"\n{len(found)} dead letters: {_counted(counts)}.")


@app.command()
def show(
    context: typer.Context,
    position: Annotated[str, typer.Argument(help="As listed: topic[partition]@offset.")],
    *,
    payload: Annotated[
        bool, typer.Option("--payload", help="Show key and bytes, which may hold personal data.")
    ] = False,
    json: Annotated[bool, output.Json] = False,
) -> None:
    """Show one dead letter: its headers, and with --payload its bytes."""
    chosen = settings(context)
    with reading(chosen) as log:
        named = parsed(position)
        place = Position(full_name(log, chosen.tenant, named.topic), named.partition, named.offset)
        logged = log.at(place)
    if logged is None:
        raise VerbError("UNKNOWN", f"there is no record at {place}", "loyalty dlq list")
    letter = letter_of(logged)
    headers = {name: value.decode("utf-8", "replace") for name, value in logged.headers}
    key, value = logged.key or b"", logged.value or b""
    if json:
        shown = {"letter": letter, "headers": headers}
        output.print_json(shown | ({"key": key.hex(), "value": value.hex()} if payload else {}))
        return
    output.say(f"{letter.position}  {output.when(letter.at)}")
    if letter.withheld:
        output.say("The bytes were not kept: they held the number of a payment card.")
    output.say(f"key {letter.key_bytes} bytes, value {letter.value_bytes} bytes\n")
    output.print_table(("header", "value"), headers.items())
    if payload:
        for title, data in (("key", key), ("value", value)):
            output.say(f"\n{title}")
            for line in hexdump(data):
                output.say(line)
    else:
        output.say("\nAdd --payload for the bytes; they may hold personal data.")


def parsed(text: str) -> Position:
    """
    Read `topic[partition]@offset`.

    Raises:
        VerbError: If it is none.
    """
    topic, _, rest = text.partition("[")
    partition, _, offset = rest.partition("]@")
    if not (topic and partition.isdigit() and offset.isdigit()):
        raise VerbError(
            "USAGE", f"{text} is no topic[partition]@offset", "loyalty dlq list shows them", USAGE
        )
    return Position(topic, int(partition), int(offset))


def hexdump(data: bytes) -> list[str]:
    """Write bytes as sixteen a line: offset, hex, and ASCII with a dot for the rest."""
    lines = []
    for start in range(0, len(data), HEX_WIDTH):
        row = data[start : start + HEX_WIDTH]
        text = "".join(chr(byte) if byte in PRINTABLE else "." for byte in row)
        lines.append(f"{start:08x}  {row.hex(' '):<{HEX_WIDTH * 3 - 1}}  {text}")
    return lines


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {code}" for code, count in counts.most_common())
