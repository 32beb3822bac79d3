"""The versions of accounts: without gaps, each chained to the one before it."""

from msgspec import Struct

from streams.core.postings import chained
from streams.core.result import Result


class Chain(Struct):
    """
    How far the versions of one account have been followed.

    Attributes:
        version: The last one in the row, 0 at first.
        link: The hash up to it, as computed here; empty at first.
        early: Results whose predecessor has not been read yet, by version: a topic's
            partitions are read side by side, and a merge moves an account's writer.
        broken: What is wrong with the first version that is not as it must be; those
            after it are not looked at.
    """

    version: int = 0
    link: str = ""
    early: dict[int, Result] = {}
    broken: str = ""

    def take(self, result: Result) -> None:
        """Follow the chain with *result*, in whatever order results come."""
        if self.broken:
            return
        assert result.version is not None
        if result.version <= self.version or result.version in self.early:
            self.broken = f"version {result.version} is there twice"
            return
        self.early[result.version] = result
        while not self.broken and (follower := self.early.pop(self.version + 1, None)):
            self._link(follower)

    def problem(self) -> str:
        """Say what is wrong now that every result has been read; empty when nothing is."""
        if not self.broken and self.early:
            return f"version {self.version + 1} is missing"
        return self.broken

    def _link(self, result: Result) -> None:
        assert result.account is not None
        self.version += 1
        self.link = chained(
            self.link,
            account=result.account,
            version=self.version,
            document=result.document,
            entries=result.entries,
        )
        if result.chain != self.link:
            self.broken = f"the chain breaks at version {self.version}"
