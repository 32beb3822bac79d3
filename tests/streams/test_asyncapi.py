"""The AsyncAPI document says what the plan and the schemas say."""

import re

from schemas.catalogue import AVRO
from streams.asyncapi import FILE, document, written


def test_the_committed_document_is_up_to_date():
    """`python -m streams.asyncapi` writes it anew."""
    assert FILE.read_text(encoding="utf-8") == written()


def test_every_reference_leads_somewhere():
    """Within the document, or to a schema file."""
    tree = document()
    for reference in re.findall(r'"\$ref": "([^"]+)"', written()):
        if reference.startswith("#/"):
            found = tree
            for step in reference[2:].split("/"):
                found = found[step]
        else:
            assert (AVRO.parent / reference.removeprefix("../schemas/")).is_file()


def test_what_stages_send_each_other_is_not_offered():
    """The envelopes change with the code; nobody outside may rely on them."""
    assert not {"routes", "commands", "budgets"} & document()["channels"].keys()


def test_tills_are_received_from_and_bonuses_sent():
    """AsyncAPI speaks of what the application does."""
    actions = {name: each["action"] for name, each in document()["operations"].items()}

    assert actions["receiveReceipts"] == "receive"
    assert actions["sendBonuses"] == "send"
