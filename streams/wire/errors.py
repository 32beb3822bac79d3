"""What can be wrong with a record that could be decoded."""


class MalformedError(ValueError):
    """
    A record whose fields contradict each other or are out of bounds.

    Attributes:
        code: Stable: MALFORMED, or CARD_DATA where a payment card's number was found.
        document: The id of the receipt or member event, when that much is sound.
        quotable: Whether the record may be kept as it is; False where it holds the
            number of a payment card.

    The message names fields and never repeats what they hold.
    """

    def __init__(self, message: str, *, document: str | None = None) -> None:
        super().__init__(f"{self.code}: {message}")
        self.document = document

    code = "MALFORMED"
    quotable = True


class CardDataError(MalformedError):
    """A field that has no business with it holds the number of a payment card."""

    code = "CARD_DATA"
    quotable = False
