"""Accounts are kept as values between batches, and the table alone says whether they hold."""

from streams.agents.accounts import Accounts
from streams.core.account import Account
from streams.engine.batch import Draft
from streams.engine.driver import MemoryTables
from streams.tables import ACCOUNTS


class Shard:
    """A table, and batches on it."""

    def __init__(self, accounts):
        self.accounts = accounts
        self.tables = MemoryTables([ACCOUNTS.name])

    def batch(self, *changes, commit=True):
        """Read *changes*' accounts and set them; give what was read."""
        draft = Draft(
            partition=0,
            records=(),
            tables=self.tables,
            table_names=[ACCOUNTS.name],
            references={},
        )
        self.accounts.open(draft)
        read = [self.accounts.get(each.id) for each in changes]
        for each in changes:
            self.accounts.put(each)
        self.accounts.close()
        if commit:
            self.tables.apply(draft.puts)
        return read


def stored(account):
    """Give an account that is not the same object, as bytes give it."""
    return ACCOUNTS.read(ACCOUNTS.write(account))


def test_what_a_batch_has_put_is_read_by_the_next():
    """The very value, when nobody has changed the table meanwhile."""
    shard, first = Shard(Accounts()), Account("a", version=1)
    assert shard.batch(first) == [None]
    assert shard.batch(Account("a", version=2))[0] is first


def test_what_was_put_last_in_a_batch_is_what_is_read_and_written():
    """However often an account is put."""
    shard = Shard(Accounts())
    assert shard.batch(Account("a", version=1), Account("a", version=2)) == [None, None]
    assert shard.tables.get(ACCOUNTS.name, b"a") == ACCOUNTS.write(Account("a", version=2))


def test_a_batch_that_was_aborted_never_happened():
    """What it had put is not read, though it is remembered."""
    shard = Shard(Accounts())
    shard.batch(Account("a", version=1))
    shard.batch(Account("a", version=2), commit=False)
    assert shard.batch(Account("a", version=3)) == [Account("a", version=1)]


def test_a_batch_that_failed_half_way_leaves_nothing_to_the_next():
    """Its handler raised before it was closed."""
    shard = Shard(Accounts())
    shard.accounts.open(None)
    shard.accounts.put(Account("a", version=9))
    assert shard.batch(Account("b")) == [None]
    assert shard.tables.get(ACCOUNTS.name, b"a") is None


def test_two_shards_of_a_process_have_accounts_of_their_own():
    """Also where both know an account by the same name."""
    accounts = Accounts()
    one, two = Shard(accounts), Shard(accounts)
    one.batch(Account("a", version=1))
    assert two.batch(Account("a", version=5)) == [None]
    assert one.batch(Account("a", version=2)) == [Account("a", version=1)]


def test_what_is_remembered_is_bounded_and_nothing_else_changes():
    """The accounts written longest ago are read from the table again."""
    accounts = Accounts(stored_bytes_max=2 * len(ACCOUNTS.write(Account("a"))))
    shard = Shard(accounts)
    shard.batch(*(Account(name, version=1) for name in "abc"))
    assert list(accounts._known) == [b"b", b"c"]
    assert shard.batch(Account("a")) == [stored(Account("a", version=1))]
