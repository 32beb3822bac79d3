"""
The tills' side: what a till tells (`documents`), and how it reaches Kafka (`producer`).

    with PosProducer("127.0.0.1:9092") as till:
        till.send(Sale(id="r-1", store="367", till="1", sold_at=..., card="...",
                       lines=(SaleLine("1095275", amount=199),)))
"""

from connectors.pos.documents import (
    Discount,
    Document,
    DocumentError,
    Exchange,
    Redeem,
    Return,
    ReturnLine,
    Sale,
    SaleLine,
    Void,
)
from connectors.pos.producer import DeliveryError, PosProducer

__all__ = [
    "DeliveryError",
    "Discount",
    "Document",
    "DocumentError",
    "Exchange",
    "PosProducer",
    "Redeem",
    "Return",
    "ReturnLine",
    "Sale",
    "SaleLine",
    "Void",
]
