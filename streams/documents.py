"""Campaign and programme documents in files: reading, checking, publishing their schemas.

How they are written, and where in a file each value is, is for `written_documents`.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path as FilePath
from typing import Any

from streams.core.campaign_grammar import shape_of
from streams.core.campaigns import Campaign, load_campaign
from streams.core.grammar import DocumentError, Fault, Path, Shape
from streams.core.programme import CHECKER, PROGRAMME, Programme, load_programme
from streams.core.publishing import campaign_schema, programme_schema
from streams.written_documents import (
    DocumentFileError,
    Problem,
    Written,
    is_programme,
    nodes,
    written,
)

FILE_BYTES_MOST = 512 * 1024  # Reading YAML takes seconds then; a Kafka record holds 1 MB.


def faults_of(document: Written, shape: Shape, path: Path = ()) -> list[Fault]:
    """Gather what could not be converted and what the grammar refuses, each place once."""
    found = list(document.faults)
    broken = {fault.path for fault in found}
    for fault in CHECKER.faults(shape, document.exact, path):
        inside = any(path[: len(fault.path)] == fault.path for path in broken)
        if not (inside and "what is written" in fault.message):
            found.append(fault)
    return found


def programme_of(document: Written) -> Programme:
    """
    Load a converted programme.

    Raises:
        DocumentFileError: With every problem found.
    """
    _refuse(document, PROGRAMME)
    try:
        return load_programme(document.exact)
    except DocumentError as error:
        raise DocumentFileError(document.problems(error.faults)) from error


def campaign_of(document: Written, programme: Programme) -> Campaign:
    """
    Load a converted campaign of *programme*.

    Raises:
        DocumentFileError: With every problem found.
    """
    _refuse(document, shape_of(document.exact))
    try:
        return load_campaign(document.exact, programme)
    except DocumentError as error:
        raise DocumentFileError(document.problems(error.faults)) from error


def _refuse(document: Written, shape: Shape) -> None:
    faults = faults_of(document, shape)
    if faults:
        raise DocumentFileError(document.problems(faults))


def read_programme(path: FilePath) -> Programme:
    """
    Read the file of a programme.

    Raises:
        DocumentFileError: If it holds anything else, or with problems.
    """
    found = _of_file(path, 2)
    if len(found) != 1 or not isinstance(found[0].exact, Mapping):
        raise _problem(path, "write one programme, a map of its keys")
    if "programme" not in found[0].exact or "campaign" in found[0].exact:
        raise _problem(path, "this is no programme: the key `programme` names one")
    return programme_of(found[0])


def read_campaigns(path: FilePath, programme: Programme) -> list[Campaign]:
    """
    Read the campaigns of a file, or of all `.yaml`, `.yml` and `.json` files of a folder.

    Raises:
        DocumentFileError: With the problems of all documents, and where one version of a
            campaign is written twice.
    """
    problems: list[Problem] = []
    found: list[Campaign] = []
    places: dict[tuple[str, int], str] = {}
    for file in files_of(path):
        try:
            for document in _of_file(file, programme.exponent):
                campaign = campaign_of(document, programme)
                key = (campaign.campaign, campaign.version)
                if key in places:
                    message = f"version {key[1]} is in {places[key]} as well; raise the number"
                    problems += document.problems([Fault(("version",), message)])
                places[key] = str(file)
                found.append(campaign)
        except DocumentFileError as error:
            problems += error.problems
    if problems:
        raise DocumentFileError(problems)
    return found


def files_of(path: FilePath) -> list[FilePath]:
    """List the document files that *path* means, by name."""
    if not path.is_dir():
        return [path]
    return sorted(each for each in path.iterdir() if each.suffix in (".yaml", ".yml", ".json"))


def check(path: FilePath, programme: Programme | None = None) -> list[Problem]:
    """
    Find what is wrong with the documents of a file; nothing when all can be published.

    Without *programme* the nearest `programme.yaml` is used: beside the file or in
    one of the two folders above.  Where there is none, a campaign is checked alone:
    its lane and currency are then not.
    """
    try:
        texts = nodes(text_of(path), str(path))
        if programme is None and not all(is_programme(node) for node in texts):
            programme = nearest_programme(path)
    except DocumentFileError as error:
        return list(error.problems)
    problems: list[Problem] = []
    for node in texts:
        exponent = 2 if programme is None else programme.exponent
        exact = path.suffix == ".json"
        document = written(node, file=str(path), exponent=exponent, exact=exact)
        try:
            if is_programme(node):
                programme_of(document)
            elif programme is None:
                _refuse(document, shape_of(document.exact))
            else:
                campaign_of(document, programme)
        except DocumentFileError as error:
            problems += error.problems
    return problems


def nearest_programme(path: FilePath) -> Programme | None:
    """
    Read the `programme.yaml` beside *path* or in one of the two folders above.

    Raises:
        DocumentFileError: If it has problems of its own.
    """
    for folder in list(path.resolve().parents)[:3]:
        candidate = folder / "programme.yaml"
        if candidate.is_file():
            return read_programme(candidate)
    return None


def _of_file(path: FilePath, exponent: int) -> list[Written]:
    exact = path.suffix == ".json"
    return [
        written(node, file=str(path), exponent=exponent, exact=exact)
        for node in nodes(text_of(path), str(path))
    ]


def text_of(path: FilePath) -> str:
    """
    Read a file as text.

    Raises:
        DocumentFileError: If it can't be read, is too long or not UTF-8.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise _problem(path, f"can't be read: {error.strerror}") from error
    if len(raw) > FILE_BYTES_MOST:
        raise _problem(path, f"{len(raw)} bytes; at most {FILE_BYTES_MOST} are read")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DocumentFileError(
            [Problem(str(path), line, 1, "document", "not UTF-8; save the file as UTF-8")]
        ) from error


def _problem(path: FilePath, message: str) -> DocumentFileError:
    return DocumentFileError([Problem(str(path), 1, 1, "document", message)])


# --- The canonical form -------------------------------------------------------


def canonical(document: Mapping[str, Any]) -> str:
    """Write exact data as JSON with sorted keys and no spaces: what crosses Kafka."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(document: Mapping[str, Any]) -> str:
    """Give the hex SHA-256 of the canonical form: equal documents have equal digests."""
    return sha256(canonical(document).encode()).hexdigest()


def publish_schemas(folder: FilePath) -> None:
    """Write the JSON Schemas of both kinds of document into *folder*."""
    schemas = {"campaign": campaign_schema(), "programme": programme_schema()}
    for name, schema in schemas.items():
        text = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
        (folder / f"{name}.schema.json").write_text(text, encoding="utf-8")
