"""Every policy of the ledger, its default and each alternative, in small histories."""

import pytest

from streams.core.account import Account, Born, TierFloor
from streams.core.accrual import LotTerms
from streams.core.adjustments import Adjustment
from streams.core.balances import balances
from streams.core.calendar import LATEST, instant
from streams.core.history import History
from streams.core.ids import tick_id
from streams.core.policy import PolicyError, ledger_policy
from streams.core.qualifying import MERGED_AT_LEAST
from streams.core.receipt import (
    LineDiscount,
    Original,
    Receipt,
    RedeemRequest,
    ReturnLine,
    SaleLine,
)
from streams.core.result import conflict
from streams.core.simple_rules import RuleError, simple_rules
from streams.core.snapshot import snapshot
from streams.core.status import StatusChange
from streams.core.tiers import tier_at

HOUR = 3_600_000
DAY = 24 * HOUR
START = instant("2026-01-01T10:00:00Z")
ALL = {"id": "all", "kind": "percent", "bp": 10_000}
LEVELS = [["silver", 10_000], ["gold", 30_000]]


def shop(policy=None, *rules, **more):
    """Open a history."""
    return History(ledger_policy(policy), simple_rules(rules or (ALL,), point_value=100), **more)


def receipt(name, day, *lines, late=0, hours=0, **fields):
    """Write a receipt of *lines* sold on *day*, accepted *late* days after."""
    at = START + day * DAY + hours * HOUR
    sales = tuple(each for each in lines if isinstance(each, SaleLine))
    returns = tuple(each for each in lines if isinstance(each, ReturnLine))
    return Receipt(name, "s", "t", at, at + late * DAY, sales=sales, returns=returns, **fields)


def sell(history, name, day, amount, *, points=0, account="A", sku="x", **fields):
    """Sell one unit of *sku*."""
    redeem = (RedeemRequest(points),) if points else ()
    line = SaleLine(1, sku, 1000, amount, redeem=redeem)
    history.receive(receipt(name, day, line, **fields), account)
    return history.results[name]


def give_back(history, name, day, sale, *, qty=1000, account="A", **fields):
    """Return of *sale*'s line; without a receipt when *sale* is None."""
    of = None if sale is None else Original(sale, 1)
    history.receive(receipt(name, day, ReturnLine(1, "x", qty, of), **fields), account)
    return history.results[name]


def grant(history, name, day, points, *, account="A", **fields):
    """Give or take points by hand."""
    fields = {"actor": "ann", "reason": "grant", "terms": LotTerms()} | fields
    history.adjust(Adjustment(name, account, START + day * DAY, points, **fields))
    return history.results[name]


def balance(history, account="A"):
    """Give (active, pending, held, debt, available) of P."""
    found = balances(history.account(account))
    return next(
        ((b.active, b.pending, b.held, b.debt, b.available) for b in found if b.currency == "P"),
        None,
    )


@pytest.mark.parametrize(("earns", "paid"), [(False, 60), (True, 100)])
def test_gift_money_earns_only_where_the_programme_says_so(earns, paid):
    """A return gives each tender its own part back, and claws what was earned."""
    history = shop({"gift_earns": earns})
    assert sell(history, "s", 0, 10_000, gift_card=4_000).rules[0].points == paid
    back = give_back(history, "r", 1, "s", qty=500)
    assert (back.refund.money, back.refund.gift) == (3_000, 2_000)
    assert balance(history)[0] == paid // 2


@pytest.mark.parametrize(
    ("policy", "refund", "status"),
    [
        ("newest", 9_000, "ok"),
        ("lowest", 5_000, "ok"),
        ("floor", 0, "ok"),
        ("refuse", 0, "refused"),
    ],
)
def test_a_return_without_a_receipt_is_of(policy, refund, status):
    """Newest, lowest net per unit, nothing at all, or refused."""
    history = shop({"no_receipt": policy})
    sell(history, "old", 0, 5_000)
    sell(history, "new", 1, 9_000)
    result = give_back(history, "r", 2, None)

    assert (result.refund.money, result.status) == (refund, status)


def test_a_return_without_a_receipt_sees_sixty_days_and_no_more():
    """The bound is inclusive, and the whole quantity must be there."""
    history = shop()
    sell(history, "s", 0, 5_000)
    assert give_back(history, "late", 60, None, hours=1).refund.money == 0
    assert give_back(history, "much", 60, None, qty=1_001).refund.money == 0
    assert give_back(history, "right", 60, None).refund.money == 5_000


@pytest.mark.parametrize(
    ("window", "day", "tier"),
    [
        (1, 30, "silver"),
        (1, 31, None),
        ("calendar", 364, "silver"),
        ("calendar", 400, "silver"),
        ("calendar", 800, None),
        ("lifetime", 2_000, "silver"),
    ],
)
def test_the_tier_of_a_sale_lasts_for_its_window(window, day, tier):
    """One sale of 100.00 on 1 January."""
    history = shop({"tier": {"levels": LEVELS, "window": window}})
    sell(history, "s", 0, 10_000)

    assert tier_at(history.account("A"), START + day * DAY, history.policy) == tier


@pytest.mark.parametrize(("upgrade", "tier"), [("after", None), ("first", "silver")])
def test_a_receipt_counts_for_itself_only_where_upgrade_comes_first(upgrade, tier):
    """The tier that earned it is in the result beside the one afterwards."""
    history = shop({"tier": {"levels": LEVELS, "upgrade": upgrade}})
    result = sell(history, "s", 0, 10_000)

    assert (result.tier, result.tier_after) == (tier, "silver")


@pytest.mark.parametrize(("on_return", "tier"), [("withdraw", None), ("keep", "silver")])
def test_returned_net_counts_towards_the_tier_where_it_is_kept(on_return, tier):
    """The return is dated: before it, the tier was silver under either policy."""
    history = shop({"tier": {"levels": LEVELS, "on_return": on_return}})
    sell(history, "s", 0, 10_000)
    assert give_back(history, "r", 5, "s").tier_after == tier
    assert tier_at(history.account("A"), START + 4 * DAY, history.policy) == "silver"


def test_a_manual_floor_holds_until_its_end_and_never_lowers():
    """A floor below what was earned does nothing."""
    policy = ledger_policy({"tier": {"levels": LEVELS}})
    floored = Account("A", mark=START, tier_floor=TierFloor("gold", START + DAY))
    assert tier_at(floored, START, policy) == "gold"
    assert tier_at(floored, START + DAY, policy) is None


def test_sales_long_past_are_kept_by_day_and_give_the_same_tiers():
    """Merging changes no tier that can still be asked for."""
    history = shop({"tier": {"levels": LEVELS, "window": 12}, "max_late_days": 1})
    for each in range(2 * MERGED_AT_LEAST):
        sell(history, f"s{each}", each // 2, 100 + each, hours=each % 2)
    give_back(history, "r", MERGED_AT_LEAST, "s3")
    account = history.account("A")

    assert len(account.qualifying) < 2 * MERGED_AT_LEAST
    assert sum(each.net for each in account.qualifying) == sum(
        100 + each for each in range(2 * MERGED_AT_LEAST)
    )
    assert sum(r.net for each in account.qualifying for r in each.returns) == 103


@pytest.mark.parametrize(("short", "paid"), [("partial", 30), ("nothing", 0)])
def test_a_budget_that_is_short_pays(short, paid):
    """What it leaves, or nothing."""
    history = shop({"budget_short": short}, ALL | {"budget": "c"}, budgets={"c": 100})
    sell(history, "one", 0, 7_000)
    result = sell(history, "two", 1, 7_000)

    assert sum(each.points for each in result.rules) == paid


@pytest.mark.parametrize(("policy", "left"), [("release", 100), ("keep", 30)])
def test_a_budget_gets_back_what_returns_claw(policy, left):
    """Kept, it stays spent."""
    history = shop({"budget_on_return": policy}, ALL | {"budget": "c"}, budgets={"c": 100})
    sell(history, "one", 0, 7_000)
    give_back(history, "r", 1, "one")

    assert 100 - history.taken["c"] == left


@pytest.mark.parametrize(("policy", "paid"), [("release", 50), ("keep", 0)])
def test_a_use_is_free_again_once_all_of_it_was_clawed(policy, paid):
    """A part that stays keeps the use."""
    rule = ALL | {"limit": {"per": "month", "uses": 1}}
    history = shop({"limit_on_return": policy}, rule)
    sell(history, "one", 0, 7_000)
    give_back(history, "part", 1, "one", qty=500)
    assert sell(history, "two", 2, 5_000).rules == ()
    give_back(history, "rest", 3, "one", qty=500)
    result = sell(history, "three", 4, 5_000)

    assert sum(each.points for each in result.rules) == paid


def test_the_birthday_pays_once_a_year_key():
    """Without a key there is no birthday; another year pays anew."""
    history = shop(None, {"id": "b", "kind": "fixed", "points": 9, "birthday": True})
    assert sell(history, "none", 0, 100).rules == ()
    assert sell(history, "first", 0, 100, birthday_year=2026).rules[0].points == 9
    assert sell(history, "second", 1, 100, birthday_year=2026).rules == ()
    assert sell(history, "other", 2, 100, birthday_year=2027).rules[0].points == 9


@pytest.mark.parametrize(
    ("classes", "first"),
    [(["specific", "birthday", "regular"], "specific"), (["regular", "specific"], "regular")],
)
def test_points_are_spent_in_the_order_of_classes(classes, first):
    """A class that is not listed comes last, whatever its end."""
    history = shop({"classes": classes})
    for name in ("birthday", "specific", "regular"):
        grant(history, name, 0, 10, terms=LotTerms(class_=name))
    sell(history, "s", 1, 1_000, points=10)
    (spent,) = [lot for lot in history.account("A").lots if lot.spent]

    assert spent.class_ == first


def test_a_lot_is_spent_on_other_goods_only_when_it_is_named():
    """The quote has checked a named lot; the rest of the request finds its own."""
    history = shop()
    grant(history, "g", 0, 10, terms=LotTerms(spendable_on={"sku": ["ski"]}))
    assert sell(history, "unnamed", 1, 1_000, points=5).flags == ("OVERDRAFT",)
    lot = history.account("A").lots[0].id
    line = SaleLine(1, "x", 1000, 1_000, redeem=(RedeemRequest(5, lot),))
    history.receive(receipt("named", 1, line, hours=1), "A")
    assert history.results["named"].flags == ()


@pytest.mark.parametrize(
    ("reinstate", "ends"),
    [
        ({"mode": "original"}, []),
        ({"mode": "grace", "days": 14}, ["2026-01-25T21:00:00Z"]),
        ({"mode": "reissue", "days": 20}, ["2026-01-31T21:00:00Z"]),
        ({"mode": "reissue", "months": 2}, ["2026-03-11T21:00:00Z"]),
    ],
)
def test_points_come_back(reinstate, ends):
    """Into their lot, a grace lot, or a new one."""
    history = shop({"reinstate": reinstate})
    grant(history, "g", 0, 10, terms=LotTerms(valid={"days": 5}))
    sell(history, "s", 1, 1_000, points=10)
    give_back(history, "r", 10, "s")
    fresh = [lot for lot in history.account("A").lots if lot.reissued]

    assert [lot.expires_at for lot in fresh] == [instant(each) for each in ends]
    assert sum(lot.remaining for lot in fresh) == (10 if ends else 0)


def test_a_reissued_lot_is_never_reissued():
    """Spent and returned again, its points come back to it."""
    history = shop({"reinstate": {"mode": "reissue", "days": 20}})
    grant(history, "g", 0, 10)
    for step in range(3):
        sell(history, f"s{step}", 1 + 2 * step, 1_000, points=10)
        give_back(history, f"r{step}", 2 + 2 * step, f"s{step}")

    assert sum(lot.reissued for lot in history.account("A").lots) == 1


def test_an_overdraft_comes_back_as_a_lot_of_its_own_term():
    """The debt stays: only credits and ending lots pay it."""
    history = shop({"surplus_expiry": {"days": 3}})
    sell(history, "s", 0, 1_000, points=10)
    give_back(history, "r", 1, "s")
    (lot,) = history.account("A").lots

    assert (lot.class_, lot.remaining) == ("regular", 10)
    assert lot.expires_at == instant("2026-01-05T21:00:00Z")
    assert balance(history) == (10, 0, 0, 10, 0)


@pytest.mark.parametrize(
    ("clawback", "debt"), [("unlimited", 80), ("within_balance", 40), ("only_pending", 0)]
)
def test_a_clawback_beyond_its_lot_becomes_debt(clawback, debt):
    """100 earned, 80 of them spent, and 40 more in another lot."""
    history = shop({"clawback": clawback})
    sell(history, "s", 0, 10_000)
    sell(history, "t", 1, 8_000, points=80)
    grant(history, "g", 2, 40)
    give_back(history, "r", 3, "s")

    assert balance(history)[3] == debt


def test_a_pending_lot_is_clawed_whole_under_only_pending():
    """Before it becomes active nothing is written off."""
    history = shop({"clawback": "only_pending"}, ALL | {"lot": {"delay": {"days": 14}}})
    sell(history, "s", 0, 10_000)
    give_back(history, "r", 3, "s")

    assert balance(history) == (0, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("basis", "clawed"), [("line_share", 2), ("recompute_kept", 10), ("proportional", 2)]
)
def test_what_a_part_claws(basis, clawed):
    """10 points for a full 100.00; goods of 20.00 come back."""
    rule = {"id": "step", "kind": "step", "points": 10, "step": 10_000}
    history = shop({"claw_basis": basis}, rule)
    lines = (SaleLine(1, "x", 1000, 2_000), SaleLine(2, "y", 1000, 8_000))
    history.receive(receipt("s", 0, *lines), "A")
    result = give_back(history, "r", 1, "s")

    assert result.lines[0].clawed == clawed


@pytest.mark.parametrize(
    ("policy", "late", "code"),
    [
        ({"max_late_days": 2}, 2, None),
        ({"max_late_days": 2}, 3, "TOO_OLD"),
        ({}, 30, None),
        ({}, 31, "TOO_OLD"),
    ],
)
def test_a_receipt_may_be_late_by(policy, late, code):
    """The bound is inclusive."""
    assert sell(shop(policy), "s", 0, 100, late=late).code == code


@pytest.mark.parametrize("field", ["sold_at", "accepted_at", "held_at"])
@pytest.mark.parametrize(
    ("edge", "at", "code"),
    [
        (0, 0, None),
        (0, -1, "VALUE_RANGE"),
        (LATEST, LATEST, None),
        (LATEST, LATEST + 1, "VALUE_RANGE"),
    ],
)
def test_an_instant_of_a_receipt_is_within_the_calendar(field, edge, at, code):
    """Its first and last instants are inclusive, for each instant by itself."""
    instants = {"sold_at": edge, "accepted_at": edge, "held_at": edge, field: at}
    document = Receipt("s", "s", "t", sales=(SaleLine(1, "x", 1000, 100),), **instants)
    assert shop().receive(document, "A").code == code


@pytest.mark.parametrize(
    ("valid", "day", "mark", "left"),
    [
        # Two days from the first of January end with the third.
        ({"days": 2}, 0, 2, 10),
        ({"days": 2}, 0, 3, 0),
        ({"days": 2}, 3, 0, 10),
        ({"until": "2026-01-01T10:00:00Z"}, 0, 0, 0),
        ({"until": "2026-01-01T10:00:01Z"}, 0, 0, 10),
    ],
)
def test_points_given_after_their_end_expire_at_once(valid, day, mark, left):
    """Against the account's mark: what came later has been booked before."""
    history = shop()
    grant(history, "m", mark, 1)
    result = grant(history, "g", day, 10, terms=LotTerms(valid=valid))

    kinds = ["adjustment"] if left else ["adjustment", "expiry"]
    assert [entry.kind for entry in result.entries] == kinds
    (lot,) = [each for each in history.account("A").lots if each.document == "g"]
    assert (lot.remaining, lot.expired) == (left, 10 - left)


@pytest.mark.parametrize(("limit", "code"), [(100, None), (99, "APPROVAL_REQUIRED")])
def test_an_adjustment_needs_an_approver_above_the_limit(limit, code):
    """The limit itself needs none; the actor can't approve."""
    history = shop({"adjust_limit": limit})
    assert grant(history, "g", 0, 100, approver="ann").code == code
    assert grant(history, "h", 0, -100, approver="bob", allow_debt=True).code is None


def test_a_parked_return_ends_at_its_day():
    """One hour earlier it still waits."""
    history = shop({"park_days": 2})
    assert give_back(history, "r", 0, "nowhere").code == "ORIGINAL_UNKNOWN"
    history.tick("A", START + 2 * DAY - HOUR)
    assert history.results["r"].status == "deferred"
    history.tick("A", START + 2 * DAY)
    assert history.results["r"].code == "RETURN_UNMATCHED"


def test_points_are_worth_what_the_programme_says():
    """A point of 5 kopecks covers 5 and earns at 5."""
    history = History(ledger_policy({"point_value": 5}), simple_rules((ALL,), point_value=5))
    grant(history, "g", 0, 100)
    assert sell(history, "s", 1, 1_000, points=100).rules[0].points == 100


def test_a_provisional_account_holds_what_it_earns_until_a_member_takes_it():
    """Its merge into the member's account releases the points."""
    history = shop()
    history.accounts["~d"] = Account("~d", status="provisional")
    assert sell(history, "s", 0, 1_000, account="~d").entries[0].kind == "accrual"
    assert balance(history, "~d") == (0, 0, 10, 0, 0)
    assert sell(history, "t", 1, 1_000, points=5, account="~d").flags == ("REDEEM_REFUSED",)
    history.merge("m", "~d", "A", START + 2 * DAY)
    assert balance(history) == (15, 0, 0, 0, 15)


def test_an_unmerge_sends_origins_back_as_they_stand():
    """Debts, sales and the search of returns go back too; what was repaid stays."""
    history = shop({"tier": {"levels": LEVELS}})
    sell(history, "a", 0, 20_000, account="A")
    sell(history, "b", 0, 9_000, account="B")
    history.merge("m", "A", "B", START + DAY)
    assert history.results["m"].tier_after == "silver"
    sell(history, "late", 2, 1_000, account="A")
    assert {lot.origin for lot in history.account("B").lots} == {"A", "B"}
    history.unmerge("u", "A", START + 3 * DAY)

    assert balance(history, "A")[0] == 210
    assert balance(history, "B")[0] == 90
    assert history.results["u"].tier_after is None
    assert give_back(history, "r", 4, None, account="A").refund.money == 1_000
    assert give_back(history, "q", 4, "a", account=None).account == "A"


def test_closing_is_final_and_erasing_forgets_the_member():
    """The opaque account stays; nothing else of it can change."""
    history = shop()
    history.accounts["A"] = Account("A", born=Born(2, 29), attributes={"segments": ("vip",)})
    sell(history, "s", 0, 1_000)
    change = StatusChange("c", "A", "closed", START + DAY)
    assert history.set_status(change).status == "ok"
    reopened = StatusChange("o", "A", "open", START + 2 * DAY)
    assert history.set_status(reopened).code == "STATUS_FINAL"
    history.set_status(StatusChange("e", "A", "erased", START + 3 * DAY))
    account = history.account("A")

    assert (account.born, account.attributes, account.status) == (None, {}, "erased")
    assert sell(history, "t", 4, 1_000).rules == ()


def test_late_points_are_drawn_from_a_lot_that_has_expired_since():
    """A late receipt spends what it could have spent in time, less what was absorbed."""
    history = shop()
    grant(history, "g", 0, 100, terms=LotTerms(valid={"days": 5}))
    history.tick("A", START + 20 * DAY)
    result = sell(history, "s", 3, 5_000, points=40, late=20)
    kinds = [entry.kind for entry in result.entries]

    assert kinds == ["unexpiry", "redemption", "accrual"]
    lot = next(each for each in history.account("A").lots if each.document == "g")
    assert (lot.remaining, lot.spent, lot.expired) == (0, 40, 60)


@pytest.mark.parametrize(
    "policy",
    [
        {"clawback": "sometimes"},
        {"claw_base": "line_share"},
        {"zone": "Europe/Atlantis"},
        {"point_value": 0},
        {"reinstate": {"mode": "grace"}},
        {"surplus_expiry": {"moons": 3}},
        {"tier": {"levels": [["gold", 5], ["silver", 3]]}},
        {"tier": {"levels": LEVELS, "window": 0}},
        {"max_late_days": -1},
    ],
)
def test_a_policy_that_is_not_possible_is_refused(policy):
    """The error says that the ledger's policy is wrong, and where."""
    with pytest.raises(PolicyError, match="ledger policy"):
        ledger_policy(policy)


@pytest.mark.parametrize(
    "rule",
    [
        {"id": "x", "kind": "percent"},
        {"id": "x", "kind": "step", "points": 5, "step": 0},
        {"id": "x", "kind": "gift", "points": 5},
        {"id": "x", "kind": "fixed", "points": 5, "limits": {}},
        {"id": "x", "kind": "fixed", "points": 5, "start": "yesterday"},
    ],
)
def test_a_simple_rule_that_cannot_be_read_is_refused(rule):
    """The error names what would be right."""
    with pytest.raises(RuleError, match="rules"):
        simple_rules([rule], point_value=100)


def test_what_a_clawback_absorbed_cannot_be_drawn_late():
    """100 earned and expired, 40 absorbed by a return: a late receipt finds 60."""
    history = shop(None, ALL | {"lot": {"valid": {"days": 5}}})
    sell(history, "s", 0, 10_000)
    give_back(history, "r", 10, "s", qty=400)
    result = sell(history, "t", 3, 10_000, points=100, late=20)

    assert result.flags == ("OVERDRAFT",)
    assert [(e.kind, e.points) for e in result.entries] == [
        ("unexpiry", 60),
        ("redemption", 60),
        ("debt", 40),
    ]


def test_held_points_do_not_cover_what_is_taken_by_hand():
    """A blocked account's earnings can't be taken; what it had before can."""
    history = shop()
    grant(history, "g", 0, 10)
    history.set_status(StatusChange("b", "A", "blocked", START + DAY))
    sell(history, "s", 2, 1_000)

    refused = grant(history, "much", 3, -11)
    assert (refused.code, refused.kind) == ("INSUFFICIENT", "adjustment")
    taken = grant(history, "right", 3, -10)
    assert taken.status == "ok"
    assert "earned" not in {event.kind for event in taken.events}


def test_a_late_return_into_a_lot_ended_by_the_mark_expires_at_once():
    """The return is dated before the lot's end, but time has passed it."""
    history = shop()
    grant(history, "g", 0, 10, terms=LotTerms(valid={"days": 5}))
    sell(history, "s", 1, 1_000, points=10)
    history.tick("A", START + 20 * DAY)
    result = give_back(history, "r", 3, "s", late=20)
    (lot,) = history.account("A").lots

    assert [entry.kind for entry in result.entries] == ["reinstatement", "expiry"]
    assert (lot.remaining, lot.expired) == (0, 10)


def test_two_rules_share_what_one_budget_leaves():
    """The second rule of a receipt finds what the first has left."""
    rules = [ALL | {"budget": "c"}, {"id": "more", "kind": "fixed", "points": 50, "budget": "c"}]
    history = shop(None, *rules, budgets={"c": 100})
    result = sell(history, "s", 0, 7_000)

    assert [each.points for each in result.rules] == [70, 30]
    assert history.taken == {"c": 100}


def test_a_credit_pays_the_debt_of_its_own_origin_first():
    """Then the others in order of name, each under the debtor's origin."""
    history = shop()
    for name in ("A", "B", "C"):
        sell(history, f"over{name}", 0, 1_000, points=10, account=name)
    history.merge("m", "A", "C", START + DAY)
    history.merge("n", "B", "C", START + DAY)
    grant(history, "g", 2, 25, account="C")
    repaid = [e for e in history.results["g"].entries if e.kind == "repay"]

    assert [(e.origin, e.points) for e in repaid] == [("C", 10), ("A", 10), ("B", 5)]
    assert balance(history, "C") == (0, 0, 0, 5, 0)


@pytest.mark.parametrize(
    ("policy", "hours", "refund"), [({}, 0, 5_000), ({}, 24, 0), ({"shares_years": 4}, 0, 0)]
)
def test_a_sale_is_returned_by_its_receipt_for_five_years(policy, hours, refund):
    """Afterwards its line shares are gone, and the return is one without a receipt."""
    history = shop({"max_late_days": 36_500} | policy)
    sell(history, "s", 0, 5_000)
    five_years = 5 * 365 + 1  # One of them is a leap year.
    result = give_back(history, "r", five_years, "s", hours=hours)

    assert (result.status, result.refund.money) == ("ok", refund)


def test_a_return_of_a_forgotten_sale_is_of_a_purchase_of_the_last_days():
    """As any return without a receipt: the newest purchase that is still out."""
    history = shop()
    sell(history, "old", 0, 5_000)
    sell(history, "new", 6 * 365, 7_000)
    assert give_back(history, "r", 6 * 365 + 1, "old").refund.money == 7_000
    assert [line.returned for line in history.settled["old"].lines] == [0]


def test_an_account_that_another_brought_along_can_be_unmerged():
    """A came into C with B; its points go back alone, and later ones stay where they are."""
    history = shop()
    for name, account in (("a", "A"), ("b", "B"), ("c", "C")):
        sell(history, name, 0, 1_000, account=account)
    history.merge("m", "A", "B", START + DAY)
    history.merge("n", "B", "C", START + 2 * DAY)
    history.unmerge("u", "A", START + 3 * DAY)

    assert history.results["u"].status == "ok"
    assert [balance(history, name)[0] for name in "ABC"] == [10, 20, 20]
    assert sell(history, "d", 4, 1_000, account="A").account == "A"
    history.unmerge("v", "B", START + 5 * DAY)
    assert [balance(history, name)[0] for name in "ABC"] == [20, 10, 10]


@pytest.mark.parametrize(
    ("condition", "fits", "other"),
    [
        ({"sku": ["x"]}, ("x", 1_000, 500), ("y", 1_000, 500)),
        # The list price of a whole unit.
        ({"price": {"from": 1_000}}, ("x", 1_000, 1_000), ("x", 1_000, 999)),
        ({"price": {"from": 1_000}}, ("x", 500, 500), ("x", 2_000, 1_998)),
        # Thousandths of the line.
        ({"quantity": {"from": 1_500}}, ("x", 1_500, 900), ("x", 1_499, 900)),
        ({"quantity": {"below": 1_500}}, ("x", 1_499, 900), ("x", 1_500, 900)),
    ],
)
def test_a_lot_may_ask_for_what_a_line_says_of_its_goods(condition, fits, other):
    """`sku`, `price` and `quantity` are known of every line, as in `goods`."""
    for goods, flags in ((fits, ()), (other, ("OVERDRAFT",))):
        history = shop()
        grant(history, "g", 0, 5, terms=LotTerms(spendable_on=condition))
        line = SaleLine(1, *goods, redeem=(RedeemRequest(1),))
        history.receive(receipt("s", 1, line), "A")
        assert history.results["s"].flags == flags


def test_the_same_receipt_of_another_member_is_a_conflict():
    """Whose it is was said by identifiers, which are a part of the document."""
    history = shop()
    line = SaleLine(1, "x", 1000, 500)
    assert history.receive(receipt("s", 0, line), "A").status == "ok"
    assert history.receive(receipt("s", 0, line), "A").status == "ok"
    assert history.receive(receipt("s", 0, line), "B").code == "CONFLICT"


ONCE = {**ALL, "limit": {"per": "day", "uses": 1}}
CAPPED = {**ALL, "limit": {"per": "day", "points": 100}}


def paid_in_log_order(first, rule, *sales):
    """Sell (hour, amount) in the order of the log; give the active points of each sale's lot."""
    history = shop({"limit_first": first}, rule)
    for number, (hours, amount) in enumerate(sales):
        sell(history, f"s{number}", 0, amount, hours=hours)
    lots = {lot.document: lot.remaining for lot in history.account("A").lots}
    return history, [lots.get(f"s{number}", 0) for number in range(len(sales))]


@pytest.mark.parametrize(
    ("rule", "first", "paid"),
    [
        (ONCE, "log", [50, 0]),
        (ONCE, "event", [0, 30]),
        (CAPPED, "log", [50, 30]),
        (CAPPED, "event", [50, 30]),
    ],
)
def test_a_late_receipt_takes_what_is_left_or_its_place_in_time(rule, first, paid):
    """The later event gives way where the programme lets the earliest one win."""
    history, found = paid_in_log_order(first, rule, (5, 5_000), (2, 3_000))
    assert found == paid
    assert balance(history) == (sum(paid), 0, 0, 0, sum(paid))


def test_the_latest_events_give_way_first_and_no_more_than_they_must():
    """A cap of 100: of 60 at five and 40 at eight, a sale of 70 at two leaves 30."""
    history, paid = paid_in_log_order("event", CAPPED, (5, 6_000), (8, 4_000), (2, 7_000))
    assert paid == [30, 0, 70]
    assert sell(history, "more", 0, 1_000, hours=9).rules == ()


def test_a_return_after_an_award_gave_way_claws_what_is_left_of_it():
    """30 of 60 points are left: half of the goods take 15, all of them 30."""
    history, _ = paid_in_log_order("event", CAPPED, (5, 6_000), (2, 7_000))
    assert balance(history)[0] == 100
    give_back(history, "r", 1, "s0", qty=500)
    assert balance(history)[0] == 85
    give_back(history, "q", 1, "s0", qty=500)
    assert balance(history)[0] == 70


@pytest.mark.parametrize(("rule", "uses"), [(ONCE, 1), (CAPPED, 2)])
def test_only_an_award_that_gave_way_whole_leaves_its_use_to_others(rule, uses):
    """Of the capped one 30 points stand, and so does its use."""
    history, _ = paid_in_log_order("event", rule, (5, 6_000), (2, 7_000))

    assert [each.uses for each in history.account("A").counters] == [uses]


def test_an_earlier_event_of_another_day_takes_nothing():
    """Each day has its own limit, and equal instants keep the order of the log."""
    assert paid_in_log_order("event", ONCE, (20, 5_000), (-12, 3_000))[1] == [50, 30]
    assert paid_in_log_order("event", ONCE, (5, 5_000), (5, 3_000))[1] == [50, 0]


def test_an_earlier_event_of_the_same_day_gives_way_to_nothing():
    """A late receipt stands between: what comes after it gives way, what came before binds."""
    assert paid_in_log_order("event", ONCE, (1, 5_000), (5, 4_000), (3, 3_000))[1] == [50, 0, 0]


def test_points_spent_before_they_gave_way_are_owed():
    """Compensation is a clawback: what the lot can't give becomes debt."""
    history = shop({"limit_first": "event"}, ONCE)
    sell(history, "s", 0, 5_000, hours=5)
    sell(history, "t", 0, 6_000, points=50, hours=6)
    late = sell(history, "u", 0, 3_000, hours=2)

    assert [(each.kind, each.points) for each in late.entries] == [
        ("accrual", 30), ("debt", 50)
    ]  # fmt: skip
    assert balance(history) == (30, 0, 0, 50, 0)


def test_within_balance_owes_no_more_when_debt_exceeds_what_is_active():
    """20 points came back beside a debt of 30: the balance can give nothing."""
    history = shop({"clawback": "within_balance"})
    sell(history, "e", 0, 1_000)
    sell(history, "f", 1, 1_000, points=10)
    grant(history, "g", 2, 20)
    sell(history, "s", 3, 2_000, points=20)
    sell(history, "t", 4, 3_000, points=30)
    give_back(history, "r", 5, "s")
    assert balance(history) == (20, 0, 0, 30, 0)
    give_back(history, "q", 6, "e")
    assert balance(history) == (20, 0, 0, 30, 0)


def test_the_purchases_of_merged_accounts_add_up():
    """And go apart again: what a tenth visit counts."""
    history = shop()
    for name, account in (("a", "A"), ("b", "A"), ("c", "B")):
        sell(history, name, 0, 1_000, account=account)
    history.merge("m", "A", "B", START + DAY)
    assert history.account("B").purchases == 3
    history.unmerge("u", "A", START + 2 * DAY)
    assert [history.account(name).purchases for name in "AB"] == [2, 1]


def test_a_printed_discount_may_be_nothing():
    """A till prints the campaign that it considered; 0 is within its bounds."""
    history = shop()
    line = SaleLine(1, "x", 1000, 500, 500, (LineDiscount("c", 1, 0),))
    assert history.receive(receipt("s", 0, line), "A").status == "ok"


def test_a_merge_keeps_the_floor_that_lasts():
    """The tier is at least that of both; a higher floor that is over counts for nothing."""
    gold, silver = TierFloor("gold", START + DAY), TierFloor("silver", START + 9 * DAY)
    for floors in ((gold, silver), (silver, gold)):
        history = shop({"tier": {"levels": LEVELS}})
        for name, floor in zip("AB", floors, strict=True):
            history.accounts[name] = Account(name, tier_floor=floor)
        history.merge("m", "A", "B", START + 2 * DAY)
        assert history.results["m"].tier_after == "silver"


def test_of_two_floors_that_last_a_merge_keeps_the_higher_then_the_longer():
    """Whoever gives and whoever takes."""
    gold, longer = TierFloor("gold", START + 5 * DAY), TierFloor("gold", START + 6 * DAY)
    silver = TierFloor("silver", START + 9 * DAY)
    for one, other, kept in ((gold, silver, gold), (gold, longer, longer), (None, gold, gold)):
        for floors in ((one, other), (other, one)):
            history = shop({"tier": {"levels": LEVELS}})
            for name, floor in zip("AB", floors, strict=True):
                history.accounts[name] = Account(name, tier_floor=floor)
            history.merge("m", "A", "B", START + 2 * DAY)
            assert history.account("B").tier_floor == kept


def test_what_comes_back_to_a_closed_account_in_a_new_lot_ends_at_once():
    """Nobody could spend it."""
    history = shop({"reinstate": {"mode": "reissue", "days": 20}})
    grant(history, "g", 0, 10)
    sell(history, "s", 1, 1_000, points=10)
    history.set_status(StatusChange("c", "A", "closed", START + 2 * DAY))

    result = give_back(history, "r", 3, "s")

    (lot,) = [each for each in history.account("A").lots if each.reissued]
    assert (lot.credited, lot.remaining, lot.expired) == (10, 0, 10)
    assert [entry.kind for entry in result.entries if entry.lot == lot.id] == [
        "reinstatement", "expiry",
    ]  # fmt: skip


def test_what_is_merged_into_a_closed_account_is_forfeited():
    """Closing ended every lot, and none may come in by another door."""
    history = shop()
    sell(history, "a", 0, 1_000, account="A")
    sell(history, "b", 0, 500, account="B")
    history.set_status(StatusChange("c", "B", "closed", START + DAY))
    history.merge("m", "A", "B", START + 2 * DAY)

    kinds = [entry.kind for entry in history.results["m"].entries]
    assert kinds == ["transfer", "forfeit"]
    assert balance(history, "B") == (0, 0, 0, 0, 0)
    assert all(lot.remaining == 0 for lot in history.account("B").lots)


def test_goods_of_several_owners_come_back_in_parts():
    """Each part is booked on whose the goods were; what is sold is of whom the card names."""
    history = shop()
    sell(history, "a", 0, 1_000, account="A")
    sell(history, "b", 0, 2_000, account="B")
    sell(history, "n", 0, 3_000, account=None)
    lines = [ReturnLine(n, "x", 1000, Original(name, 1)) for n, name in enumerate("abn", 1)]
    document = receipt("x", 1, *lines, SaleLine(4, "y", 1000, 500))
    assert history.receive(document, "B").status == "ok"

    results = [history.results[f"x#{k}"] for k in (1, 2, 3)]
    assert [each.account for each in results] == ["A", "B", None]
    assert [each.refund.money for each in results] == [1_000, 2_000, 3_000]
    assert (balance(history, "A")[0], balance(history, "B")[0]) == (0, 5)
    assert history.receive(document, "B").status == "ok"
    assert history.receive(document, "A").code == "CONFLICT"
    assert "x" not in history.results
    # The paper names the document; its goods are of the part that sold them.
    history.receive(receipt("y", 2, ReturnLine(1, "y", 1000, Original("x", 4))), None)
    assert (history.results["y"].account, balance(history, "B")[0]) == ("B", 0)


@pytest.mark.parametrize("quantity", [1_000, 1_001])
def test_every_part_is_kept_with_the_digest_of_the_whole_document(quantity):
    """A refused one as well: the document is known again by any of its parts."""
    history = shop()
    sell(history, "a", 0, 1_000, account="A")
    sell(history, "b", 0, 2_000, account="B")
    lines = [ReturnLine(n, "x", qty, Original(name, 1)) for n, name, qty in
             ((1, "a", 1000), (2, "b", quantity))]  # fmt: skip
    history.receive(receipt("x", 1, *lines, SaleLine(3, "y", 1000, 500)), "A")

    kept = {each.id: each.digest for each in history.settled.values()}
    names = ("a", "b", "x", "x#1", "x#2")
    assert kept == {name: history.digests[name.partition("#")[0]] for name in names}


def test_a_part_that_is_refused_leaves_the_others():
    """Parts are atomic, and apart; the document's answer is the first that was refused."""
    history = shop()
    sell(history, "a", 0, 1_000, account="A")
    sell(history, "b", 0, 2_000, account="B")
    lines = [ReturnLine(n, "x", qty, Original(name, 1)) for n, name, qty in
             ((1, "a", 1000), (2, "b", 1001))]  # fmt: skip
    assert history.receive(receipt("x", 1, *lines), None).code == "RETURN_EXCEEDS"
    assert (history.results["x#1"].status, history.results["x#2"].status) == ("ok", "refused")
    assert (balance(history, "A")[0], balance(history, "B")[0]) == (0, 20)


def test_a_document_of_several_owners_waits_as_one():
    """For the last of its originals; then it is settled in parts."""
    history = shop()
    sell(history, "a", 0, 1_000, account="A")
    lines = [ReturnLine(n, "x", 1000, Original(name, 1)) for n, name in enumerate("ab", 1)]
    assert history.receive(receipt("x", 1, *lines), "A").status == "deferred"
    assert balance(history, "A")[0] == 10
    sell(history, "b", 0, 2_000, account="B", late=2)
    assert {each: history.results[each].status for each in ("x#1", "x#2")} == {
        "x#1": "ok", "x#2": "ok",
    }  # fmt: skip
    assert not history.parked
    assert (balance(history, "A")[0], balance(history, "B")[0]) == (0, 0)


def test_a_return_without_a_receipt_finds_the_last_thousandth():
    """Weighed goods may leave any rest, and each purchase gives what is still out of it."""
    history = shop()
    history.receive(receipt("a", 0, SaleLine(1, "x", 1, 100)), "A")
    history.receive(receipt("b", 1, SaleLine(1, "x", 2, 300)), "A")
    assert give_back(history, "r", 2, None, qty=3).refund.money == 400
    assert give_back(history, "q", 3, None, qty=1).refund.money == 0


def test_what_waited_too_long_is_refused_for_good():
    """Its repetition is answered alike, also when the sale has come after all."""
    history = shop()
    lines = ReturnLine(1, "x", 1000, Original("s", 1))
    assert history.receive(receipt("r", 0, lines), "A").status == "deferred"
    history.tick("A", START + 30 * DAY)
    ended = history.results["r"]
    assert (ended.status, ended.code, ended.account) == ("refused", "RETURN_UNMATCHED", "A")
    assert [(each.kind, each.code, each.at) for each in ended.events] == [
        ("review", "RETURN_UNMATCHED", START)
    ]  # fmt: skip
    sell(history, "s", 0, 1_000, late=30)
    assert history.receive(receipt("r", 0, lines), "A").code == "RETURN_UNMATCHED"
    assert balance(history)[0] == 10


def test_a_change_of_status_is_told_as_one():
    """Its result says what it is, and that nothing moved where nothing did."""
    history = shop()
    sell(history, "s", 0, 1_000)
    for number, status in enumerate(("blocked", "open", "closed"), 1):
        history.set_status(StatusChange(f"c{number}", "A", status, START + number * DAY))
        result = history.results[f"c{number}"]
        assert (result.kind, result.version, len(result.entries)) == (
            "status", number + 1, int(status == "closed")
        )  # fmt: skip


def test_a_snapshot_tells_the_tier_at_the_mark_and_nothing_of_the_birthday():
    """Before its first document an account has none; facts of the member stay inside."""
    history = shop({"tier": {"levels": LEVELS}})
    empty = Account("A", born=Born(2, 29), attributes={"x": 1}, identifiers=("d",))
    assert snapshot(empty, history.policy).tier is None
    history.accounts["A"] = empty
    sell(history, "s", 0, 10_000)
    shown = snapshot(history.account("A"), history.policy)
    assert (shown.tier, shown.mark, shown.version) == ("silver", START, 1)
    assert shown.qualifying == history.account("A").qualifying != ()
    assert not {"born", "attributes", "offers", "identifiers"} & set(shown.__struct_fields__)


@pytest.mark.parametrize(("earns", "tier"), [(False, None), (True, "silver")])
def test_gift_money_counts_towards_tiers_where_it_earns(earns, tier):
    """Net is the base of both."""
    history = shop({"tier": {"levels": LEVELS}, "gift_earns": earns})
    result = sell(history, "s", 0, 10_000, gift_card=1)
    assert (result.tier_after, result.sold_at) == (tier, START)


def test_a_sale_at_the_first_instant_of_the_window_counts():
    """The window holds the local dates after the same date so many months ago."""
    history = shop({"tier": {"levels": LEVELS, "window": 1}, "zone": "UTC"})
    first = instant("2026-02-02T00:00:00Z")
    for name, at in (("in", first), ("out", first - 1)):
        line = SaleLine(1, "x", 1000, 10_000)
        history.receive(Receipt(name, "s", "t", at, at, sales=(line,)), name)
        found = tier_at(history.account(name), instant("2026-03-01T12:00:00Z"), history.policy)
        assert found == ("silver" if name == "in" else None)


def test_a_tick_of_a_merged_account_is_named_by_it():
    """Its document is of the account that it was sent to, its result of the survivor."""
    history = shop()
    grant(history, "g", 0, 5, terms=LotTerms(valid={"days": 1}))
    history.merge("m", "A", "B", START + HOUR)
    history.tick("A", START + 9 * DAY)
    (result,) = history.tick_results
    assert (result.document, result.account) == (tick_id("A", START + 9 * DAY), "B")
    history.tick("nobody", START)
    assert "nobody" not in history.accounts


def test_a_refusal_says_of_what_kind_the_document_was():
    """A change of status beyond the calendar, and other content under its id."""
    history = shop()
    history.set_status(StatusChange("c", "A", "blocked", -1))
    result = history.results["c"]
    assert (result.kind, result.code) == ("status", "VALUE_RANGE")
    assert conflict("d", "x").kind == "receipt"


def test_a_rule_ends_at_its_end():
    """Its first instant is its own, its last is not."""
    ends = {**ALL, "start": "2026-01-01T10:00:00Z", "end": "2026-01-02T10:00:00Z"}
    history = shop({}, ends)
    paid = [sell(history, f"s{day}", day, 100, account=f"A{day}").rules for day in (-1, 0, 1)]
    assert [bool(each) for each in paid] == [False, True, False]
