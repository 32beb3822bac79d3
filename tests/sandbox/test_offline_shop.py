"""The generated shop has the shapes of the real one, and follows from its seed."""

from itertools import islice

from connectors.pos.documents import problems
from streams.sandbox.offline_shop import HOUSEHOLDS, OfflineShop

NAMES = {
    "product_id",
    "manufacturer_id",
    "department",
    "brand",
    "product_category",
    "product_type",
    "package_size",
}


def test_products_have_the_attribute_names_of_the_real_ones():
    """Some attributes are missing, as there."""
    products = list(OfflineShop().products())

    assert len({product.id for product in products}) == 300
    assert set().union(*(product.attributes for product in products)) == NAMES
    assert any(set(product.attributes) != NAMES for product in products)
    assert {product.attributes["brand"] for product in products} == {"National", "Private"}


def test_stores_and_members_are_few():
    """Five stores, 200 households."""
    assert len(OfflineShop().stores()) == 5
    assert len({member.account for member in OfflineShop().members()}) == HOUSEHOLDS


def test_the_seed_decides():
    """The same seed gives the same receipts, another gives others."""
    first = list(OfflineShop(7, 300).receipts())

    assert first == list(OfflineShop(7, 300).receipts())
    assert first != list(OfflineShop(8, 300).receipts())


def test_a_longer_shop_begins_like_a_shorter_one():
    """So that more receipts only add to what was seen."""
    assert list(OfflineShop(size=50).receipts()) == list(OfflineShop(size=900).receipts(50))
    assert list(OfflineShop(size=50).receipts(60)) == list(OfflineShop(size=50).receipts())


def test_receipts_are_sound_and_in_order():
    """Of known products and stores, each id once."""
    shop = OfflineShop(size=3_000)
    sales = list(shop.receipts())
    products = {product.id for product in shop.products()}
    stores = {store.id for store in shop.stores()}

    assert len(sales) == shop.count() == len({sale.id for sale in sales})
    assert [sale.sold_at for sale in sales] == sorted(sale.sold_at for sale in sales)
    for sale in sales:
        assert problems(sale) == ()
        assert sale.store in stores
        assert {line.sku for line in sale.lines} <= products


def test_fuel_is_sold_in_thousandths_of_a_gallon():
    """Everything else comes in pieces."""
    shop = OfflineShop()
    fuel = {each.id for each in shop.products() if each.attributes["department"] == "FUEL"}
    lines = [line for sale in islice(shop.receipts(), 1_000) for line in sale.lines]

    assert any(line.quantity % 1000 for line in lines if line.sku in fuel)
    assert not any(line.quantity % 1000 for line in lines if line.sku not in fuel)
