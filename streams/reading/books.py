"""
The books as an auditor keeps them: each result is counted once, folded and let go.

Of a result only its digest is kept, so a year of receipts fits into memory, and so that
its length does not slow the reading down.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from hashlib import blake2b

from streams.core.ids import result_id
from streams.core.result import Result, result_bytes
from streams.core.snapshot import Snapshot
from streams.reading.chains import Chain
from streams.reading.checks import Check, checked
from streams.reading.folding import SIDES, Folded

DIGEST_BYTES = 16


class Books:
    """
    What was sent and what was published, added up as it is read.

    Records may come in any order; checks are asked for when all have been read.

    Attributes:
        receipts: How often each document id was sent.
        unreadable: Records of tills that no receipt could be read from.
        letters: Dead letters of the tills' topic.
        snapshots: The newest of each account.
    """

    def __init__(self) -> None:
        self.receipts: Counter[str] = Counter()
        self.unreadable = 0
        self.letters = 0
        self.snapshots: dict[str, Snapshot] = {}
        self._digests: dict[str, bytes] = {}
        self._differing: list[str] = []
        self._finals: Counter[str] = Counter()
        self._waiting: set[str] = set()
        self._others: Counter[str] = Counter()
        self._chains: defaultdict[str, Chain] = defaultdict(Chain)
        self._folded: defaultdict[tuple[str, str], Folded] = defaultdict(Folded)

    @property
    def results(self) -> int:
        """How many different results were read."""
        return len(self._digests)

    def take_result(self, result: Result) -> None:
        """Count *result*; one that was read before is compared and counts no more."""
        digest = blake2b(result_bytes(result), digest_size=DIGEST_BYTES).digest()
        known = self._digests.setdefault(result.result_id, digest)
        if known is not digest:
            if known != digest:
                self._differing.append(f"{result.document}: two results share an id and differ")
            return
        if result.kind == "receipt":
            self._answer(result)
        if result.account is not None and result.status == "ok":
            if result.version is not None:
                self._chains[result.account].take(result)
            for entry in result.entries:
                self._folded[result.account, entry.currency].post(entry)

    def take_snapshot(self, snapshot: Snapshot) -> None:
        """Keep *snapshot* if it is no older than the one that is kept."""
        known = self.snapshots.get(snapshot.account)
        if known is None or known.version <= snapshot.version:
            self.snapshots[snapshot.account] = snapshot

    def checks(self) -> tuple[Check, ...]:
        """Say of each thing that must hold whether it does."""
        return (
            self._every_receipt_has_one_result(),
            self._repeated_results_are_the_same(),
            self._versions_are_gapless(),
            self._points_are_conserved(),
            self._snapshots_are_folds(),
        )

    def totals(self) -> dict[str, dict[str, int]]:
        """Give what each currency's points came to: currency → side → points, sides by name."""
        totals: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for (_, currency), each in self._folded.items():
            totals[currency].update(each.sides)
            totals[currency]["outstanding"] += each.outstanding
            totals[currency]["debt"] += each.debt
        return {name: dict(each) for name, each in sorted(totals.items())}

    def _answer(self, result: Result) -> None:
        """Note what kind of answer a receipt got; parts of an exchange answer for the whole."""
        document = result.document.split("#", 1)[0]
        if result.status == "deferred":
            self._waiting.add(document)
        elif result.status == "conflict" or result.result_id != result_id(result.document, 1):
            self._others[document] += 1
        else:
            self._finals[document] += result.document in {document, f"{document}#1"}

    def _every_receipt_has_one_result(self) -> Check:
        finals = self._finals
        figures = {
            "sent": self.receipts.total() + self.unreadable,
            "documents": len(self.receipts),
            "final": sum(1 for count in finals.values() if count),
            "waiting for their sale": sum(1 for each in self._waiting if not finals[each]),
            "conflicts and malformed": self._others.total(),
            "dead letters": self.letters,
        }
        return checked(
            "every receipt has exactly one final result", figures, self._wrongly_answered()
        )

    def _wrongly_answered(self) -> Iterator[str]:
        answered = self._finals
        for document in self.receipts:
            other = document in self._waiting or document in self._others
            if not answered[document] and not other:
                yield f"{document}: no result"
        for document, count in answered.items():
            if count > 1:
                yield f"{document}: {count} final results"
            if document not in self.receipts:
                yield f"{document}: a result without a receipt"
        lost = self.unreadable - self.letters
        if lost > 0:
            yield f"{lost} unreadable records are not in the dead letters"

    def _repeated_results_are_the_same(self) -> Check:
        return checked(
            "a result that is published again is the same",
            {"results": self.results},
            self._differing,
        )

    def _versions_are_gapless(self) -> Check:
        chains = sorted(self._chains.items())
        versions = sum(chain.version + len(chain.early) for _, chain in chains)
        return checked(
            "account versions have no gaps and their chains hold",
            {"accounts": len(chains), "versions": versions},
            (f"{account}: {problem}" for account, chain in chains if (problem := chain.problem())),
        )

    def _points_are_conserved(self) -> Check:
        sums: Counter[str] = Counter()
        for each in self._folded.values():
            sums.update(each.sides)
            sums["outstanding"] += each.outstanding
            sums["debt"] += each.debt
            sums["transferred"] += each.transferred
        # Points come from this side, so that it runs below 0.
        sums["issued"] = -sums["issued"]
        return checked(
            "issued = spent + expired + reversed + outstanding - debt",
            {name: sums[name] for name in (*SIDES, "outstanding", "debt")},
            self._imbalances(sums["transferred"]),
        )

    def _imbalances(self, transferred: int) -> Iterator[str]:
        for (account, currency), each in sorted(self._folded.items()):
            if each.imbalance:
                yield (
                    f"{account} {currency}: issued {-each.sides['issued']} is not spent, expired "
                    f"and reversed {sum(each.sides[side] for side in SIDES[1:])} + outstanding "
                    f"{each.outstanding} - debt {each.debt}"
                )
            for lot, points in each.lots.items():
                if points < 0:
                    yield f"{account}: lot {lot} is below 0"
        if transferred:
            yield f"transfers do not net to zero: {transferred}"

    def _snapshots_are_folds(self) -> Check:
        return checked(
            "every published account is the fold of its results",
            {"accounts": len(self.snapshots)},
            self._astray(),
        )

    def _astray(self) -> Iterator[str]:
        """Name accounts whose newest snapshot is not what their entries lead to."""
        held: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        owed: Counter[tuple[str, str]] = Counter()
        for account, snapshot in self.snapshots.items():
            for lot in snapshot.lots:
                held[account, lot.currency][lot.id] += lot.remaining
            for debt in snapshot.debts:
                owed[account, debt.currency] += debt.points
        for key in sorted({*held, *owed, *self._folded}):
            each = self._folded[key] if key in self._folded else Folded()
            lots = held[key]
            if +lots != +each.lots or owed[key] != each.debt:
                yield (
                    f"{key[0]} {key[1]}: the snapshot has {lots.total()} points and owes "
                    f"{owed[key]}, its results lead to {each.outstanding} and {each.debt}"
                )
