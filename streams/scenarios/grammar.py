"""What a scenario file may say: every key of every verb, told once.

Three readers walk these shapes: `document` converts what is written, `comparing` finds
what differs, and `publishing` writes the JSON Schema.
"""

from streams.core.campaign_grammar import COUPON, LOT
from streams.core.grammar import (
    LARGEST,
    ConditionShape,
    Either,
    Flag,
    Listing,
    Record,
    Shape,
    Table,
    Text,
    When,
    Whole,
    Word,
)
from streams.core.programme import CAMPAIGN_ID, NAME, PROGRAMME

MONEY = Whole("money", -LARGEST, LARGEST * 10)
POINTS = Whole("points", -LARGEST * 10, LARGEST * 10)
COUNT = Whole("count", 0, LARGEST * 10)
STEPS_MOST = 1_000

DOCUMENT_ID = Text("an id of a document, like S1", r"[A-Za-z0-9][A-Za-z0-9 ._#-]*", 64)
MEMBER = Text("the name of a member, like ann", r"[a-z][a-z0-9-]*", 32)
CURRENCY = NAME
LINE_NUMBER = Text("a line number", r"[0-9]+", 6)
UNTIL = Text("a date, an instant, or never")
CARDS: dict[str, Shape] = {"card": Text(), "phone": Text(), "email": Text()}

BORN = Text("a day like 03-05 or 1990-03-05", r"([0-9]{4}-)?[0-9]{2}-[0-9]{2}", 10)
FACTS: dict[str, Shape] = {
    **CARDS,
    "household": NAME,
    "born": BORN,
    "born_known": When(),
    "is": ConditionShape("who"),
}
PERSON = Record(FACTS)

AMOUNT: dict[str, Shape] = {"pieces": COUNT, "quantity": Whole("quantity", 0, LARGEST * 10)}
POINTS_OF_LOT = Record(
    {"points": POINTS, "lot": Text("a lot, like S1 base"), "currency": CURRENCY},
    required=("points",),
)
SALE_LINE = Record(
    {
        "sku": NAME,
        **AMOUNT,
        "price": MONEY,
        "n": COUNT,
        "off": Table(CAMPAIGN_ID, MONEY),
        "amount": MONEY,
        "points": Either((POINTS, Listing(POINTS_OF_LOT))),
    },
    required=("sku",),
)
RETURN_LINE = Record({"of": DOCUMENT_ID, "line": COUNT, "sku": NAME, **AMOUNT, "n": COUNT})
BASKET_LINE = Record(
    {"sku": NAME, **AMOUNT, "price": MONEY, "weighed": Flag(), "min_price": MONEY},
    required=("sku",),
)

BALANCE = Record(
    {
        "active": POINTS,
        "pending": POINTS,
        "held": POINTS,
        "debt": POINTS,
        "available": POINTS,
        "currency": CURRENCY,
        "tier": Text(),
        "status": Word(("provisional", "open", "blocked", "closed", "erased")),
        "version": COUNT,
    }
)
OF_MEMBER = Either((POINTS, BALANCE, Listing(BALANCE)))
LOT_FIGURES = Record(
    {
        "points": POINTS,
        **dict.fromkeys(("credited", "spent", "expired", "reversed", "repaid", "absorbed"), POINTS),
        "currency": CURRENCY,
        "class": NAME,
        "from": When(),
        "until": UNTIL,
        "held": Flag(),
        "of": MEMBER,
    }
)
AFTER: dict[str, Shape] = {
    "balance": OF_MEMBER,
    "balances": Table(MEMBER, OF_MEMBER),
    "lots": Table(Text("a lot, like S1 base"), LOT_FIGURES),
    "results": Table(
        DOCUMENT_ID, Text("ok, deferred, or the code of a refusal", r"[A-Za-z_]+", 40)
    ),
    "events": Listing(Text("kind and points, like earned 80"), 0),
    "messages": Listing(Text("kind and points, like earned 80"), 0),
}
ANSWER: dict[str, Shape] = {
    "refused": Text("a refusal code", r"[A-Z_]+", 40),
    "conflict": Flag(),
    "waits": Flag(),
    "as_before": Flag(),
    "entries": Listing(Text("kind and points, like accrual 80"), 0),
}
LINE_RESULT = Record(dict.fromkeys(("earned", "redeemed", "clawed", "reinstated"), POINTS))
OF_DOCUMENT = Record(
    {
        **ANSWER,
        "earned": Either((POINTS, Table(CAMPAIGN_ID, POINTS))),
        "lines": Table(LINE_NUMBER, LINE_RESULT),
        "refund": Record({"money": MONEY, "gift": MONEY, "points": POINTS}),
        "flags": Listing(Text("a flag", r"[A-Z_]+", 40), 0),
        "tier": Text(),
        "variance": Table(LINE_NUMBER, Table(CAMPAIGN_ID, MONEY)),
        **AFTER,
    }
)
QUOTE_LINE = Record(
    {
        "list": MONEY,
        "net": MONEY,
        "off": Table(CAMPAIGN_ID, MONEY),
        "redeem_cap": POINTS,
        "redeemed": Either((POINTS, Table(Text("a lot, like S1 base"), POINTS))),
        "earn": Either((POINTS, Table(CAMPAIGN_ID, POINTS))),
    }
)
WHY_NOT = Record(
    {"why": NAME, "unknown": Listing(Text(), 0), "against": Listing(CAMPAIGN_ID, 0), "best": Text()}
)
OF_QUOTE = Record(
    {
        "applied": Listing(CAMPAIGN_ID, 0),
        "not_applied": Table(CAMPAIGN_ID, Either((NAME, WHY_NOT))),
        "discount": MONEY,
        "benefit": MONEY,
        "to_pay": MONEY,
        "redeemed": Either((POINTS, Table(Text("a lot, like S1 base"), POINTS))),
        "most_points": POINTS,
        "earns": Either((POINTS, Table(CAMPAIGN_ID, POINTS))),
        "new_lots": Table(CAMPAIGN_ID, Record({"from": When(), "until": UNTIL})),
        "objective": Text("minor units, or a fraction like 561985/2"),
        "runner_up": Text("minor units, a fraction, or none"),
        "lane_by_lane": Text("minor units, or a fraction like 561985/2"),
        "order": Listing(NAME, 0),
        "proven": Flag(),
        "good_until": When(),
        "lines": Table(LINE_NUMBER, QUOTE_LINE),
        "same_as": DOCUMENT_ID,
        **AFTER,
    }
)
OF_OFFICE = Record({**ANSWER, **AFTER})
OF_TIME = Record(dict(AFTER))

TILL: dict[str, Shape] = {
    "at": When(),
    "member": MEMBER,
    "shows": Record(CARDS),
    "store": NAME,
    "channel": NAME,
    "codes": Listing(COUPON, 0),
    "gift_card": MONEY,
    "paid_by": Listing(NAME, 0),
}
DOCUMENT: dict[str, Shape] = {
    **TILL,
    "arrives": When(),
    "till": NAME,
    "offline": Flag(),
    "hold": DOCUMENT_ID,
    "quoted": DOCUMENT_ID,
    "points": POINTS,
    "lines": Listing(SALE_LINE, 0),
    "returns": Listing(RETURN_LINE, 0),
    "expect": OF_DOCUMENT,
}
OFFICE: dict[str, Shape] = {"at": When(), "expect": OF_OFFICE}


def _verb(name: str, value: Shape, fields: dict[str, Shape], *required: str) -> Record:
    return Record({name: value, **fields}, required=(name, *required))


VERBS: dict[str, Record] = {
    "register": _verb("register", MEMBER, {**FACTS, "replaces": Record(CARDS), **OFFICE}, "at"),
    "sale": _verb("sale", DOCUMENT_ID, DOCUMENT, "at"),
    "return": _verb("return", DOCUMENT_ID, DOCUMENT, "at", "returns"),
    "exchange": _verb("exchange", DOCUMENT_ID, DOCUMENT, "at", "returns"),
    "void": _verb("void", DOCUMENT_ID, {"of": DOCUMENT_ID, **DOCUMENT}, "at", "of"),
    "quote": _verb(
        "quote",
        DOCUMENT_ID,
        {
            **TILL,
            "lines": Listing(BASKET_LINE, 0),
            "redeem": Either((POINTS, Word(("max",)))),
            "basket": DOCUMENT_ID,
            "expect": OF_QUOTE,
        },
        "at",
        "lines",
    ),
    "hold": _verb(
        "hold",
        DOCUMENT_ID,
        {"quoted": DOCUMENT_ID, "replaces": DOCUMENT_ID, **OFFICE},
        "at",
        "quoted",
    ),
    "confirm": _verb("confirm", DOCUMENT_ID, OFFICE, "at"),
    "release": _verb("release", DOCUMENT_ID, {"by_operator": Flag(), **OFFICE}, "at"),
    "adjust": _verb(
        "adjust",
        DOCUMENT_ID,
        {
            "member": MEMBER,
            "points": POINTS,
            "currency": CURRENCY,
            "by": Text("", r"[\s\S]*", shortest=0),
            "reason": Text("", r"[\s\S]*", shortest=0),
            "approved_by": Text(),
            "lot": LOT,
            "allow_debt": Flag(),
            **OFFICE,
        },
        "at",
        "member",
        "points",
    ),
    "offer": _verb("offer", CAMPAIGN_ID, {"member": MEMBER, **OFFICE}, "at", "member"),
    "grant_tier": _verb(
        "grant_tier", Text(), {"member": MEMBER, "until": When(), **OFFICE}, "at", "member"
    ),
    "merge": _verb(
        "merge", DOCUMENT_ID, {"from": MEMBER, "into": MEMBER, **OFFICE}, "at", "from", "into"
    ),
    "unmerge": _verb("unmerge", DOCUMENT_ID, {"from": MEMBER, **OFFICE}, "at", "from"),
    "block": _verb("block", MEMBER, OFFICE, "at"),
    "open": _verb("open", MEMBER, OFFICE, "at"),
    "close": _verb("close", MEMBER, OFFICE, "at"),
    "erase": _verb("erase", MEMBER, OFFICE, "at"),
    # Campaigns are read by their own grammar, which depends on what they give.
    "publish": _verb("publish", Listing(Table(NAME, Text())), {}),
    "time_passes": _verb("time_passes", When(), {"expect": OF_TIME}),
}
PARTIAL_PROGRAMME = Record(PROGRAMME.fields)
HEAD = Record(
    {
        "title": Text(),
        "why": Text(),
        "covers": Listing(Text("a rule of scenarios/rules.yaml"), 0),
        "programme": PARTIAL_PROGRAMME,
        "campaigns": Listing(Table(NAME, Text())),
        "products": Table(NAME, ConditionShape("goods"), 0, 1_000),
        "stores": Table(NAME, ConditionShape("where"), 0, 1_000),
        "members": Table(MEMBER, PERSON),
        "steps": Listing(Record({}), 1, STEPS_MOST),
    },
    required=("title", "steps"),
)
