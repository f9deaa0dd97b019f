"""What engines on torch share: the device, the thread count, and checkpoints that are whole and load safely.

A checkpoint that lacks a layer would leave that layer with random weights and no error in transformers and in
utmos-pytorch, so every engine compares names before it works.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kespeechchat.engines import EngineDead, EngineError
from kespeechchat.engines.models import resolve

_WEIGHT_NORM = ("weight_g", "weight_v", "parametrizations.weight.original0", "parametrizations.weight.original1")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")


def pick_device(wanted: str, engine: str) -> str:
    """`cpu` or `cuda`; `auto` takes a GPU where torch sees one. Raises EngineError for a GPU that is not there."""
    import torch

    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise EngineError(
            f"{engine}: device: cuda, but torch {torch.__version__} sees no GPU (CUDA_VISIBLE_DEVICES="
            f"{os.environ.get('CUDA_VISIBLE_DEVICES')!r}); give the stage num_gpus: 1, or say device: cpu"
        )
    return "cuda" if wanted == "cuda" or (wanted == "auto" and there) else "cpu"


@contextlib.contextmanager
def working(threads: int) -> Iterator[None]:
    """No gradients, and an engine's own thread count for as long as it works: torch has one for the process.

    A GPU that is out of memory raises an EngineError that says what to change; a broken GPU context an EngineDead.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            yield
    except torch.OutOfMemoryError as error:
        raise EngineError(f"out of GPU memory: lower the engine's batch ({_first_line(error)})") from error
    except RuntimeError as error:
        if str(error).startswith("CUDA error"):
            raise EngineDead(f"the GPU's context is broken: {_first_line(error)}") from error
        raise
    finally:
        torch.set_num_threads(before)


def model_folder(setting: str, model: str, files: Iterable[str], source: str) -> Path:
    """The folder of `model`, which holds all of `files`.

    `setting` names the setting in an error, `source` the hub repository that `model` stands for. Raises EngineError
    that says which file is missing, the command that fetches it and the folder that it belongs in.
    """
    names = list(files)
    wanted = "".join(f" {name}" for name in names) if any(not name.endswith(".json") for name in names) else ""
    fix = f"fetch it with: hf download {source}{wanted} --local-dir {_place(model)}"  # settings alone: all of it
    if not model.startswith(("package:", "hub:")) and not Path(model).expanduser().exists():
        raise EngineError(f"{setting}: model {model!r} is not there ({source} or a model like it); {fix}")
    folder = resolve(model)
    if not folder.is_dir():
        raise EngineError(f"{setting}: model {model!r} is a file; name the folder that holds {', '.join(names)}")
    if absent := [name for name in names if not (folder / name).is_file()]:
        raise EngineError(f"{setting}: model {model!r}: {folder} lacks {', '.join(absent)}; {fix}")
    return folder


def transformers_folder(setting: str, model: str, source: str) -> Path:
    """The folder of a transformers audio checkpoint: config, feature extractor, and weights in any of its formats.

    Raises EngineError as `model_folder` does, also where there are no weights.
    """
    folder = model_folder(setting, model, ["config.json", "preprocessor_config.json"], source)
    if not any((folder / name).is_file() for name in _WEIGHTS):
        raise EngineError(
            f"{setting}: model {model!r}: {folder} holds no weights (model.safetensors or pytorch_model.bin); "
            f"fetch them with: hf download {source} --local-dir {_place(model)}"
        )
    return folder


def read_part(setting: str, kind: Any, folder: Path) -> Any:
    """`kind.from_pretrained(folder)` of what holds no weights: a configuration, a feature extractor. Raises
    EngineError that names `setting` and folder where it does not load."""
    try:
        return kind.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # transformers raises many kinds: broken JSON, a type it does not know
        raise EngineError(f"{setting}: {folder} does not load as {kind.__name__}: {_first_line(error)}") from error


def from_pretrained(setting: str, kind: Any, folder: Path, ignored: Sequence[str] = ()) -> Any:
    """`kind.from_pretrained(folder)` in eval mode, with every weight from the checkpoint. `ignored`: prefixes of
    parameters that inference does not use (a loss, a mask embedding). Raises EngineError otherwise."""
    try:
        with _silent_transformers():
            model, info = kind.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    except Exception as error:  # transformers raises many kinds: broken file, wrong type, wrong sizes
        raise EngineError(f"{setting}: {folder} does not load as {kind.__name__}: {_first_line(error)}") from error
    absent = sorted(name for name in info["missing_keys"] if not name.startswith(("masked_spec", *ignored)))
    check_whole(setting, folder, absent)
    return model.eval()


def check_whole(setting: str, path: Path, absent: Sequence[str]) -> None:
    """Raises EngineError where a checkpoint leaves weights of the model unset."""
    if absent:
        shown = ", ".join([*absent[:4], *(["…"] if len(absent) > 4 else [])])
        raise EngineError(
            f"{setting}: {path} lacks {len(absent)} weights of this model ({shown}); "
            "it is a checkpoint of another model, or a damaged one: name the right one"
        )


def absent_weights(model: Any, given: Iterable[str]) -> list[str]:
    """Weights of torch module `model` that a checkpoint with the names `given` does not set. A weight that is stored
    in two parts (weight norm) counts as set."""
    there = {_plain(name) for name in given}
    return sorted(name for name in map(_plain, model.state_dict()) if name not in there)


def _plain(name: str) -> str:
    for part in _WEIGHT_NORM:
        if name.endswith(f".{part}"):
            return name.removesuffix(part) + "weight"
    return name


def _place(model: str) -> str:
    return "FOLDER (then name FOLDER as the model)" if model.startswith(("hub:", "package:")) else model


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0]}"


@contextlib.contextmanager
def _silent_transformers() -> Iterator[None]:
    """No progress bar and no table of missing weights on stderr: `check_whole` says it in one line."""
    from transformers.utils import logging as untyped

    logging: Any = untyped
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()
