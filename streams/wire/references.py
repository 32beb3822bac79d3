"""
Reference data: products, stores, campaigns and programmes.

A version is part of the record key, so that compaction keeps them all: `key_of`
writes such a key and `lookup_key` tells which entity it is of.  A key without a version
is of the entity itself.
"""

from typing import Any

import msgspec
from msgspec import Struct

from schemas.codec import Codec, CodecError
from streams.core.receipt import Attribute, EpochMs

_json = msgspec.json.Encoder(order="deterministic")


class Described(Struct, frozen=True):
    """A product or a store with its open attributes, from *valid_from* on."""

    id: str
    valid_from: EpochMs
    attributes: dict[str, Attribute]


class Document(Struct, frozen=True):
    """
    A published version of a campaign or programme.

    Attributes:
        document: Canonical JSON, as `canonical` writes it.
        valid_from: From when it serves, until the next version's.
    """

    id: str
    version: int
    valid_from: EpochMs
    document: str
    published_at: EpochMs
    published_by: str | None = None


def key_of(entity: str, version: int) -> bytes:
    """Write the record key of a version: its number, or its valid_from where it has none."""
    return f"{entity}@{version}".encode()


def lookup_key(key: bytes) -> bytes:
    """Tell which entity a record key is of."""
    entity, _, version = key.rpartition(b"@")
    return entity if entity and version.isdigit() else key


def canonical(document: Any) -> str:
    """Write a document as canonical JSON: sorted keys, no spaces, UTF-8."""
    return _json.encode(document).decode()


def content(document: Document) -> Any:
    """
    Parse the JSON of a published document.

    Raises:
        CodecError: UNDECODABLE, if it is none.
    """
    try:
        return msgspec.json.decode(document.document)
    except msgspec.DecodeError:
        raise CodecError("UNDECODABLE", "the document is not JSON") from None


def product_bytes(codec: Codec, product: Described) -> bytes:
    """Write a record of the products topic; key it by `key_of(id, valid_from)`."""
    return codec.encode("Product", product)


def product_from(codec: Codec, data: bytes | None) -> Described:
    """
    Read a record of the products topic.

    Raises:
        CodecError: If the bytes are no product.
    """
    return codec.read(data, "Product", Described)


def store_bytes(codec: Codec, store: Described) -> bytes:
    """Write a record of the stores topic; key it by `key_of(id, valid_from)`."""
    return codec.encode("Store", store)


def store_from(codec: Codec, data: bytes | None) -> Described:
    """
    Read a record of the stores topic.

    Raises:
        CodecError: If the bytes are no store.
    """
    return codec.read(data, "Store", Described)


def campaign_bytes(codec: Codec, campaign: Document) -> bytes:
    """Write a record of the campaigns topic; key it by `key_of(id, version)`."""
    return codec.encode("Campaign", campaign)


def campaign_from(codec: Codec, data: bytes | None) -> Document:
    """
    Read a record of the campaigns topic.

    Raises:
        CodecError: If the bytes are no campaign.
    """
    return codec.read(data, "Campaign", Document)


def programme_bytes(codec: Codec, programme: Document) -> bytes:
    """Write a record of the programmes topic; key it by `key_of(id, version)`."""
    return codec.encode("Programme", programme)


def programme_from(codec: Codec, data: bytes | None) -> Document:
    """
    Read a record of the programmes topic.

    Raises:
        CodecError: If the bytes are no programme.
    """
    return codec.read(data, "Programme", Document)
