"""What a build was made of: its inputs with their licences, whether a person's voice is in it, and where it departs
from the paper. All of it follows from what was planned and from the settings, not from what a profile's author wrote
of another build."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from kespeechchat.config.inputs import InstructionInput, SpeechInput
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.config.provenance import Departure, Licence

NOT_STATED = "not stated"
Corpus = Literal["recipe", "recordings", "both"]  # synthesized from a recipe, of people, or some of each

Planned = Mapping[str, Sequence[str]]  # branch (instructions, speech) → paths of the inputs that were ever planned

_USES = {"instructions": "instructions", "speech": "speech that the voices are blended from"}
_RECIPES = (".yaml", ".yml")


def inputs_of(pipeline: Pipeline, planned: Planned) -> list[Licence]:
    """An entry for each file that was ever planned, with the origin and the licence that the profile states for it."""
    items: list[InstructionInput | SpeechInput] = [*pipeline.instructions.inputs, *pipeline.speech.inputs]
    stated = {item.path: item for item in items}
    found = []
    for branch, use in _USES.items():
        for path in planned[branch]:
            item = stated.get(path)
            origin, licence = (item.origin, item.licence) if item else (None, None)
            found.append(
                Licence(name=Path(path).name, use=use, origin=origin or NOT_STATED, licence=licence or NOT_STATED)
            )
    return found


def corpus_of(planned: Planned) -> Corpus:
    """Of what the voices are blended."""
    recipes = {Path(path).suffix in _RECIPES for path in planned["speech"]}
    return "both" if len(recipes) > 1 else "recipe" if recipes == {True} else "recordings"


def departures_of(pipeline: Pipeline, corpus: Corpus) -> list[Departure]:
    """The profile's departures whose settings still have the values that they speak of."""
    settings = pipeline.model_dump(mode="json")
    return [d for d in pipeline.departures if _holds(d, settings, corpus)]


def _holds(departure: Departure, settings: object, corpus: Corpus) -> bool:
    if departure.corpus is not None and departure.corpus != corpus:
        return False
    return all(_fits(_at(settings, path.split(".")), value) for path, value in departure.where.items())


def _at(node: object, path: Sequence[str]) -> object:
    """The value at a path of keys and places; None where there is none."""
    for key in path:
        if isinstance(node, dict):
            node = node.get(key)
        elif isinstance(node, list) and key.isdigit() and int(key) < len(node):
            node = node[int(key)]
        else:
            return None
    return node


def _fits(value: object, wanted: object) -> bool:
    """Whether a value is the wanted one; a mapping may have more keys than are wanted of it."""
    if isinstance(wanted, dict) and isinstance(value, dict):
        return all(_fits(value.get(key), part) for key, part in wanted.items())
    return value == wanted
