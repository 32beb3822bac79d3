"""
A quote worked out by trying everything: promotions.md §1 and §4, word by word.

It shares nothing with the core but the documents.  Every order of lanes, every set of
claims and every assignment of accruals is evaluated with exact fractions, and the best is
chosen by the objective and its ties.  It is for baskets of a few pieces and campaigns.
"""

from fractions import Fraction
from itertools import combinations, permutations, product


def half_up(a, b):
    """Round a/b, a half going up."""
    return (2 * a + b) // (2 * b)


def spread(total, weights):
    """Divide by largest remainder; *weights* are in the order in which ties are broken."""
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    shares = [total * w // whole for w in weights]
    order = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in order[: total - sum(shares)]:
        shares[i] += 1
    return shares


class Basket:
    """The pieces of a basket: (line, piece), with their lists, floors and quantities."""

    def __init__(self, programme, lines):
        self.lines = lines
        self.pieces = []
        self.list, self.floor, self.quantity = {}, {}, {}
        most = programme.get("max_line_discount", 10_000)
        for at, line in enumerate(lines):
            whole = not line.get("weighed") and line["quantity"] % 1000 == 0
            count = line["quantity"] // 1000 if whole else 1
            quantity = 1000 if whole else line["quantity"]
            for n in range(count):
                piece = (at, n)
                listed = half_up(line["price"] * quantity, 1000)
                least = max(
                    half_up(line.get("min_price", 0) * quantity, 1000),
                    listed - listed * most // 10_000,
                )
                self.pieces.append(piece)
                self.list[piece] = listed
                self.floor[piece] = min(listed, least)
                self.quantity[piece] = quantity

    def of(self, lines):
        """List the pieces of *lines*."""
        return [piece for piece in self.pieces if piece[0] in lines]

    def over(self, total, weights):
        """Spread over lines by weight, then inside each line over its pieces."""
        lines = sorted({line for line, _ in weights})
        by_line = [sum(w for p, w in weights.items() if p[0] == line) for line in lines]
        found = {}
        for line, share in zip(lines, spread(total, by_line), strict=True):
            own = sorted(p for p in weights if p[0] == line)
            inner = spread(share, [weights[p] for p in own])
            found.update(zip(own, inner, strict=True))
        return found


def fits(campaign, line, where=None):
    """Tell whether a line is among the goods; conditions are of one attribute, `kind`."""
    wanted = campaign.get("goods", {}) if where is None else where
    return "kind" not in wanted or line["attributes"].get("kind") == wanted["kind"]


# --- Claims of a lane ------------------------------------------------------------
# A claim is (campaign, pieces, pieces of the rewarded group).


def set_claims(campaign, basket, lines):
    """List every way to lay one set."""
    groups = campaign["gives"]["set"]
    of = campaign["gives"]["reward"].get("of", "all")
    free = basket.of(lines)
    found = {}

    def fill(at, taken, chosen):
        if at == len(groups):
            group = () if of == "all" or "group" not in of else chosen[of["group"] - 1]
            found[tuple(sorted(taken)), tuple(sorted(group))] = None
            return
        able = [
            p for p in free
            if p not in taken and fits({}, basket.lines[p[0]], groups[at].get("where", {}))
        ]  # fmt: skip
        for own in combinations(able, groups[at]["take"]):
            fill(at + 1, taken | set(own), [*chosen, own])

    fill(0, frozenset(), [])
    return [(campaign, *key) for key in found]


class LaneClaims:
    """Every set of claims of one lane that share no piece: *found*."""

    def __init__(self, campaigns, basket):
        self.basket = basket
        self.sets, self.blocks, self.effects = [], [], []
        self.found = []
        for campaign in campaigns:
            lines = [at for at, line in enumerate(basket.lines) if fits(campaign, line)]
            if "set" in campaign["gives"]:
                self.sets += set_claims(campaign, basket, lines)
            elif "basket_off" in campaign["gives"]:
                self.blocks.append((campaign, tuple(basket.of(lines)), ()))
            else:
                self.effects.append((campaign, lines))
        self.lay(0, frozenset(), [])

    def lay(self, at, taken, chosen):
        """Lay the sets from *at* on, or not; then everything else."""
        if at == len(self.sets):
            self.block(taken, chosen)
            return
        self.lay(at + 1, taken, chosen)
        campaign, pieces, _ = self.sets[at]
        most = campaign.get("limits", {}).get("receipt", {}).get("sets")
        laid = sum(claim[0] is campaign for claim in chosen)
        if taken.isdisjoint(pieces) and (most is None or laid < most):
            self.lay(at + 1, taken | set(pieces), [*chosen, self.sets[at]])

    def block(self, taken, chosen):
        """Claim every set of blocks beside the sets."""
        for some in product([False, True], repeat=len(self.blocks)):
            own = [block for block, on in zip(self.blocks, some, strict=True) if on]
            pieces = [p for block in own for p in block[1]]
            if len(set(pieces)) == len(pieces) and taken.isdisjoint(pieces):
                self.line_by_line(taken, set(pieces), [*chosen, *own])

    def line_by_line(self, in_sets, in_blocks, chosen):
        """Give each line to one effect, or to none: all its pieces that no set has."""
        options = []
        for at in range(len(self.basket.lines)):
            able = [None]
            left = tuple(p for p in self.basket.of([at]) if p not in in_sets)
            if left and in_blocks.isdisjoint(left):
                able += [(campaign, left, ()) for campaign, lines in self.effects if at in lines]
            options.append(able)
        self.found += [
            [*chosen, *(each for each in picked if each is not None)]
            for picked in product(*options)
        ]


# --- Evaluating ------------------------------------------------------------------


def discount_of(claim, basket, running):
    """Give what a claim takes before cuts, by piece; None where that is 0."""
    campaign, pieces, group = claim
    gives = campaign["gives"]
    base = basket.list if campaign.get("base") == "list" else running
    bearing = pieces
    if "percent_off" in gives:
        off = half_up(sum(base[p] for p in pieces) * gives["percent_off"], 10_000)
    elif "amount_off" in gives:
        off = half_up(gives["amount_off"] * sum(basket.quantity[p] for p in pieces), 1000)
    elif "unit_price" in gives:
        wanted = half_up(gives["unit_price"] * sum(basket.quantity[p] for p in pieces), 1000)
        off = sum(base[p] for p in pieces) - wanted
    elif "basket_off" in gives:
        off = gives["basket_off"]
    else:
        reward = gives["reward"]
        of = reward.get("of", "all")
        rewarded = pieces
        if of != "all" and "cheapest" in of:
            rewarded = sorted(pieces, key=lambda p: (base[p], p))[: of["cheapest"]]
        elif of != "all":
            rewarded = group
        whole = sum(base[p] for p in rewarded)
        if "percent" in reward:
            off = half_up(whole * reward["percent"], 10_000)
        elif "amount" in reward:
            off = min(reward["amount"], whole)
        else:
            off = whole - reward["price"]
        if reward.get("share") == "rewarded":
            bearing = rewarded
    room = {p: running[p] - basket.floor[p] for p in bearing}
    off = min(off, sum(room.values()))
    return basket.over(off, room) if off > 0 else None


def met(campaign, basket, running):
    """Tell whether the threshold on net is reached at lane entry."""
    net = campaign.get("basket", {}).get("net")
    if net is None:
        return True
    lines = range(len(basket.lines))
    if net.get("over") != "all":
        lines = [at for at in lines if fits(campaign, basket.lines[at])]
    figures = basket.list if net.get("base") == "list" else running
    total = sum(figures[p] for p in basket.of(lines))
    return total > net["above"] if "above" in net else total >= net["from"]


def cut(campaign, total, left):
    """Cut a campaign's total to its cap and its counters; *total* may be a fraction."""
    limits = campaign.get("limits", {})
    cap = limits.get("receipt", {}).get("amount")
    due = total if cap is None else min(total, cap)
    if left is not None and due > left:
        return 0 if limits.get("when_short") == "skip" else left
    return due


def lane_taken(claims, basket, running, lefts, cap_left):
    """Evaluate a lane; give by (campaign id, piece), or None where it is not allowed."""
    by_campaign = {}
    for claim in claims:
        if not met(claim[0], basket, running):
            return None
        taken = discount_of(claim, basket, running)
        if taken is None:
            return None
        own = by_campaign.setdefault(claim[0]["campaign"], (claim[0], {}))[1]
        own.update(taken)
    totals = {
        name: cut(campaign, sum(own.values()), lefts.get(name))
        for name, (campaign, own) in by_campaign.items()
    }
    if cap_left is not None and sum(totals.values()) > cap_left:
        names = sorted(totals)
        totals = dict(zip(names, spread(cap_left, [totals[n] for n in names]), strict=True))
    found = {}
    for name, (_, own) in by_campaign.items():
        if totals[name] <= 0:
            return None
        for piece, off in basket.over(totals[name], own).items():
            found[name, piece] = off
    return found


def allowed(claims):
    """Check what holds between the claims of one kind."""
    applied = {claim[0]["campaign"]: claim[0] for claim in claims}
    if len(applied) > 1 and any(c.get("exclusive") == "receipt" for c in applied.values()):
        return False
    for one, other in combinations(claims, 2):
        jealous = "items" in (one[0].get("exclusive"), other[0].get("exclusive"))
        if jealous and one[0] is not other[0] and set(one[1]) & set(other[1]):
            return False
    return True


def at_odds(campaigns):
    """Tell whether two of the applied campaigns name each other."""
    for one, other in permutations(campaigns, 2):
        shunned = set(one.get("not_with", ()))
        if other["campaign"] in shunned or shunned & set(other.get("tags", ())):
            return True
    return False


# --- Accruals --------------------------------------------------------------------


def accruals(campaigns, programme, basket, *, nets, discounted, lefts):
    """Yield (worth, claims) of every allowed assignment; a claim is (campaign, lines)."""
    unit = programme["points"]["bonus"]
    lanes = programme["points_lanes"]
    able = {}
    running = dict.fromkeys(basket.pieces, 0)
    for at, net in enumerate(nets):
        running[at, 0] = net  # Only sums by line count here.
    for campaign in campaigns:
        if not met_on(campaign, basket, nets):
            continue
        able[campaign["campaign"]] = [
            at for at, line in enumerate(basket.lines)
            if fits(campaign, line) and nets[at] > 0
            and not (campaign.get("skip_discounted") and at in discounted)
        ]  # fmt: skip
    open_ = [c for c in campaigns if able.get(c["campaign"])]
    block = [c for c in open_ if set(c["gives"]) & {"points", "points_per"}]
    effects = [c for c in open_ if c not in block]
    slots = [(lane, at) for lane in lanes for at in range(len(nets))]
    options = [
        [None, *(c for c in effects if c["lane"] == lane and at in able[c["campaign"]])]
        for lane, at in slots
    ]
    for on in product([False, True], repeat=len(block)):
        fixed = [(c, tuple(able[c["campaign"]])) for c, yes in zip(block, on, strict=True) if yes]
        for picked in product(*options):
            claims = list(fixed)
            for campaign in effects:
                own = tuple(at for (_, at), c in zip(slots, picked, strict=True) if c is campaign)
                if own:
                    claims.append((campaign, own))
            worth = counted(claims, lanes, unit, nets, lefts)
            if worth is not None:
                yield worth, claims


def met_on(campaign, basket, nets):
    """Tell whether an accrual's threshold is reached on *nets*."""
    net = campaign.get("basket", {}).get("net")
    if net is None:
        return True
    lines = range(len(nets))
    if net.get("over") != "all":
        lines = [at for at in lines if fits(campaign, basket.lines[at])]
    if net.get("base") == "list":
        total = sum(basket.list[p] for p in basket.of(lines))
    else:
        total = sum(nets[at] for at in lines)
    return total > net["above"] if "above" in net else total >= net["from"]


def counted(claims, lanes, unit, nets, lefts):
    """Give the worth of accrual claims, or None where they are not allowed."""
    for lane in lanes:
        lines = [at for campaign, own in claims if campaign["lane"] == lane for at in own]
        if len(set(lines)) < len(lines):
            return None
    if not allowed([(campaign, own, ()) for campaign, own in claims]):
        return None
    basic = [Fraction(0)] * len(nets)
    worth = Fraction(0)
    for campaign, own in sorted(claims, key=lambda claim: lanes.index(claim[0]["lane"])):
        parts = counted_parts(campaign["gives"], own, unit, nets, basic)
        total = sum(parts, Fraction(0))
        line_effect = not set(campaign["gives"]) & {"points", "points_per"}
        if total <= 0 or (line_effect and min(parts) <= 0):
            return None
        due = cut(campaign, total, lefts.get(campaign["campaign"]))
        if due <= 0:
            return None
        worth += due * unit["value"]
        if campaign["lane"] == lanes[0]:
            for at, part in zip(own, parts, strict=True):
                basic[at] = part * due / total
    return worth


def counted_parts(gives, own, unit, nets, basic):
    """Count the points of each claimed line exactly."""
    if "points_percent" in gives:
        rate = Fraction(gives["points_percent"], 10_000 * unit["unit"])
        return [nets[at] * rate for at in own]
    if "points_per" in gives:
        per = gives["points_per"]
        return [Fraction(nets[at] * per["points"], per["each"]) for at in own]
    if "points_times" in gives:
        return [basic[at] * (gives["points_times"] - 100) / 100 for at in own]
    return [Fraction(gives["points"] * nets[at], sum(nets[i] for i in own)) for at in own]


# --- The whole -------------------------------------------------------------------


def orders(groups):
    """List the orders of lanes, earliest first."""
    ways = [list(permutations(group)) for group in groups]
    return [tuple(lane for group in picked for lane in group) for picked in product(*ways)]


class Shop:
    """A programme, its campaigns that may apply, and a basket."""

    def __init__(self, programme, campaigns, lines, codes, lefts):
        self.programme = programme
        self.basket = Basket(programme, lines)
        self.lefts = lefts
        self.groups = [[g] if isinstance(g, str) else g for g in programme["discount_lanes"]]
        self.written = [lane for group in self.groups for lane in group]
        self.points = programme["points_lanes"]
        open_ = [
            c for c in campaigns
            if (c.get("needs") != "code" or c["campaign"] in codes)
            and lefts.get(c["campaign"]) != 0
        ]  # fmt: skip
        self.earning = [c for c in open_ if c["lane"] in self.points]
        self.by_lane = {
            lane: LaneClaims([c for c in open_ if c["lane"] == lane], self.basket).found
            for lane in self.written
        }
        self.whole = sum(self.basket.list.values())
        most = programme.get("max_receipt_discount", 10_000)
        self.cap = None if most == 10_000 else self.whole * most // 10_000

    def net_of(self, figures):
        """Sum figures of pieces by line."""
        return [
            sum(figures[p] for p in self.basket.of([at])) for at in range(len(self.basket.lines))
        ]

    def composed(self, picked):
        """Compose lanes; give running amounts and what is taken by campaign and line, or None."""
        if not allowed([claim for own in picked for claim in own]):
            return None
        running, left, off = dict(self.basket.list), self.cap, {}
        for own in picked:
            taken = lane_taken(own, self.basket, running, self.lefts, left)
            if taken is None:
                return None
            for (name, piece), amount in taken.items():
                running[piece] -= amount
                off[name, piece[0]] = off.get((name, piece[0]), 0) + amount
            left = None if left is None else left - sum(taken.values())
        return running, off

    def finished(self, picked, place):
        """Yield a combination for every way to earn points on what *picked* leaves."""
        composed = self.composed(picked)
        if composed is None:
            return
        running, off = composed
        nets, lists = self.net_of(running), self.net_of(self.basket.list)
        cutoff = {at for at, net in enumerate(nets) if net != lists[at]}
        claims = [claim for own in picked for claim in own]
        for worth, paid in accruals(
            self.earning, self.programme, self.basket,
            nets=nets, discounted=cutoff, lefts=self.lefts,
        ):  # fmt: skip
            applied = {c["campaign"]: c for c, *_ in (*claims, *paid)}
            if not at_odds(list(applied.values())):
                key = self.ranked(self.whole - sum(nets), worth, claims, paid, place)
                yield key, frozenset(applied), place, nets, off

    def ranked(self, discount, worth, claims, paid, place):
        """Write a combination so that the smallest is the best."""
        told = [
            (self.written.index(campaign["lane"]), campaign["campaign"], pieces, group)
            for campaign, pieces, group in claims
        ]
        counts = [campaign for campaign, _, _ in claims]
        for campaign, own in paid:
            block = bool(set(campaign["gives"]) & {"points", "points_per"})
            lane = len(self.written) + self.points.index(campaign["lane"])
            for part in [own] if block else [(at,) for at in own]:
                told.append((lane, campaign["campaign"], tuple(self.basket.of(part)), ()))
                counts.append(campaign)
        return (
            -(discount + worth),
            -discount,
            sum("needs" in campaign for campaign in counts),
            -len(counts),
            -sum(campaign.get("priority", 0) for campaign in counts),
            place,
            sorted(told),
        )

    def best_by_set(self):
        """Give the best combination of every set of campaigns that can apply together."""
        best = {}
        for place, order in enumerate(orders(self.groups)):
            for picked in product(*(self.by_lane[lane] for lane in order)):
                for found in self.finished(picked, place):
                    known = best.get(found[1])
                    if known is None or found[0] < known[0]:
                        best[found[1]] = found
        return best

    def lane_by_lane(self):
        """Give the objective of the written order, each lane taking its largest discount."""
        picked = []
        for lane in self.written:
            before = self.composed(picked)
            best = None
            for own in self.by_lane[lane]:
                composed = self.composed([*picked, own])
                chosen = {
                    claim[0]["campaign"]: claim[0] for each in (*picked, own) for claim in each
                }
                if composed is None or at_odds(list(chosen.values())):
                    continue
                taken = sum(before[0].values()) - sum(composed[0].values())
                key = self.ranked(taken, 0, own, [], 0)
                if best is None or key < best[0]:
                    best = key, own
            picked.append(best[1])
        return -min(found[0] for found in self.finished(picked, 0))[0]


def quote(programme, campaigns, lines, *, codes=(), lefts=None):
    """
    Find the best combination, and what the next best would be.

    Returns:
        objective, discount, claims as the worked examples write them, order, nets, what
        each campaign takes off each line, runner_up, lane_by_lane, and by campaign that is not
        applied the best objective with it and whom that leaves out.
    """
    shop = Shop(programme, campaigns, lines, codes, lefts or {})
    ranking = sorted(shop.best_by_set().values(), key=lambda found: found[0])
    key, applied, place, nets, off = ranking[0]
    best_with = {}
    for other, chosen, *_ in ranking[1:]:
        for name in chosen - applied:
            best_with.setdefault(name, (-other[0], sorted(applied - chosen)))
    return {
        "objective": -key[0],
        "discount": -key[1],
        "claims": [list(each[:3]) for each in key[6]],
        "order": list(orders(shop.groups)[place]),
        "nets": nets,
        "off": {name: amount for name, amount in off.items() if amount},
        "runner_up": -ranking[1][0][0] if len(ranking) > 1 else None,
        "best_with": best_with,
        "lane_by_lane": shop.lane_by_lane(),
    }
