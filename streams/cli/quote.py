"""`loyalty quote`: a basket by hand, quoted as a till would show it."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from streams.cli import output
from streams.cli.errors import USAGE, VerbError
from streams.cli.publishing import read
from streams.core.basket import load_basket, load_member
from streams.core.campaigns import Campaign, load_campaign
from streams.core.case import Case, see
from streams.core.explanation import Explanation, explain
from streams.core.grammar import DocumentError
from streams.core.matching import CampaignIndex
from streams.core.optimum import Solver
from streams.core.programme import Programme, load_programme
from streams.core.quote import Quote, finish
from streams.core.vectors_promotions import quote_document
from streams.documents import read_campaigns, read_programme

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

# Why a campaign does not apply, as a cashier would say it.
REASONS = {
    "not_running": "does not run now",
    "who": "is not for this member",
    "where": "is not for this store",
    "code": "needs a code",
    "offer": "needs an offer to this member",
    "limit": "is used up for this member",
    "budget": "is used up",
    "goods": "finds none of its goods here",
    "threshold": "asks more of the basket",
    "conflict": "gives less than what applies instead",
    "no_gain": "would give nothing",
}


@app.command()
def quote(
    file: Annotated[Path, typer.Argument(help="A basket, in YAML or JSON.")],
    *,
    programme: Annotated[Path | None, typer.Option(help="The programme's file.")] = None,
    campaigns: Annotated[
        Path | None, typer.Option(help="The campaigns, a file or a folder.")
    ] = None,
    json: Annotated[bool, output.Json] = False,
) -> None:
    """
    Quote a basket: discounts, points to spend, points to earn, and why not more.

    The file holds `basket` and may hold `member`, with money in minor units and quantities
    in thousandths, and `programme` and `campaigns`: documents, or paths beside the file.
    Options win over them; without either, the programme.yaml and the folder campaigns
    beside the file are used.
    """
    given = _document(file)
    try:
        played = _programme(given.get("programme"), file, programme)
        index = CampaignIndex(played, _campaigns(given.get("campaigns"), file, campaigns, played))
        member = given.get("member")
        case = see(
            played,
            index,
            None if member is None else load_member(member, played.zoneinfo),
            load_basket(given.get("basket"), played.zoneinfo),
        )
    except DocumentError as error:
        raise VerbError("DOCUMENT", f"{file}: {error}", "mend what is named", USAGE) from error
    solver = Solver(case.problem)
    quoted = finish(case, solver)
    explained = explain(case, quoted.combination, solver)
    if json:
        output.print_json(quote_document(case, quoted, explained))
    else:
        for line in told(case, quoted, explained):
            output.say(line)


def told(case: Case, quoted: Quote, explained: Explanation) -> list[str]:
    """Write a quote as a till would: lines with what is taken off, sums, points, reasons."""
    exponent = case.programme.exponent
    rows: list[tuple[str, int | None]] = []
    for own, line in zip(case.basket.lines, quoted.lines, strict=True):
        price = output.money(own.price, exponent)
        rows.append((f"{output.quantity(own.quantity)} × {own.sku} at {price}", line.list))
        rows += [(f"   {_title(case, name)}", -off) for name, off in line.discounts.items()]
    rows += [("", None), ("Total", sum(line.list for line in quoted.lines))]
    if quoted.discount:
        rows.append(("Discounts", -quoted.discount))
    redeemed = sum(quoted.lots.values())
    if redeemed:
        value = case.programme.points[case.programme.redemption.currency].value
        rows.append((f"{redeemed:,} points", -redeemed * value))
    rows.append(("To pay", quoted.to_pay))
    width = max(len(text) for text, _ in rows) + 2
    lines = [
        text if amount is None else f"{text:<{width}}{output.money(amount, exponent):>12}"
        for text, amount in rows
    ]
    return [*lines, *_points(case, quoted), *_reasons(case, quoted, explained)]


def _points(case: Case, quoted: Quote) -> list[str]:
    zone = case.programme.zoneinfo
    lines = [""]
    if quoted.most > sum(quoted.lots.values()):
        lines.append(f"Up to {quoted.most:,} points can pay for it.")
    for lot in quoted.new_lots:
        until = (
            "for ever" if lot.expires_at is None else f"until {output.when(lot.expires_at, zone)}"
        )
        start = output.when(lot.active_from, zone)
        lines.append(
            f"Earns {lot.points:,} {lot.currency}: {_title(case, lot.campaign)}, "
            f"from {start} {until}"
        )
    lines.append(f"Good until {output.when(quoted.good_until, zone)}, quote {quoted.id}.")
    return lines


def _reasons(case: Case, quoted: Quote, explained: Explanation) -> list[str]:
    lines = []
    for name, reason in explained.not_applied.items():
        why = REASONS.get(reason.reason, reason.reason)
        unknown = f" (not known: {', '.join(reason.unknown)})" if reason.unknown else ""
        lines.append(f"Not applied: {_title(case, name)} {why}{unknown}.")
    if not quoted.combination.proven:
        lines.append("The search ended at its budget: a better combination may exist.")
    return ["", *lines] if lines else []


def _title(case: Case, name: str) -> str:
    live = {each.campaign: each for each in case.index.live(case.basket.at)}
    titles = live[name].titles if name in live else {}
    return titles.get("") or titles.get("en") or name


def _document(path: Path) -> Mapping[str, Any]:
    """
    Read the file; dates stay text.

    Raises:
        VerbError: If it cannot be read or is no map.
    """
    try:
        found = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise VerbError("NO_FILE", f"{path}: {error.strerror}", "check the path", USAGE) from error
    except (YAMLError, ValueError) as error:
        raise VerbError(
            "DOCUMENT", f"{path} is not YAML: {error}", "mend the file", USAGE
        ) from error
    if not isinstance(found, dict) or "basket" not in found:
        raise VerbError(
            "DOCUMENT", f"{path} has no key basket", "loyalty quote --help tells the form", USAGE
        )
    dated: Mapping[str, Any] = _texts(found)
    return dated


def _texts(value: Any) -> Any:
    """Write the instants that YAML recognises as the text that they were."""
    if isinstance(value, dict):
        return {str(key): _texts(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_texts(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _programme(given: Any, file: Path, named: Path | None) -> Programme:
    if named is None and isinstance(given, Mapping):
        return load_programme(given)
    path = named or file.parent / (given if isinstance(given, str) else "programme.yaml")
    return read([path], lambda each: [read_programme(each)])[0]


def _campaigns(given: Any, file: Path, named: Path | None, programme: Programme) -> list[Campaign]:
    if named is None and isinstance(given, list):
        return [load_campaign(each, programme) for each in given]
    path = named or file.parent / (given if isinstance(given, str) else "campaigns")
    return read([path], lambda each: read_campaigns(each, programme))
