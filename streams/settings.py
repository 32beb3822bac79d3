"""Every setting of the running service, read once from the environment.

Each is `LOYALTY_<NAME>`, or a file of that name in a mounted secrets folder.  Only
`app`, `worker`, `front` and `cli` read this module; everything below them takes what
it needs as arguments.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

SANDBOX_KEY = "sandbox-key-do-not-use-with-real-members"


class Settings(BaseSettings):
    """The settings of one process."""

    model_config = SettingsConfigDict(env_prefix="LOYALTY_", extra="ignore")

    brokers: str = Field("127.0.0.1:9092", description="Bootstrap servers, comma separated.")
    tenant: str = Field("loyalty", description="First word of every topic name.")
    partitions: int = Field(
        4, ge=1, le=1024, description="Partitions of every keyed topic; chosen once."
    )
    replication: int = Field(1, ge=1, le=5, description="Replicas of every topic.")
    programme: str | None = Field(
        None, description="Programme id to serve; the only one published when not given."
    )
    data_dir: Path = Field(Path("loyalty-data"), description="Folder of the local state.")
    instance: str | None = Field(
        None, description="Stable name of this process: a restart then causes no rebalance."
    )
    identifier_key: SecretStr = Field(
        SecretStr(SANDBOX_KEY),
        description="Key of the digests that stand for cards, phones and e-mails.",
    )
    region: str = Field("US", description="Region of phone numbers without a country code.")
    host: str = Field("127.0.0.1", description="Address of /live, /ready and /metrics.")
    port: int = Field(0, ge=0, le=65535, description="Its port; 0 takes a free one.")
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    ssl_ca: Path | None = Field(
        None, description="Certificates of who may sign the broker's; the system's by default."
    )
    ssl_certificate: Path | None = Field(
        None, description="This process's own certificate, where the broker asks for one."
    )
    ssl_key: Path | None = Field(None, description="The key of that certificate.")
    log_format: Literal["json", "text"] = "json"
    log_level: str = "INFO"
    registry_url: str | None = Field(
        None, description="Schema registry; the committed ids are used when not given."
    )

    def client(self) -> dict[str, str]:
        """Return the connection settings of librdkafka; no secret of it may be logged."""
        conf = {"bootstrap.servers": self.brokers, "security.protocol": self.security_protocol}
        if self.ssl_ca is not None:
            conf["ssl.ca.location"] = str(self.ssl_ca)
        if self.ssl_certificate is not None:
            conf["ssl.certificate.location"] = str(self.ssl_certificate)
        if self.ssl_key is not None:
            conf["ssl.key.location"] = str(self.ssl_key)
        if self.sasl_mechanism is not None:
            conf["sasl.mechanism"] = self.sasl_mechanism
            conf["sasl.username"] = self.sasl_username or ""
            password = self.sasl_password
            conf["sasl.password"] = password.get_secret_value() if password else ""
        return conf
