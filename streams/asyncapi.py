"""
The topics and their records as an AsyncAPI 3 document, for the tools of others.

It says nothing of its own: channels are the topic plan, payloads point at the schema
files.  `python -m streams.asyncapi` writes `docs/asyncapi.json`, and a test holds the
file to what this would write.
"""

import json
from pathlib import Path
from typing import Any

from schemas.catalogue import catalogue
from streams.topics import Topic, plan

FILE = Path(__file__).parents[1] / "docs" / "asyncapi.json"
BINDING = "0.5.0"
AVRO = "application/vnd.apache.avro+json;version=1.9.0"
# What outsiders write and we read; of everything else with a schema it is the other way
# round, but for the envelopes, which are ours alone.
WRITTEN_BY_OTHERS = ("Receipt", "Member", "Product", "Store", "Campaign", "Programme")
PUBLIC = (*WRITTEN_BY_OTHERS, "Bonus", "Account", "Resolution", "Notification")


def document() -> dict[str, Any]:
    """Describe every topic that outsiders write or read, of the default tenant."""
    topics = [topic for topic in plan() if topic.schema in PUBLIC]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Loyalty streams",
            "version": "1.0.0",
            "description": "Values are Avro in Confluent's framing; see integrators.md.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/avro",
        "channels": {_channel(topic): _described(topic) for topic in topics},
        "operations": {_operation(topic): _operated(topic) for topic in topics},
        "components": {"messages": {str(topic.schema): _message(topic) for topic in topics}},
    }


def _channel(topic: Topic) -> str:
    return topic.name.split(".")[1]


def _operation(topic: Topic) -> str:
    return f"{_action(topic)}{_channel(topic).capitalize()}"


def _action(topic: Topic) -> str:
    return "receive" if topic.schema in WRITTEN_BY_OTHERS else "send"


def _described(topic: Topic) -> dict[str, Any]:
    policy = topic.config["cleanup.policy"]
    return {
        "address": topic.name,
        "description": f"{topic.about}.",
        "messages": {str(topic.schema): {"$ref": f"#/components/messages/{topic.schema}"}},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {
                    "cleanup.policy": [policy],
                    "retention.ms": int(topic.config["retention.ms"]),
                },
                "bindingVersion": BINDING,
            }
        },
    }


def _operated(topic: Topic) -> dict[str, Any]:
    channel = f"#/channels/{_channel(topic)}"
    return {
        "action": _action(topic),
        "channel": {"$ref": channel},
        "summary": f"{topic.about}.",
        "messages": [{"$ref": f"{channel}/messages/{topic.schema}"}],
    }


def _message(topic: Topic) -> dict[str, Any]:
    newest = max(each.version for each in catalogue() if each.record == topic.schema)
    return {
        "name": topic.schema,
        "contentType": "application/avro",
        "payload": {
            "schemaFormat": AVRO,
            "schema": {"$ref": f"../schemas/avro/{topic.schema}.{newest}.avsc"},
        },
        "bindings": {
            "kafka": {
                "key": {"type": "string", "description": topic.key},
                "schemaIdLocation": "payload",
                "schemaIdPayloadEncoding": "confluent",
                "bindingVersion": BINDING,
            }
        },
    }


def written() -> str:
    """Give the text of the file."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    FILE.write_text(written(), encoding="utf-8")
