"""The reconciliation: does every receipt have its result, and does every point add up?

An auditor that trusts no stage: it reads what tills sent and what was published, from
the topics alone, committed records only, and folds the entries anew.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from msgspec import Struct

from schemas.codec import Codec, CodecError
from streams.core.ids import result_id
from streams.core.postings import Entry, chained
from streams.core.result import Result
from streams.core.snapshot import Snapshot
from streams.reading.log import Logged, LogReader
from streams.topics import Names, dead_letters
from streams.wire.outputs import account_from, bonus_from

# Enough to see what is wrong, and no wall of text.
SHOWN = 5
SIDES = ("issued", "spent", "expired", "reversed")

Progress = Callable[[str, int], None]


class Check(Struct, frozen=True):
    """
    One thing that must hold.

    Attributes:
        name: What must hold, as a sentence.
        holds: Whether it does.
        figures: What was counted.
        problems: The first few exceptions, each as a sentence.
    """

    name: str
    holds: bool
    figures: dict[str, int]
    problems: tuple[str, ...] = ()


class AuditReport(Struct, frozen=True):
    """All checks, and the balances that the entries lead to: account → currency → points."""

    checks: tuple[Check, ...]
    totals: dict[str, dict[str, int]]

    @property
    def holds(self) -> bool:
        """Whether everything does."""
        return all(check.holds for check in self.checks)


class Folded:
    """What the entries of one account and currency add up to."""

    def __init__(self) -> None:
        self.sides: Counter[str] = Counter()
        self.lots: Counter[str] = Counter()
        self.debt = 0
        self.transferred = 0

    def post(self, entry: Entry) -> None:
        """Apply one entry: points leave one side and reach another."""
        if entry.kind == "transfer":
            self._transfer(entry)
            return
        if entry.from_ == entry.to:
            return
        for side, sign in ((entry.from_, -1), (entry.to, 1)):
            if side == "lot":
                assert entry.lot is not None
                self.lots[entry.lot] += sign * entry.points
            elif side == "debt":
                # Points go from debt when they are owed, and to debt when they are repaid.
                self.debt -= sign * entry.points
            else:
                self.sides[side] += sign * entry.points

    @property
    def outstanding(self) -> int:
        """Points that are left in lots."""
        return sum(self.lots.values())

    def _transfer(self, entry: Entry) -> None:
        sign = -1 if entry.from_ == "lot" else 1
        if entry.lot is None:
            self.debt -= sign * entry.points
            self.transferred -= sign * entry.points
        else:
            self.lots[entry.lot] += sign * entry.points
            self.transferred += sign * entry.points


class Auditor:
    """
    Reads one tenant's topics.

    Args:
        client: librdkafka's connection settings.
        names: The tenant's topics.
        codec: Of the registry's ids.
        progress: Told the topic and how many of its records have been read.
    """

    def __init__(
        self,
        client: Mapping[str, str],
        names: Names,
        codec: Codec,
        progress: Progress | None = None,
    ) -> None:
        self._client = client
        self._names = names
        self._codec = codec
        self._progress = progress
        self.receipts: Counter[str] = Counter()
        self.unreadable = 0
        self.letters = 0
        self.results: dict[str, Result] = {}
        self.differing: list[str] = []
        self.snapshots: dict[str, Snapshot] = {}

    def audit(self) -> AuditReport:
        """Read everything and give the report."""
        self._read()
        folded = self._fold()
        checks = (
            self._every_receipt_has_one_result(),
            self._repeated_results_are_the_same(),
            self._versions_are_gapless(),
            self._points_are_conserved(folded),
            self._snapshots_are_folds(folded),
        )
        totals: dict[str, Counter[str]] = defaultdict(Counter)
        for (_, currency), each in folded.items():
            totals[currency].update(each.sides)
            totals[currency]["outstanding"] += each.outstanding
            totals[currency]["debt"] += each.debt
        return AuditReport(checks, {name: dict(each) for name, each in sorted(totals.items())})

    def _read(self) -> None:
        names = self._names
        with LogReader(self._client) as log:
            for logged in self._each(log, names.receipts):
                self._take_receipt(logged)
            for _ in self._each(log, dead_letters(names.receipts)):
                self.letters += 1
            for logged in self._each(log, names.bonuses):
                self._take_result(logged)
            for logged in self._each(log, names.accounts):
                snapshot = account_from(self._codec, logged.value)
                known = self.snapshots.get(snapshot.account)
                if known is None or known.version <= snapshot.version:
                    self.snapshots[snapshot.account] = snapshot

    def _each(self, log: LogReader, topic: str) -> Iterable[Logged]:
        count = 0
        for logged in log.to_end([topic]):
            yield logged
            count += 1
            if self._progress is not None and count % 1000 == 0:
                self._progress(topic, count)
        if self._progress is not None:
            self._progress(topic, count)

    def _take_receipt(self, logged: Logged) -> None:
        try:
            document: Any = self._codec.decode(logged.value, "Receipt")
        except CodecError:
            self.unreadable += 1
        else:
            self.receipts[document["id"]] += 1

    def _take_result(self, logged: Logged) -> None:
        result = bonus_from(self._codec, logged.value)
        known = self.results.setdefault(result.result_id, result)
        if known != result:
            self.differing.append(f"{result.document}: two results share an id and differ")

    def _fold(self) -> dict[tuple[str, str], Folded]:
        folded: dict[tuple[str, str], Folded] = defaultdict(Folded)
        for result in self.results.values():
            if result.account is not None and result.status == "ok":
                for entry in result.entries:
                    folded[result.account, entry.currency].post(entry)
        return folded

    def _every_receipt_has_one_result(self) -> Check:
        finals: Counter[str] = Counter()
        waiting: set[str] = set()
        other: Counter[str] = Counter()
        for result in self.results.values():
            if result.kind != "receipt":
                continue
            document = result.document.split("#", 1)[0]
            if result.status == "deferred":
                waiting.add(document)
            elif result.status == "conflict":
                other[document] += 1
            elif result.result_id == result_id(result.document, 1):
                finals[document] += result.document == document or result.document.endswith("#1")
            else:
                other[document] += 1
        malformed = {document for document in self.receipts if document in other}
        silent = [
            document
            for document in self.receipts
            if not finals[document] and document not in waiting and document not in malformed
        ]
        twice = [document for document, count in finals.items() if count > 1]
        unasked = [document for document in finals if document not in self.receipts]
        still = sum(1 for document in waiting if not finals[document])
        problems = [f"{document}: no result" for document in silent]
        problems += [f"{document}: {finals[document]} final results" for document in twice]
        problems += [f"{document}: a result without a receipt" for document in unasked]
        lost = self.unreadable - self.letters
        if lost > 0:
            problems.append(f"{lost} unreadable records are not in the dead letters")
        return Check(
            "every receipt has exactly one final result",
            not problems,
            {
                "sent": sum(self.receipts.values()) + self.unreadable,
                "documents": len(self.receipts),
                "final": sum(1 for count in finals.values() if count),
                "waiting for their sale": still,
                "conflicts and malformed": sum(other.values()),
                "dead letters": self.letters,
            },
            tuple(problems[:SHOWN]),
        )

    def _repeated_results_are_the_same(self) -> Check:
        return Check(
            "a result that is published again is the same",
            not self.differing,
            {"results": len(self.results)},
            tuple(self.differing[:SHOWN]),
        )

    def _versions_are_gapless(self) -> Check:
        by_account: dict[str, list[Result]] = defaultdict(list)
        for result in self.results.values():
            if result.status == "ok" and result.account is not None and result.version is not None:
                by_account[result.account].append(result)
        problems: list[str] = []
        for account, results in sorted(by_account.items()):
            previous = ""
            for expected, result in enumerate(sorted(results, key=lambda r: r.version or 0), 1):
                if result.version != expected:
                    problems.append(f"{account}: version {expected} is missing")
                    break
                previous = chained(
                    previous,
                    account=account,
                    version=expected,
                    document=result.document,
                    entries=result.entries,
                )
                if result.chain != previous:
                    problems.append(f"{account}: the chain breaks at version {expected}")
                    break
        return Check(
            "account versions have no gaps and their chains hold",
            not problems,
            {"accounts": len(by_account), "versions": sum(map(len, by_account.values()))},
            tuple(problems[:SHOWN]),
        )

    def _points_are_conserved(self, folded: Mapping[tuple[str, str], Folded]) -> Check:
        problems = []
        sums: Counter[str] = Counter()
        for (account, currency), each in sorted(folded.items()):
            issued = -each.sides["issued"]
            gone = sum(each.sides[side] for side in SIDES[1:])
            if issued + each.transferred != gone + each.outstanding - each.debt:
                problems.append(
                    f"{account} {currency}: issued {issued} is not spent, expired and reversed "
                    f"{gone} + outstanding {each.outstanding} - debt {each.debt}"
                )
            below = [lot for lot, points in each.lots.items() if points < 0]
            problems += [f"{account}: lot {lot} is below 0" for lot in below]
            sums["issued"] += issued
            for side in SIDES[1:]:
                sums[side] += each.sides[side]
            sums["outstanding"] += each.outstanding
            sums["debt"] += each.debt
            sums["transferred"] += each.transferred
        if sums["transferred"]:
            problems.append(f"transfers do not net to zero: {sums['transferred']}")
        return Check(
            "issued = spent + expired + reversed + outstanding - debt",
            not problems,
            {name: sums[name] for name in (*SIDES, "outstanding", "debt")},
            tuple(problems[:SHOWN]),
        )

    def _snapshots_are_folds(self, folded: Mapping[tuple[str, str], Folded]) -> Check:
        problems = []
        seen: dict[tuple[str, str], tuple[Counter[str], int]] = {}
        for account, snapshot in self.snapshots.items():
            for lot in snapshot.lots:
                lots, _ = seen.setdefault((account, lot.currency), (Counter(), 0))
                lots[lot.id] += lot.remaining
            for debt in snapshot.debts:
                lots, owed = seen.get((account, debt.currency), (Counter(), 0))
                seen[account, debt.currency] = (lots, owed + debt.points)
        for key in sorted({*seen, *folded}):
            lots, owed = seen.get(key, (Counter(), 0))
            each = folded.get(key) or Folded()
            if +lots != +each.lots or owed != each.debt:
                problems.append(
                    f"{key[0]} {key[1]}: the snapshot has {lots.total()} points and owes {owed}, "
                    f"its results lead to {each.outstanding} and {each.debt}"
                )
        return Check(
            "every published account is the fold of its results",
            not problems,
            {"accounts": len(self.snapshots)},
            tuple(problems[:SHOWN]),
        )
