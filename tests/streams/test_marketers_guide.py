"""The worked examples of docs/marketers.md, run as they stand there."""

import re
from datetime import datetime
from pathlib import Path

import pytest

from streams.core import calendar
from streams.core.accrual import Facts, Headroom, LineNet
from streams.core.conditions import decimal
from streams.core.earning import campaign_rules
from streams.core.matching import (
    CampaignIndex,
    GoodsLine,
    Match,
    Occasion,
    judge,
    member_attributes,
)
from streams.core.runs import instant
from streams.documents import campaign_of, nodes, programme_of, written

GUIDE = (Path(__file__).parents[2] / "docs" / "marketers.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
PROGRAMME = programme_of(written(nodes(BLOCKS[0], "guide")[0]))
SECTIONS = re.split(r"^## (?=\d+\. )", GUIDE, flags=re.MULTILINE)[1:]


def cases():
    """Yield title, campaign text and each row of the table of every example."""
    for section in SECTIONS:
        title = section.splitlines()[0]
        (text,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
        table = section.split("|---|---|---|---|\n")[1].split("\n\n")[0]
        for number, row in enumerate(table.strip().splitlines(), start=1):
            cells = [cell.strip() for cell in row.strip("|").split("|")]
            yield pytest.param(text, *cells, id=f"{title} {number}")


def value(text):
    """Read an attribute's value as it is written in a table."""
    if text.startswith('"'):
        return text.strip('"')
    if text in ("true", "false"):
        return text == "true"
    number = decimal(text)
    if number is not None:
        return number
    return tuple(text.split("+")) if "+" in text else text


def goods(text):
    """Read `2 × sku price attribute=value`; tags are a set."""
    found = []
    for item in text.split(";"):
        count, rest = item.split("×") if "×" in item else ("1", item)
        sku, price, *attributes = rest.split()
        pairs = dict(each.split("=") for each in attributes)
        read = {name: value(each) for name, each in pairs.items()}
        if isinstance(read.get("tags"), str):
            read["tags"] = (read["tags"],)
        minor = int(price.replace(".", ""))
        pieces = int(count)
        found.append(GoodsLine(sku, minor, pieces * 1000, minor * pieces, read))
    return tuple(found)


def context(text):
    """Read who and where: words with values, `code` and `offer` alone."""
    return {
        name: value(each) if each else True
        for name, _, each in (word.partition("=") for word in text.split())
    }


def occasion(campaign, when, said, lines):
    """Gather what the row says."""
    at = instant(when.replace(" ", "T"), PROGRAMME.zoneinfo)
    born = tuple(map(int, said["born"].split("-"))) if "born" in said else None
    member = member_attributes(
        {}, at=at, zone=PROGRAMME.zoneinfo, tier=said.get("tier"), born=born,
        purchases=said.get("purchases"),
    )  # fmt: skip
    return Occasion(
        at,
        lines,
        store={name: said[name] for name in ("store", "country") if name in said},
        member=member,
        codes=frozenset([campaign.campaign] if "code" in said else []),
        offers=frozenset([campaign.campaign] if "offer" in said else []),
        channel=said.get("channel", "store"),
        payments=(said["pays"],) if "pays" in said else (),
    )


def points(campaigns, own, given, said):
    """Let the ledger's rules pay for the basket."""
    store = dict(given.store)
    products = {line.sku: line.attributes for line in given.lines}
    index = CampaignIndex(PROGRAMME, campaigns)
    rules = campaign_rules(PROGRAMME, index, products.__getitem__, store)
    facts = Facts(
        "m1",
        tier=said.get("tier"),
        born=tuple(map(int, said["born"].split("-"))) if "born" in said else None,
        purchases=said.get("purchases", 0),
        channel=given.channel,
    )
    lines = [
        LineNet(n, line.sku, line.quantity, line.list, line.list, line.list)
        for n, line in enumerate(given.lines, start=1)
    ]
    accruals = rules(facts, lines, given.at, lambda _rule, _limits: Headroom())
    (accrual,) = [each for each in accruals if each.rule == own.campaign]
    return accrual


def shown(accrual, at, dated):
    """Write points, and the days on which the lot begins and ends, as the table does."""
    text = f"{accrual.points} point" + ("" if accrual.points == 1 else "s")
    if not dated:
        return text
    ends = calendar.dates(accrual.terms, at, PROGRAMME.zone)
    days = [datetime.fromtimestamp(e // 1000, PROGRAMME.zoneinfo).date() for e in ends]
    return f"{text}, {days[0]} to {days[1]}"


@pytest.mark.parametrize(("text", "when", "who", "basket", "result"), list(cases()))
def test_the_guide_tells_the_truth(text, when, who, basket, result):
    """Each row of each table happens as it is written."""
    base = campaign_of(written(nodes(BLOCKS[1], "guide")[0]), PROGRAMME)
    own = campaign_of(written(nodes(text, "guide")[0]), PROGRAMME)
    said = context(who)
    given = occasion(own, when, said, goods(basket))
    verdict = judge(PROGRAMME, own, given)

    if result.startswith("not:"):
        assert not isinstance(verdict, Match)
        names = "" if verdict.unknown is None else ", ".join(verdict.unknown) or "none"
        assert result == f"not: {verdict.reason}" + (f" (unknown: {names})" if names else "")
    else:
        assert isinstance(verdict, Match)
        if result.endswith("off"):
            assert own.kind == "discount"
        else:
            campaigns = [own] if own.campaign == base.campaign else [base, own]
            accrual = points(campaigns, own, given, said)
            assert result == shown(accrual, given.at, " to " in result)


def test_the_guide_has_ten_examples_of_all_kinds():
    """An example a section, and no key of a campaign goes unshown."""
    assert len(SECTIONS) == 10
    for key in ("runs", "who", "where", "goods", "needs", "basket", "lot", "limits", "not_with"):
        assert any(f"\n{key}: " in block or f"\n{key}:\n" in block for block in BLOCKS)
