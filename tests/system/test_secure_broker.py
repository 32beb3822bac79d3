"""A worker speaks TLS and SASL to a broker that takes nothing else from it."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trustme
from confluent_kafka.admin import AdminClient
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from connectors.pos import PosProducer, Sale, SaleLine
from schemas.codec import committed
from streams import broker
from streams.app import full_plan
from streams.reading.log import LogReader
from streams.sandbox.crew import Crew
from streams.sandbox.kafka import EmbeddedKafka
from streams.sandbox.members import OPENED_AT
from streams.sandbox.offline_shop import OfflineShop
from streams.sandbox.played import Wishes, documents
from streams.sandbox.ports import free_port
from streams.sandbox.shelves import Shelves
from streams.settings import Settings
from streams.topics import Names

HOME = Path(__file__).parents[2]
USER, PASSWORD = "worker", "correct-horse"

SECURE = """\
listeners=PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller},SASL_SSL://127.0.0.1:{secure}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SASL_SSL://localhost:{secure}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=\
org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
"""


def _pkcs8(key):
    """Write a private key in the one form that Kafka reads."""
    return load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    """Start a broker with a listener that asks for TLS and a password; give the settings."""
    folder = tmp_path_factory.mktemp("secure")
    authority = trustme.CA()
    own = authority.issue_cert("localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    keystore = folder / "broker.pem"
    keystore.write_bytes(_pkcs8(own.private_key_pem.bytes()) + own.cert_chain_pems[0].bytes())
    kafka = EmbeddedKafka(folder / "kafka", heap_mb=256)
    port = free_port()
    kafka.properties = SECURE.format(
        plain=kafka.port,
        controller=kafka.controller_port,
        secure=port,
        keystore=keystore,
        user=USER,
        password=PASSWORD,
    )
    with kafka:
        yield Settings(
            brokers=f"localhost:{port}",
            data_dir=folder / "state",
            security_protocol="SASL_SSL",
            sasl_mechanism="PLAIN",
            sasl_username=USER,
            sasl_password=PASSWORD,
            ssl_ca=folder / "ca.pem",
        )


def environment(settings):
    """Say the same to a process as *settings* say here."""
    return {
        "LOYALTY_BROKERS": settings.brokers,
        "LOYALTY_DATA_DIR": str(settings.data_dir),
        "LOYALTY_SECURITY_PROTOCOL": settings.security_protocol,
        "LOYALTY_SASL_MECHANISM": settings.sasl_mechanism,
        "LOYALTY_SASL_USERNAME": settings.sasl_username,
        "LOYALTY_SASL_PASSWORD": PASSWORD,
        "LOYALTY_SSL_CA": str(settings.ssl_ca),
    }


def test_a_receipt_gets_its_result_over_tls_with_a_password(secured, tmp_path):
    """Every connection of a worker does: Faust's consumer, the references, the producers."""
    client, names, codec = secured.client(), Names(), committed()
    broker.apply(full_plan(secured), AdminClient(client))
    played, shop = documents(Wishes()), OfflineShop()
    shelves = Shelves(client, names, codec)
    shelves.programme(played.programme, at=OPENED_AT)
    shelves.campaigns(played.campaigns, at=OPENED_AT)
    shelves.stores(shop.stores())
    crew = Crew(("intake", "settle"), folder=tmp_path, environment=environment(secured))
    try:
        crew.start()
        crew.await_ready()
        now = int(time.time() * 1000)
        line = SaleLine(sku="1", amount=250)
        with PosProducer(secured.brokers, client=client) as till:
            till.send(
                Sale(
                    id="secure-1",
                    store="1",
                    till="1",
                    sold_at=now,
                    lines=(line,),
                    phone="+12025550123",
                )
            )
            till.flush()
        deadline = time.monotonic() + 60
        with LogReader(client) as log:
            while not (heard := list(log.to_end([names.bonuses]))):
                assert time.monotonic() < deadline
                time.sleep(0.2)
    finally:
        codes = crew.stop()

    assert [each.key for each in heard]
    assert codes == {"intake": 0, "settle": 0}


def test_a_wrong_password_is_named_as_the_fault(secured):
    """Nobody has to guess from a time-out."""
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "doctor", "--json"],
        env={"PYTHONPATH": str(HOME), **environment(secured), "LOYALTY_SASL_PASSWORD": "wrong"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode
    assert "authentication" in json.dumps(json.loads(done.stdout)).lower()
