"""
The form of a scenario file as JSON Schema, for editors that check YAML while it is written.

Unlike the schemas of campaigns and programmes it describes what people write: money and
quantities with their decimals, percentages with their sign, times without an offset.
"""

from typing import Any

from streams.core.campaign_grammar import ACCRUAL_CAMPAIGN, ACCRUALS, DISCOUNT_CAMPAIGN, LOT
from streams.core.grammar import (
    ConditionShape,
    Either,
    Flag,
    Listing,
    Record,
    Shape,
    Table,
    Text,
    When,
    Whole,
    Word,
    right,
)
from streams.core.publishing import DIALECT, Schema
from streams.scenarios.grammar import (
    BALANCE,
    HEAD,
    LOT_FIGURES,
    OF_DOCUMENT,
    OF_MEMBER,
    OF_OFFICE,
    OF_QUOTE,
    RETURN_LINE,
    SALE_LINE,
    VERBS,
)

MEASURED = ("money", "quantity")
# Shapes that occur in several places are written once.
NAMED: dict[str, Shape] = {
    "balance": BALANCE,
    "document-answer": OF_DOCUMENT,
    "lot": LOT_FIGURES,
    "lot-terms": LOT,
    "member": OF_MEMBER,
    "office-answer": OF_OFFICE,
    "quote": OF_QUOTE,
    "returned-line": RETURN_LINE,
    "sold-line": SALE_LINE,
}
CAMPAIGNS = {"type": "array", "items": {"$ref": "#/$defs/campaign"}}


def scenario_schema() -> Schema:
    """Publish the grammar of scenarios."""
    properties = {key: written_schema(shape) for key, shape in HEAD.fields.items()}
    properties["campaigns"] = CAMPAIGNS
    properties["steps"] = {
        "type": "array",
        "minItems": 1,
        "items": {"anyOf": [{"$ref": f"#/$defs/{verb}"} for verb in VERBS]},
    }
    verbs = {verb: written_schema(shape) for verb, shape in VERBS.items()}
    verbs["publish"]["properties"]["publish"] = CAMPAIGNS
    return {
        "$schema": DIALECT,
        "$id": "scenario.schema.json",
        "title": "Scenario",
        "description": "As people write it: money like 10.00, percentages like 10%.",
        "type": "object",
        "properties": properties,
        "required": list(HEAD.required),
        "additionalProperties": False,
        "$defs": {
            **verbs,
            **{f"a-{name}": _written(shape) for name, shape in NAMED.items()},
            "campaign": {
                "if": {
                    "properties": {"gives": {"anyOf": [{"required": [key]} for key in ACCRUALS]}}
                },
                "then": written_schema(ACCRUAL_CAMPAIGN),
                "else": written_schema(DISCOUNT_CAMPAIGN),
            },
        },
    }


def written_schema(shape: Shape) -> Schema:
    """Write one shape as JSON Schema of what people write; one that has a name, by it."""
    for name, named in NAMED.items():
        if named is shape:
            return {"$ref": f"#/$defs/a-{name}"}
    return _written(shape)


def _written(shape: Shape) -> Schema:
    match shape:
        case Either():
            return {"anyOf": [written_schema(each) for each in shape.shapes]}
        case Listing():
            return {
                "type": "array",
                "items": written_schema(shape.item),
                "minItems": shape.least,
                "maxItems": shape.most,
            }
        case Table():
            return {"type": "object", "additionalProperties": written_schema(shape.value)}
        case Record():
            return _record(shape)
        case ConditionShape():
            return {"type": "object", "description": right(shape)}
        case _:
            return _scalar(shape)


def _scalar(shape: Text | Word | When | Whole | Flag) -> Schema:
    match shape:
        case Word():
            return {"enum": list(shape.words)}
        case Flag():
            return {"type": "boolean"}
        case Whole(unit="percent"):
            return {"type": "string", "pattern": r"^[0-9]*(\.[0-9]+)? ?%$"}
        case Whole(unit=unit) if unit in MEASURED:
            return {"type": "number", "description": f"{unit} with its decimals, like 10.0"}
        case Whole():
            return {"type": "integer", "minimum": shape.least, "maximum": shape.most}
        case _:
            # YAML makes numbers and dates of some texts; the loader takes them as written.
            return {"type": ["string", "number"], "description": right(shape)}


def _record(shape: Record) -> dict[str, Any]:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {key: written_schema(each) for key, each in shape.fields.items()},
        "additionalProperties": False,
    }
    if shape.required:
        schema["required"] = list(shape.required)
    return schema
