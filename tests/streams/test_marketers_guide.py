"""The worked examples of docs/marketers.md, run as they stand there."""

import re
from datetime import date, datetime
from pathlib import Path

import pytest

from streams.core.basket import load_basket, load_member
from streams.core.case import see
from streams.core.conditions import decimal
from streams.core.judging import judge
from streams.core.matching import CampaignIndex
from streams.core.occasion import Refusal
from streams.core.quote import quote
from streams.core.receipt import DecimalValue
from streams.documents import campaign_of, programme_of
from streams.written_documents import nodes, written

GUIDE = (Path(__file__).parents[2] / "docs" / "marketers.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
PROGRAMME = programme_of(written(nodes(BLOCKS[0], "guide")[0]))
SECTIONS = re.split(r"^## (?=\d+\. )", GUIDE, flags=re.MULTILINE)[1:]
OF_MEMBER = ("tier", "born", "purchases")
OF_PLACE = ("store", "country")


def cases():
    """List the campaign's text and each row of the table of every example."""
    found = []
    for section in SECTIONS:
        title = section.splitlines()[0]
        (text,) = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
        table = section.split("|---|---|---|---|\n")[1].split("\n\n")[0]
        for number, row in enumerate(table.strip().splitlines(), start=1):
            cells = [cell.strip() for cell in row.strip("|").split("|")]
            found.append(pytest.param(text, *cells, id=f"{title} {number}"))
    return found


def value(text):
    """Read an attribute as exact data; `+` joins the members of a set."""
    number = decimal(text)
    if text.startswith('"'):
        return text.strip('"')
    if text in ("true", "false"):
        return text == "true"
    if isinstance(number, DecimalValue):
        return {"decimal": text}
    if number is not None:
        return number
    return text.split("+") if "+" in text else text


def attributes(words):
    """Read `name=value` words."""
    return {name: value(each) for name, each in (word.split("=") for word in words)}


def line(number, text):
    """Read `2 × sku price attribute=value`; tags are a set."""
    count, item = text.split("×") if "×" in text else ("1", text)
    sku, price, *words = item.split()
    own = attributes(words)
    if isinstance(own.get("tags"), str):
        own["tags"] = [own["tags"]]
    return {
        "line": number,
        "sku": sku,
        "price": int(price.replace(".", "")),
        "quantity": int(count) * 1000,
        "attributes": own,
    }


def situation(campaign, when, who, basket):
    """Make the member, or nobody, and the basket of a row."""
    words = who.split()
    said = attributes(word for word in words if "=" in word)
    member = {name: said[name] for name in OF_MEMBER if name in said}
    if "born" in member:
        member["born"] = f"2000-{member['born']}"
    if "offer" in words:
        member["offers"] = [campaign.campaign]
    document = {
        "time": when.replace(" ", "T"),
        "channel": said.get("channel", "store"),
        "place": {name: said[name] for name in OF_PLACE if name in said},
        "payments": [said["pays"]] if "pays" in said else [],
        "codes": {"C": campaign.campaign} if "code" in words else {},
        "lines": [line(n, each) for n, each in enumerate(basket.split(";"), start=1)],
    }
    zone = PROGRAMME.zoneinfo
    read = load_member({"id": "m", "version": 1, **member}, zone) if member else None
    return read, load_basket(document, zone)


def day(instant):
    """Give the local date of an instant."""
    return date.isoformat(datetime.fromtimestamp(instant // 1000, PROGRAMME.zoneinfo).date())


def told(campaigns, own, member, basket, *, dated):
    """Write what *own* does as the table does: why not, points, or money off."""
    case = see(PROGRAMME, campaigns, member, basket)
    verdict = judge(PROGRAMME, own, case.occasion)
    if isinstance(verdict, Refusal):
        if verdict.unknown is None:
            return f"not: {verdict.reason}"
        return f"not: {verdict.reason} (unknown: {', '.join(verdict.unknown) or 'none'})"
    quoted = quote(PROGRAMME, campaigns, member, basket)
    if own.kind == "discount":
        off = sum(each.discounts.get(own.campaign, 0) for each in quoted.lines)
        return f"{off // 100}.{off % 100:02} off"
    (lot,) = [each for each in quoted.new_lots if each.campaign == own.campaign]
    points = f"{lot.points} point" + ("" if lot.points == 1 else "s")
    return f"{points}, {day(lot.active_from)} to {day(lot.expires_at)}" if dated else points


@pytest.mark.parametrize(("text", "when", "who", "basket", "result"), cases())
def test_the_guide_tells_the_truth(text, when, who, basket, result):
    """Each row of each table happens as it is written."""
    base = campaign_of(written(nodes(BLOCKS[1], "guide")[0]), PROGRAMME)
    own = campaign_of(written(nodes(text, "guide")[0]), PROGRAMME)
    beside = [] if own.campaign == base.campaign else [base]
    campaigns = CampaignIndex(PROGRAMME, [*beside, own])
    member, read = situation(own, when, who, basket)

    assert told(campaigns, own, member, read, dated=" to " in result) == result


def test_the_guide_has_ten_examples_of_all_kinds():
    """An example a section, and no key of a campaign goes unshown."""
    assert len(SECTIONS) == 10
    for key in ("runs", "who", "where", "goods", "needs", "basket", "lot", "limits", "not_with"):
        assert any(f"\n{key}: " in block or f"\n{key}:\n" in block for block in BLOCKS)
