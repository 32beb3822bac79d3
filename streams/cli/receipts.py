"""`loyalty receipts`: what became of one document of a till."""

from typing import Annotated, Any

import msgspec
import typer

from streams.cli import output
from streams.cli.connection import reading, settings, values
from streams.cli.errors import VerbError
from streams.cli.programmes import served
from streams.core.result import Result
from streams.reading.receipt import Dossier, dossier
from streams.reading.results import Answer
from streams.topics import Names

app = typer.Typer(
    help="Show what became of a receipt.", add_completion=False, rich_markup_mode="markdown"
)


@app.callback()
def receipts() -> None:
    """Show what became of a receipt."""


@app.command()
def show(
    context: typer.Context,
    receipt: Annotated[str, typer.Argument(help="Receipt id, as the till wrote it.")],
    *,
    json: Annotated[bool, output.Json] = False,
) -> None:
    """Show every result of a document, its lines and postings, and where they are in the log."""
    chosen = settings(context)
    with reading(chosen) as log:
        output.note(f"reading the log for {receipt} …")
        found = dossier(log, values(chosen), Names(chosen.tenant), receipt)
        programme = served(chosen, log)
    if not found.sightings and not found.answers:
        raise VerbError(
            "UNKNOWN",
            f"the log holds no document {receipt}",
            "check the id; unreadable ones are in 'loyalty dlq list'",
        )
    if json:
        output.print_json(as_json(found))
    else:
        _print(found, programme.exponent if programme else 2)


def as_json(found: Dossier) -> dict[str, Any]:
    """Give a dossier with field names, which core values leave out in their own encoding."""
    return {
        "document": found.document,
        "log": [
            {
                "position": str(each.position),
                "timestamp": each.timestamp,
                "what": each.what,
                "value": each.value,
            }
            for each in found.sightings
        ],
        "results": [
            {
                "position": str(answer.position),
                "command": None if answer.command is None else str(answer.command),
                "result": named(answer.result),
            }
            for answer in found.answers
        ],
    }


def named(value: Any) -> Any:
    """Turn structs into maps by field name, all the way down."""
    if isinstance(value, msgspec.Struct):
        fields = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
        return {public: named(getattr(value, own)) for own, public in fields}
    if isinstance(value, tuple | list):
        return [named(each) for each in value]
    if isinstance(value, dict):
        return {key: named(each) for key, each in value.items()}
    return value


def _print(found: Dossier, exponent: int) -> None:
    output.say(f"Document {found.document}\n")
    output.print_table(
        ("where", "at", "what"),
        ((each.position, output.when(each.timestamp), each.what) for each in found.sightings),
    )
    if not found.answers:
        output.say("\nNo result yet: 'loyalty doctor' tells whether the workers keep up.")
    seen: dict[str, str] = {}
    for answer in found.answers:
        identity = answer.result.result_id
        output.say()
        if identity in seen:
            output.say(f"Again result {identity} at {answer.position}, as at {seen[identity]}.")
        else:
            seen[identity] = str(answer.position)
            _print_answer(answer, exponent)


def _print_answer(answer: Answer, exponent: int) -> None:
    result = answer.result
    output.say(f"Result {result.result_id}: {sentence(result)}")
    output.say(f"  result at {answer.position}")
    if answer.command is not None:
        output.say(f"  command at {answer.command}")
    if result.rules:
        paid = ", ".join(f"{each.rule} v{each.version}: {each.points:,}" for each in result.rules)
        output.say(f"  paid by {paid}")
    back = refund(result, exponent)
    if back is not None:
        output.say(f"  {back}")
    if result.flags:
        output.say(f"  flags {', '.join(result.flags)}")
    if result.lines:
        output.say()
        output.print_table(
            ("line", "earned", "redeemed", "clawed back", "given back"),
            ((x.n, x.earned, x.redeemed, x.clawed, x.reinstated) for x in result.lines),
        )
    if result.entries:
        output.say()
        output.print_table(
            ("posting", "from", "to", "points", "currency", "lot", "line", "at"),
            (
                (x.kind, x.from_, x.to, x.points, x.currency, x.lot, x.line, output.when(x.at))
                for x in result.entries
            ),
        )


def sentence(result: Result) -> str:
    """Say what was decided, in a sentence."""
    if result.status == "refused":
        return f"refused, {result.code}; nothing was posted."
    if result.status == "deferred":
        return f"waits, {result.code}; nothing is posted until then."
    if result.status == "conflict":
        return "conflict: the id is known with other content; the first stands."
    if result.account is None:
        return "booked without an account: nobody was named at the till."
    sums = {
        "earned": sum(line.earned for line in result.lines),
        "spent": sum(line.redeemed for line in result.lines),
        "clawed back": sum(line.clawed for line in result.lines),
        "given back": sum(line.reinstated for line in result.lines),
    }
    moved = ", ".join(f"{points:,} points {how}" for how, points in sums.items() if points)
    return (
        f"booked on account {result.account}, version {result.version}: "
        f"{moved or 'no point moved'}."
    )


def refund(result: Result, exponent: int) -> str | None:
    """Say what the customer got back, in a sentence; None where nothing was."""
    back = result.refund
    parts = [
        f"{output.money(back.money, exponent)} in cash" if back.money else "",
        f"{output.money(back.gift, exponent)} on a gift card" if back.gift else "",
        f"{back.points:,} in points" if back.points else "",
    ]
    said = ", ".join(part for part in parts if part)
    return f"refunded {said}" if said else None
