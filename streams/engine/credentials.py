"""
How Faust's own consumer proves who it is, taken from the settings of librdkafka.

An operator says it once, in librdkafka's names; the group's consumer is aiokafka's and
must not be the one connection of a worker that goes unencrypted.
"""

import ssl
from collections.abc import Mapping

from faust import SASLCredentials, SSLCredentials
from faust.types.auth import CredentialsT, SASLMechanism

Settings = Mapping[str, str | int | float | bool]

MECHANISMS = frozenset(
    {SASLMechanism.PLAIN, SASLMechanism.SCRAM_SHA_256, SASLMechanism.SCRAM_SHA_512}
)
"""What both libraries can; Kerberos and OAuth need more than a name and a password."""


def credentials(client: Settings) -> CredentialsT | None:
    """
    Give Faust's credentials for the *client* settings; None for plain text.

    Raises:
        ValueError: If a setting asks for what the consumer can't do.
    """
    protocol = str(client.get("security.protocol", "PLAINTEXT")).upper()
    context = _context(client) if protocol.endswith("SSL") else None
    if protocol.startswith("SASL"):
        mechanism = str(client.get("sasl.mechanism", client.get("sasl.mechanisms", ""))).upper()
        if mechanism not in {each.value for each in MECHANISMS}:
            known = ", ".join(sorted(each.value for each in MECHANISMS))
            raise ValueError(f"sasl.mechanism must be one of {known}, not {mechanism!r}")
        return SASLCredentials(
            username=str(client.get("sasl.username", "")),
            password=str(client.get("sasl.password", "")),
            mechanism=mechanism,
            ssl_context=context,
        )
    return None if context is None else SSLCredentials(context)


def _context(client: Settings) -> ssl.SSLContext:
    """Make the TLS context: the CA of the settings or the system's, and a client's certificate."""
    ca = client.get("ssl.ca.location")
    context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    if str(client.get("ssl.endpoint.identification.algorithm", "https")) == "none":
        context.check_hostname = False
    certificate = client.get("ssl.certificate.location")
    if certificate is not None:
        key = client.get("ssl.key.location")
        password = client.get("ssl.key.password")
        context.load_cert_chain(
            str(certificate),
            None if key is None else str(key),
            None if password is None else str(password),
        )
    return context
