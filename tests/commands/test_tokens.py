"""What the layout `interleaved` tokenizes audio with."""

from __future__ import annotations

from pathlib import Path

import pytest

from kespeechchat.commands.tokens import tokens_reader
from kespeechchat.config.load import ConfigError, load_pipeline
from kespeechchat.engines.models import content
from kespeechchat.records import RowError
from kespeechchat.speech_tokens import Codebook
from tests.engines import tiny_cosyvoice
from tests.engines.test_cosyvoice_prompts import tokenizer
from tests.engines.tones import unusable, voice


def reader(quickstart: Path, folder: Path, version: int = 1):
    engine = f"{{use: cosyvoice, model: {folder}, version: {version}}}"
    changes = (f"engines.tokens.cosyvoice={engine}", "interleave.stages.interleaved={tokens: cosyvoice}")
    return tokens_reader(load_pipeline(quickstart, changes, root=str(folder.parent / "root")))


def ear_alone(folder: Path, version: int) -> Path:
    """A model folder without its LLM, flow and vocoder, and its tokenizer."""
    folder.mkdir()
    yaml = tiny_cosyvoice.YAML if version == 1 else tiny_cosyvoice.YAML2
    (folder / f"cosyvoice{'' if version == 1 else version}.yaml").write_text(yaml, encoding="utf-8")
    return tokenizer(folder / f"speech_tokenizer_v{version}.onnx")


def test_no_interleave_no_reader(quickstart: Path) -> None:
    assert tokens_reader(load_pipeline(quickstart, ("interleave=null",))) is None


@pytest.mark.model
@pytest.mark.parametrize(("version", "rate"), [(1, 50), (2, 25)])
def test_cosyvoice_hears_by_its_tokenizer_alone(tmp_path: Path, quickstart: Path, version: int, rate: int) -> None:
    """Its LLM is not even there; what made the tokens is the tokenizer on its own libraries."""
    file = ear_alone(tmp_path / "model", version)
    made = reader(quickstart, tmp_path / "model", version)
    found, *bad = made.tokens([voice(2.0), *unusable()])
    assert found.shape == (1, 50) and all(isinstance(one, RowError) for one in bad)
    assert made.codebook == Codebook(rate, 32, content(str(file)))
    told = made.vocabulary()
    assert (told["engine"], told["size"], told["frames_per_second"]) == ("cosyvoice", 32, rate)
    assert told["identity"].keys() == {"model", "onnxruntime", "faster-whisper", "soxr"}
    assert told["identity"]["model"] == f"{file.name} {content(str(file))}"


def test_a_folder_that_does_not_say_its_rate_is_refused(tmp_path: Path, quickstart: Path) -> None:
    folder = tmp_path / "model"
    with pytest.raises(ConfigError, match=r"engines\.tokens\.cosyvoice: model .* no such file or folder"):
        reader(quickstart, folder)
    folder.mkdir()
    with pytest.raises(ConfigError, match=r"cosyvoice\.yaml cannot be read: No such file"):
        reader(quickstart, folder)
    yaml = tiny_cosyvoice.YAML.replace("input_frame_rate: 50", "# input_frame_rate: 50")
    (folder / "cosyvoice.yaml").write_text(yaml, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"cosyvoice\.yaml says None tokens a second .* of 32"):
        reader(quickstart, folder)


def test_the_rate_may_be_a_name_for_a_number_above(tmp_path: Path, quickstart: Path) -> None:
    """As in the published folders of versions 2 and 3."""
    ear_alone(tmp_path / "model", 2)
    yaml = tmp_path / "model" / "cosyvoice2.yaml"
    named = "token_frame_rate: 25\n" + tiny_cosyvoice.YAML2.replace("rate: 25", "rate: !ref <token_frame_rate>")
    yaml.write_text(named, encoding="utf-8")
    assert reader(quickstart, tmp_path / "model", 2).rate == 25.0
