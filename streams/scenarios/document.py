"""Reading scenario files: YAML with places, checked before anything runs."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from msgspec import Struct
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

from streams.core.campaigns import Campaign
from streams.core.grammar import (
    DocumentError,
    Fault,
    Path,
    Shape,
    nearest,
    shown,
)
from streams.core.programme import Programme, load_programme
from streams.documents import campaign_of, faults_of, text_of
from streams.scenarios.grammar import HEAD, PARTIAL_PROGRAMME, VERBS
from streams.written_documents import (
    DocumentFileError,
    Place,
    Problem,
    Written,
    along,
    keys_of,
    nodes,
    own_exponent,
    written,
)

# What a scenario's programme is where it says nothing else: that of the marketers' guide.
USUAL_PROGRAMME: Mapping[str, Any] = {
    "programme": "club",
    "version": 1,
    "zone": "Europe/Berlin",
    "money": {"currency": "EUR", "exponent": 2},
    "points": {"bonus": {"unit": 1, "value": 1}},
    "discount_lanes": ["shelf", "coupon"],
    "points_lanes": ["base", "goods", "basket", "member", "multiplier"],
}
SUFFIXES = (".yaml", ".yml")
STEPS = re.compile(r"^steps\s*:", re.MULTILINE)
HINT_KEYS = 4  # Of a wrong step shown in its message.


class Step(Struct, frozen=True):
    """
    One step, converted.

    Attributes:
        name: What stands after the verb: a document's id, a member, a time.
        fields: All its keys as exact data; campaigns for `publish`.
        line: Where it begins, from 1.
        places: Of its keys, by path within the step.
    """

    verb: str
    name: str
    fields: Mapping[str, Any]
    line: int
    places: Mapping[Path, Place] = {}

    def line_of(self, path: Path) -> int:
        """Give the line of what stands at *path*, or of the nearest around it, from 1."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places[path].key[0] + 1 if path in self.places else self.line


class Scenario(Struct, frozen=True):
    """
    A scenario, read and checked.

    Attributes:
        why: The rule that it shows, in words.
        covers: Keys of `rules.yaml`.
        members: Facts by name; all are registered before the first step.
    """

    file: str
    title: str
    why: str
    covers: tuple[str, ...]
    programme: Programme
    campaigns: tuple[Campaign, ...]
    products: Mapping[str, Mapping[str, Any]]
    stores: Mapping[str, Mapping[str, Any]]
    members: Mapping[str, Mapping[str, Any]]
    steps: tuple[Step, ...]


def scenario_files(path: FilePath) -> list[FilePath]:
    """List the scenario files that *path* means: itself, or all in a folder and below."""
    if not path.is_dir():
        return [path]
    found = [each for each in path.rglob("*") if each.suffix in SUFFIXES]
    return sorted(each for each in found if is_scenario(each))


def is_scenario(path: FilePath) -> bool:
    """Tell a scenario from another YAML file in the same folder: it has steps."""
    try:
        return STEPS.search(text_of(path)) is not None
    except DocumentFileError:
        return True  # What is broken must be reported and not passed over.


def read_scenario(path: FilePath) -> Scenario:
    """
    Read a scenario.

    Raises:
        DocumentFileError: With every problem found.
    """
    found = nodes(text_of(path), str(path))
    if len(found) != 1 or not isinstance(found[0], MappingNode):
        problem = Problem(str(path), 1, 1, "document", "write one scenario, a map of its keys")
        raise DocumentFileError([problem])
    return _Reader(str(path), found[0]).scenario()


class _Reader:
    """Reads one file and gathers its problems."""

    def __init__(self, file: str, root: MappingNode) -> None:
        self.file = file
        self.root = root
        self.parts = keys_of(root)
        self.problems: list[Problem] = []
        self.exponent = own_exponent(self.parts.get("programme", root))

    def scenario(self) -> Scenario:
        self._check_keys()
        programme = self._programme()
        campaigns = self._campaigns(self.parts.get("campaigns"), programme)
        head = {
            key: self._value(key, HEAD.fields[key])
            for key in ("title", "why", "covers", "products", "stores", "members")
        }
        steps = tuple(self._steps(programme))
        if self.problems or programme is None:
            raise DocumentFileError(sorted(self.problems, key=lambda each: each.line))
        return Scenario(
            self.file,
            head["title"],
            head["why"] or "",
            tuple(head["covers"] or ()),
            programme,
            campaigns,
            head["products"] or {},
            head["stores"] or {},
            head["members"] or {},
            steps,
        )

    def _check_keys(self) -> None:
        given = Written(self.file, None, (), dict(_places(self.root)))
        known = [key for key in HEAD.fields if key not in self.parts] or [*HEAD.fields]
        faults = [
            Fault((key,), f"unknown key {shown(key)}; {nearest(key, known)}", at_key=True)
            for key in self.parts
            if key not in HEAD.fields
        ]
        faults += [Fault((), f"{key} is missing") for key in HEAD.required if key not in self.parts]
        self.problems += given.problems(faults)

    def _value(self, key: str, shape: Shape) -> Any:
        """Convert and check the value of a key of the file; None where it is absent."""
        node = self.parts.get(key)
        if node is None:
            return None
        found = along(node, shape, file=self.file, exponent=self.exponent, path=(key,))
        faults = faults_of(found, shape, (key,))
        self.problems += found.problems(faults)
        return None if faults else found.exact

    def _programme(self) -> Programme | None:
        node = self.parts.get("programme")
        places: Mapping[Path, Place] = {}
        document = dict(USUAL_PROGRAMME)
        if node is not None:
            exponent = self.exponent
            given = along(node, PARTIAL_PROGRAMME, file=self.file, exponent=exponent)
            places = given.places
            faults = faults_of(given, PARTIAL_PROGRAMME)
            if faults:
                self.problems += given.problems(faults)
                return None
            document |= given.exact
        try:
            return load_programme(document)
        except DocumentError as error:
            self.problems += Written(self.file, None, (), places).problems(error.faults)
            return None

    def _campaigns(self, node: Node | None, programme: Programme | None) -> tuple[Campaign, ...]:
        if node is None or programme is None:
            return ()
        if not isinstance(node, SequenceNode):
            self._problem(node, "campaigns", "write a list of campaigns")
            return ()
        found: list[Campaign] = []
        for each in node.value:
            document = written(each, file=self.file, exponent=programme.exponent)
            try:
                found.append(campaign_of(document, programme))
            except DocumentFileError as error:
                self.problems += error.problems
        return tuple(found)

    def _steps(self, programme: Programme | None) -> Iterator[Step]:
        node = self.parts.get("steps")
        if not isinstance(node, SequenceNode) or not node.value:
            if node is not None:
                self._problem(node, "steps", "write a list of steps")
            return
        for index, each in enumerate(node.value):
            keys = keys_of(each)
            verbs = [key for key in keys if key in VERBS]
            if not verbs:
                first = next(iter(keys), "nothing")
                hint = nearest(first, list(VERBS))
                self._problem(each, f"steps[{index}]", f"no verb among {_some(keys)}; {hint}")
                continue
            step = self._step(each, verbs[0], index, programme)
            if step is not None:
                yield step

    def _step(self, node: Node, verb: str, index: int, programme: Programme | None) -> Step | None:
        line = node.start_mark.line + 1
        if verb == "publish":
            fields = {"campaigns": self._campaigns(keys_of(node)[verb], programme)}
            return Step(verb, "", fields, line)
        shape = VERBS[verb]
        found = along(node, shape, file=self.file, exponent=self.exponent)
        faults = faults_of(found, shape)
        problems = found.problems(faults)
        prefix = f"steps[{index}] ({verb})"
        self.problems += [
            Problem(each.file, each.line, each.column, f"{prefix}.{each.path}", each.message)
            for each in problems
        ]
        if faults:
            return None
        return Step(verb, str(found.exact[verb]), found.exact, line, found.places)

    def _problem(self, node: Node, path: str, message: str) -> None:
        mark = node.start_mark
        self.problems.append(Problem(self.file, mark.line + 1, mark.column + 1, path, message))


def _places(root: MappingNode) -> Iterator[tuple[Path, Place]]:
    start = (root.start_mark.line, root.start_mark.column)
    yield (), Place(start, start)
    for key, value in root.value:
        at = (key.start_mark.line, key.start_mark.column)
        yield (key.value,), Place((value.start_mark.line, value.start_mark.column), at)


def _some(keys: Mapping[str, Any]) -> str:
    return ", ".join(list(keys)[:HINT_KEYS]) or "nothing"
