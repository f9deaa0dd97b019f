"""From a YAML file to a `Pipeline`, with errors that name file, line, field, value and fix."""

from __future__ import annotations

import copy
import difflib
import json
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from kespeechchat.config.base import EngineRef
from kespeechchat.config.flow import STAGES
from kespeechchat.config.language_model import with_language_model
from kespeechchat.config.pipeline import Pipeline

_PROMPTS = (Path(__file__).parents[1] / "prompts").resolve()  # those that come along; in a clone, a link
_Loader = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader  # libyaml's takes an eighth of the time
NO_INTERLEAVE = (
    "interleave: the profile has no such section, and it names the engines of speech tokens: see docs/interleave.md, "
    "or pipelines/quickstart.yaml"
)
_OF_SCENES = {"folder", "manifest", "impulse_responses"}  # settings of scenes that are paths
_VERSIONS_OF_0_1_0 = {"corpus": 2}  # of the stages' code; the others had 1


class ConfigError(ValueError):
    """Wrong use or configuration: exit code 2. The message is for the user and complete in itself."""


def load_pipeline(path: str | os.PathLike[str], overrides: tuple[str, ...] = (), **changes: Any) -> Pipeline:
    """The profile at `path`, with `key.sub=value` overrides and the changes of the command line.

    `changes`: `inputs` (replaces the profile's instruction files), `documents` (replaces the files of `interleave`),
    `limit`, `root`, `llm` and `model` (another language model, see `config.language_model`). Raises ConfigError, a line
    that names file, setting, value and what to do, for whatever is wrong with the profile or its prompts.
    """
    file = Path(path)
    if not file.is_file():
        raise ConfigError(f"{file}: no such pipeline file")
    shared, node = read_mapping(file, "a pipeline is a mapping of settings")
    here = file.resolve().parent
    try:
        data = _unshared(shared)
    except RecursionError:
        raise ConfigError(f"{file}: an anchor holds its own alias; write the value out") from None
    _replace_language_model(data, changes.get("llm"), changes.get("model"))
    for override in overrides:
        _override(data, override)
    _resolve_paths(data, here)
    if inputs := changes.get("inputs"):
        _section(data, "instructions")["inputs"] = [{"path": os.path.abspath(p)} for p in inputs]
    if documents := changes.get("documents"):
        if not data.get("interleave"):
            raise ConfigError(f"{file}: {NO_INTERLEAVE}")
        _section(data, "interleave")["inputs"] = [{"path": os.path.abspath(p)} for p in documents]
    if changes.get("limit") is not None:
        _section(data, "instructions")["limit"] = changes["limit"]
    if changes.get("root"):
        data["root"] = absolute_root(changes["root"])
    pipeline = _validated(data, file, node, overrides)
    prompts = _read_prompts(pipeline, here, data.get("prompts_dir"))
    return _validated({**data, "prompts": prompts}, file, node, overrides)


def _section(data: dict[str, Any], name: str) -> dict[str, Any]:
    """A part of the profile, made where it is missing or null. Raises ConfigError where it has no parts."""
    found = data[name] = {} if data.get(name) is None else data[name]
    if not isinstance(found, dict):
        raise ConfigError(f"{name}: is a {type(found).__name__}, a mapping of settings is wanted")
    return found


def read_mapping(file: Path, meant: str) -> tuple[dict[str, Any], yaml.Node | None]:
    """A YAML file's mapping, and its nodes, which know their lines. `meant`: what the file should be. Raises
    ConfigError."""
    try:
        node, data = _parsed(file.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: not UTF-8 (byte {error.start}); save the file as UTF-8") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date or a number that cannot be
        raise ConfigError(_not_yaml(file, error)) from None
    if not isinstance(data, dict):
        raise ConfigError(f"{file}: {meant}, this is a {type(data).__name__}")
    return copy.deepcopy(data), node


def _not_yaml(file: Path, error: Exception) -> str:
    """What is wrong with the file, and at which line where the parser says it."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{file}:{mark.line + 1}: not valid YAML: {error.problem} (column {mark.column + 1})"
    return f"{file}: not valid YAML: {' '.join(str(error).split())}"


@lru_cache(maxsize=64)
def _parsed(text: str) -> tuple[yaml.Node | None, Any]:
    """The nodes of a YAML text, which know their lines, and the data made of them; None and None of an empty one."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        return node, None if node is None else loader.construct_document(node)
    finally:
        loader.dispose()


def _validated(data: dict[str, Any], file: Path, node: yaml.Node | None, overrides: Sequence[str]) -> Pipeline:
    try:
        return Pipeline.model_validate({k: v for k, v in data.items() if k != "prompts_dir"})
    except ValidationError as error:
        lines = [_explain(e, file, node, data, overrides) for e in error.errors()]
        raise ConfigError("\n".join(dict.fromkeys(lines))) from None


def from_json(text: str) -> Pipeline:
    """The resolved pipeline that a build keeps in its ROOT, this version's or an earlier one's. Raises ConfigError."""
    try:
        return Pipeline.model_validate(_with_versions(_with_threshold_of_the_engine(json.loads(text))))
    except (ValueError, LookupError, AttributeError) as error:  # the second two: JSON that is no pipeline at all
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else f"{type(error).__name__}: {error}"
        raise ConfigError(f"the pipeline kept in ROOT does not fit this version: {why}") from None


def _with_threshold_of_the_engine(data: dict[str, Any]) -> dict[str, Any]:
    """A pipeline that an earlier version kept names the gate's threshold in the gate. That one decided what was kept,
    so it becomes the threshold of the engine, and the gate's fingerprints stay as they are."""
    gate = data.get("stages", {}).get("gate", {})
    if "watermark_threshold" in gate:
        name = data["stages"]["measure"]["watermark"]
        data["engines"]["watermark"][name]["threshold"] = gate.pop("watermark_threshold")
    return data


def _with_versions(data: dict[str, Any]) -> dict[str, Any]:
    """A pipeline that was kept before versions were kept with it was built by version 0.1.0 of this package."""
    if "versions" not in data:
        data["versions"] = {stage: _VERSIONS_OF_0_1_0.get(stage, 1) for stage in STAGES}
    return data


def absolute_root(root: str) -> str:
    """ROOT as an absolute path; the URL of an object store as it is."""
    return root if "://" in root else os.path.abspath(root)


def _unshared(node: Any) -> Any:
    """A copy in which a YAML anchor and its aliases are things of their own: an override of one leaves the others."""
    if isinstance(node, dict):
        return {key: _unshared(child) for key, child in node.items()}
    return [_unshared(child) for child in node] if isinstance(node, list) else node


def _replace_language_model(data: dict[str, Any], llm: str | None, model: str | None) -> None:
    if model is not None and llm is None:
        raise ConfigError(f"--model {model}: names a model of a server: add --llm http://HOST:PORT/v1")
    if llm is not None:
        try:
            with_language_model(data, llm, model)
        except ValueError as error:
            raise ConfigError(str(error)) from None


def _override(data: dict[str, Any], override: str) -> None:
    key, sep, value = override.partition("=")
    if not sep or not key:
        raise ConfigError(f"--set {override}: write key.sub=value")
    *path, last = key.split(".")
    at: Any = data
    for part in path:
        at = at[int(part)] if isinstance(at, list) and part.isdigit() and int(part) < len(at) else _child(at, part, key)
    try:
        at[int(last) if isinstance(at, list) else last] = yaml.safe_load(value)
    except (IndexError, ValueError, TypeError):
        raise ConfigError(f"--set {override}: {'.'.join(path)} has no item {last!r}") from None


def _child(at: Any, part: str, key: str) -> Any:
    if not isinstance(at, dict):
        raise ConfigError(f"--set {key}: {part!r} cannot be set, because what is above it has no parts")
    child = at.setdefault(part, {})
    if child is None:
        child = at[part] = {}
    return child


def _resolve_paths(data: dict[str, Any], here: Path) -> None:
    if isinstance(data.get("root"), str) and "://" not in data["root"]:
        data["root"] = str((here / data["root"]).resolve())
    for branch in ("instructions", "speech", "interleave"):
        group = data.get(branch)
        lists = [group.get("inputs"), group.get("exclude")] if isinstance(group, dict) else []
        for items in lists:
            for item in items if isinstance(items, list) else ():
                if isinstance(item, dict) and isinstance(item.get("path"), str):
                    item["path"] = str((here / item["path"]).resolve())
    for branch in ("engines", "licences"):
        _resolve_models(data.get(branch), here)
    _resolve_scenes(data.get("scenes"), here)


def _resolve_scenes(node: Any, here: Path) -> None:
    """Noise and impulse responses lie where the profile says, relative to it."""
    for name, child in node.items() if isinstance(node, dict) else ():
        if name in _OF_SCENES and isinstance(child, str):
            node[name] = str((here / child).resolve())
        _resolve_scenes(child, here)


def _resolve_models(node: Any, here: Path) -> None:
    """Every `model`, however deep (a judge's LLM, one of several MOS engines), given once or per language."""
    for child in node if isinstance(node, list) else node.values() if isinstance(node, dict) else ():
        _resolve_models(child, here)
    if isinstance(node, dict) and isinstance(model := node.get("model"), (str, dict)):
        node["model"] = _beside(model, here)


def _beside(model: Any, here: Path) -> Any:
    if isinstance(model, dict):
        return {language: _beside(one, here) for language, one in model.items()}
    return str((here / model).resolve()) if isinstance(model, str) and model.startswith(".") else model


def _read_prompts(pipeline: Pipeline, here: Path, folder: str | None) -> dict[str, Any]:
    """The prompts that the stages name. `folder`: the profile's `prompts_dir`; without one, a file of `../prompts` is
    taken before the one of that name that comes along."""
    bases = [(here / folder).resolve()] if folder else [(here / "../prompts").resolve(), _PROMPTS]
    names = sorted(
        {
            name
            for stage in STAGES
            for mark, name in getattr(pipeline.stages, stage).references()
            if not isinstance(mark, EngineRef)
        }
    )
    prompts = {}
    for name in names:
        file = next((base / f"{name}.yaml" for base in bases if (base / f"{name}.yaml").is_file()), None)
        if file is None:
            looked = " nor ".join(str(base / f"{name}.yaml") for base in dict.fromkeys(bases))
            raise ConfigError(
                f"{looked}: no such prompt file; the profile's stages name the prompt {name!r}: set prompts_dir to the "
                f"folder that holds it (relative to the profile); the shipped prompts are in {_PROMPTS}"
            )
        prompts[name], _ = read_mapping(file, "a prompt file maps languages to their parts")
        for language in ("zh", "en"):
            _check_prompt(file, language, prompts[name].get(language))
    return prompts


def _check_prompt(file: Path, language: str, part: Any) -> None:
    """A language may be missing where no shard is of it; one that is there has its texts."""
    if part is None:
        return
    for name in ("system", "template"):
        if not isinstance(part, dict) or not isinstance(part.get(name), str):
            raise ConfigError(f"{file}: {language}.{name}: is missing or not text; see the shipped prompt files")
    if not isinstance(part.get("examples") or [], list):
        raise ConfigError(f"{file}: {language}.examples: is a {type(part['examples']).__name__}, a list is wanted")


def _explain(error: Any, file: Path, node: yaml.Node | None, data: Any, overrides: Sequence[str]) -> str:
    loc = [part for part in error["loc"] if not (isinstance(part, str) and part.startswith("function-"))]
    field = ".".join(str(part) for part in loc) or "pipeline"
    line = _line(node, loc)
    where = f"{file}:{line}" if line else str(file)
    for override in overrides:
        key = override.partition("=")[0].strip()
        if field == key or field.startswith(f"{key}."):
            where = f"--set {override}"  # no line of the file is to blame
        elif key.startswith(f"{field}."):
            where += f" with --set {override}"
    if error["type"] == "extra_forbidden":
        known = _known_fields(loc[:-1], data)
        near = difflib.get_close_matches(str(loc[-1]), known, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}" if known else "remove it"
        return f"{where}: {field}: unknown setting {loc[-1]!r}; {hint}"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] in ("missing", "value_error"):
        return f"{where}: {field}: {message}" if error["type"] == "value_error" else f"{where}: {field}: is missing"
    return f"{where}: {field}: {error['input']!r} does not fit: {message}"


def _line(node: yaml.Node | None, loc: list[Any]) -> int | None:
    """1-based line of the deepest part of `loc` that is in the file."""
    line = None
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                continue  # a tag of a union, or a missing key
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _known_fields(loc: list[Any], data: Any) -> list[str]:
    """Names of the settings where an unknown one was found."""
    model: Any = Pipeline
    for part in loc:
        if isinstance(model, type) and issubclass(model, BaseModel) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation)
        elif not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
    return sorted(model.model_fields) if isinstance(model, type) and issubclass(model, BaseModel) else []


def _model_in(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = [m for m in map(_model_in, getattr(annotation, "__args__", ())) if m is not None]
    return found[0] if len(found) == 1 else None
