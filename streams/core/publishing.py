"""The document grammar as JSON Schema, for editors and other programs.

The schema says of exact data what the grammar says of it, and no more: what
ties a campaign to its programme is found by `loyalty campaigns check`.  JSON
Schema can't tell 15.0 from 15; the loader refuses the former.
"""

from typing import Any

from streams.core.campaign_grammar import ACCRUAL_CAMPAIGN, ACCRUALS, DISCOUNT_CAMPAIGN
from streams.core.conditions import ATOMS_MOST, SCALE_MOST, VALUES_MOST, WINDOW_MOST
from streams.core.grammar import (
    LARGEST,
    TEXT_LONGEST,
    WHEN,
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
from streams.core.programme import PROGRAMME

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]


def campaign_schema() -> Schema:
    """Publish the grammar of campaigns: which keys go together depends on what it gives."""
    accrual = {
        "required": ["gives"],
        "properties": {
            "gives": {"type": "object", "anyOf": [{"required": [key]} for key in ACCRUALS]}
        },
    }
    return {
        "$schema": DIALECT,
        "$id": "campaign.schema.json",
        "title": "Campaign",
        "description": "Exact data: money in minor units, percent in basis points, quantity in "
        "thousandths, instants in ISO 8601.",
        "if": accrual,
        "then": schema_of(ACCRUAL_CAMPAIGN),
        "else": schema_of(DISCOUNT_CAMPAIGN),
        "$defs": _definitions(),
    }


def programme_schema() -> Schema:
    """Publish the grammar of programmes."""
    return {
        "$schema": DIALECT,
        "$id": "programme.schema.json",
        "title": "Programme",
        **schema_of(PROGRAMME),
        "$defs": _definitions(),
    }


def schema_of(shape: Shape) -> Schema:
    """Write one shape as JSON Schema."""
    match shape:
        case Text() | Word() | When() | Whole() | Flag():
            return _scalar(shape)
        case ConditionShape():
            return {"$ref": f"#/$defs/{shape.scope}"}
        case Listing():
            item = schema_of(shape.item)
            return {
                "type": "array",
                "items": item,
                "minItems": shape.least,
                "maxItems": shape.most,
            }
        case Table():
            return {
                "type": "object",
                "propertyNames": schema_of(shape.key),
                "additionalProperties": schema_of(shape.value),
                "minProperties": shape.least,
                "maxProperties": shape.most,
            }
        case Record():
            return _record(shape)
        case Either():
            return {"anyOf": [schema_of(each) for each in shape.shapes]}


def _scalar(shape: Text | Word | When | Whole | Flag) -> Schema:
    match shape:
        case Text():
            return {
                "type": "string",
                "description": right(shape),
                "pattern": f"^(?:{shape.pattern})$",
                "minLength": shape.shortest,
                "maxLength": shape.longest,
            }
        case Word():
            return {"enum": list(shape.words)}
        case When():
            return {
                "type": "string",
                "description": right(shape),
                "pattern": f"^(?:{WHEN.pattern})$",
            }
        case Whole():
            return {
                "type": "integer",
                "description": right(shape),
                "minimum": shape.least,
                "maximum": shape.most,
            }
        case Flag():
            return {"type": "boolean"}


def _record(shape: Record) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": {key: schema_of(each) for key, each in shape.fields.items()},
        "additionalProperties": False,
    }
    if shape.required:
        schema["required"] = list(shape.required)
    if shape.one_of:
        choices = [{"oneOf": [{"required": [key]} for key in group]} for group in shape.one_of]
        schema["allOf"] = choices
    if {"set", "reward"} <= shape.fields.keys():
        schema["dependentRequired"] = {"set": ["reward"], "reward": ["set"]}
    return schema


def _definitions() -> Schema:
    """Write conditions, which contain themselves; the limits are those of `conditions`."""
    known = _object({"known": {"type": "boolean"}}, required=["known"])
    bounds = ("from", "to", "above", "below")
    span = _object({key: {"$ref": "#/$defs/number"} for key in bounds})
    span["minProperties"] = 1
    span["not"] = {"anyOf": [{"required": ["from", "above"]}, {"required": ["to", "below"]}]}
    value = {"$ref": "#/$defs/value"}
    listed = {"type": "array", "items": value, "minItems": 1, "maxItems": VALUES_MOST}
    return {
        "number": {
            "anyOf": [
                {"type": "integer", "minimum": -LARGEST, "maximum": LARGEST},
                _object({"decimal": _decimal()}, required=["decimal"]),
            ]
        },
        "value": {
            "anyOf": [
                {"type": "string", "maxLength": TEXT_LONGEST},
                {"type": "boolean"},
                {"$ref": "#/$defs/number"},
            ]
        },
        "test": {"anyOf": [value, listed, span, known]},
        "goods": _condition("goods", {}),
        "where": _condition("where", {}),
        "who": _condition("who", _of_members(known)),
    }


def _of_members(known: Schema) -> Schema:
    days = {"type": "integer", "minimum": 0, "maximum": WINDOW_MOST}
    window = {
        "before": days,
        "after": days,
        "known_for": days,
        "leap": {"enum": ["feb28", "mar1"]},
    }
    count = {"type": "integer", "minimum": 1, "maximum": LARGEST}
    purchases = [_object({key: count}, required=[key]) for key in ("number", "every")]
    return {
        "birthday": {"anyOf": [_object(window), known]},
        "purchase": {"anyOf": [*purchases, known]},
    }


def _condition(scope: str, special: Schema) -> Schema:
    own = {"$ref": f"#/$defs/{scope}"}
    parts = {"type": "array", "items": own, "minItems": 1, "maxItems": ATOMS_MOST}
    return {
        "type": "object",
        "properties": {"all": parts, "any": parts, "not": own, **special},
        "additionalProperties": {"$ref": "#/$defs/test"},
        "propertyNames": {"minLength": 1, "maxLength": TEXT_LONGEST},
        "maxProperties": ATOMS_MOST,
    }


def _decimal() -> Schema:
    whole = len(str(LARGEST))
    pattern = f"^-?[0-9]{{1,{whole}}}(?:\\.[0-9]{{1,{SCALE_MOST}}})?$"
    return {"type": "string", "pattern": pattern, "maxLength": 2 * SCALE_MOST}


def _object(properties: Schema, required: list[str] | None = None) -> Schema:
    schema: Schema = {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
    }
    return {**schema, "required": required} if required else schema
