"""Kafka's jars, exactly those that the committed lock names.

`jgo` resolves and downloads them; every file is then held against its checksum in
`jgo.lock.toml`, and a file that the lock doesn't know is refused.  To change the
version, resolve the three coordinates of `ROOTS` anew with jgo and commit its lock.
"""

import fcntl
import hashlib
import tomllib
from pathlib import Path

import jgo

KAFKA_VERSION = "4.3.1"
ROOTS = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    f"org.apache.kafka:kafka-tools:{KAFKA_VERSION}",
    "org.slf4j:slf4j-simple:1.7.36",
)
LOCK = Path(__file__).with_name("jgo.lock.toml")
VERIFIED = ".verified"


class JarError(RuntimeError):
    """The jars are not what the lock says; says which file and what to do."""


def kafka_jars(cache: Path) -> list[Path]:
    """
    Give the folders of Kafka's jars below *cache*, downloading them when they aren't there.

    The first call takes half a minute and needs a Maven repository; later ones neither.

    Raises:
        JarError: If a download fails, or a jar is missing, unknown or altered.
    """
    cache.mkdir(parents=True, exist_ok=True)
    # Two who find nothing would both download, and one would look at what is half there.
    with (cache / "lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)
        return _kafka_jars(cache)


def _kafka_jars(cache: Path) -> list[Path]:
    locked = _locked()
    try:
        environment = jgo.build("+".join(ROOTS), cache_dir=cache)
    except Exception as error:  # jgo raises whatever its HTTP client does.
        raise JarError(
            f"Kafka's jars could not be resolved: {error}. "
            "Check that a Maven repository can be reached, and try again."
        ) from error
    folders = [environment.jars_dir, environment.modules_dir]
    marker = environment.path / VERIFIED
    lock_digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if not (marker.exists() and marker.read_text() == lock_digest):
        _verify([jar for folder in folders for jar in sorted(folder.glob("*.jar"))], locked)
        marker.write_text(lock_digest)
    return [folder for folder in folders if any(folder.glob("*.jar"))]


def _locked() -> dict[str, str]:
    """Give the checksum of every locked jar by its file name."""
    lock = tomllib.loads(LOCK.read_text())
    return {
        f"{each['artifactId']}-{each['version']}.jar": each["sha256"]
        for each in lock["dependencies"]
    }


def _verify(jars: list[Path], locked: dict[str, str]) -> None:
    missing = set(locked) - {jar.name for jar in jars}
    if missing:
        raise JarError(f"jars of the lock are missing: {', '.join(sorted(missing))}")
    for jar in jars:
        expected = locked.get(jar.name)
        if expected is None:
            raise JarError(f"{jar} is not in {LOCK.name}; delete {jar.parent.parent} and try again")
        if hashlib.sha256(jar.read_bytes()).hexdigest() != expected:
            raise JarError(f"{jar} is not what {LOCK.name} says; delete it and try again")
