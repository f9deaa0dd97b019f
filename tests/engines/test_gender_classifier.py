"""A real transformers audio classifier, tiny, whose last layer is set by hand so that each test knows its word."""

from __future__ import annotations

import numpy as np
import pytest

from kespeechchat.config.engines import ClassifierGenderSettings, F0GenderSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.checkpoints import working
from kespeechchat.engines.registry import load
from kespeechchat.records import RowError
from tests.engines import tiny_models
from tests.engines.tones import unusable, voice

pytestmark = pytest.mark.model
LABELS = ("child", "Female", "Male")
LOW, HIGH, BETWEEN = 110.0, 220.0, 162.0  # Hz: a man's, a woman's, anybody's by
LIMITS = F0GenderSettings(use="f0", male_below=155, female_above=170)


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """A classifier's folder that gives the labels these logits, whatever it hears."""

    def folder(logits, labels=LABELS, constant=True):
        return tiny_models.gender(tmp_path_factory.mktemp("gender"), logits, labels, constant)

    return folder


def _load(folder, **more):
    return load(ClassifierGenderSettings(use="classifier", model=str(folder), device="cpu", **{"check": LIMITS} | more))


def test_the_classifiers_word_stands_unless_pitch_says_the_opposite(make):
    audios = [voice(1.0, pitch=pitch) for pitch in (LOW, HIGH, BETWEEN)]
    engine = _load(make([-9.0, 3.0, 0.0]))
    said = engine.classify(audios)
    assert [s.gender for s in said] == ["unknown", "female", "female"]
    assert said[0].score == 0 and said[1].score == pytest.approx(1 / (1 + np.exp(-3)), abs=1e-3)
    assert [s.gender for s in _load(make([-9.0, 0.0, 3.0])).classify(audios)] == ["male", "unknown", "male"]
    assert [s.gender for s in _load(make([-9.0, 3.0, 0.0]), check=None).classify(audios)] == ["female"] * 3


@pytest.mark.parametrize("logits", [[-9.0, 1.0, 0.0], [3.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
def test_an_unsure_word_and_another_label_are_unknown(make, logits):
    (said,) = _load(make(logits)).classify([voice(1.0, pitch=HIGH)])
    assert said.gender == "unknown" and said.score == 0


def test_batch_and_order_change_nothing(make):
    folder = make([0.0, 0.0, 0.0], constant=False)
    audios = [voice(s, seed=i) for i, s in enumerate((0.4, 1.0, 1.03, 1.0, 0.77))]
    engine = _load(folder, batch=1)
    clips = [a.samples[: len(a.samples) // 1_600 * 1_600] for a in audios]
    with working(1):
        alone = np.concatenate([engine._probabilities(clip[None]) for clip in clips])
    assert np.ptp(alone, axis=0).max() > 1e-3
    scores = [(s.gender, s.score) for s in _load(folder, batch=4, at_least=0.51, check=None).classify(audios)]
    turned = [(s.gender, s.score) for s in _load(folder, batch=4, at_least=0.51, check=None).classify(audios[::-1])]
    for (gender, score), (again, same), (female, male) in zip(scores, turned[::-1], alone, strict=True):
        best = max(female, male)
        assert gender == again == ("unknown" if best < 0.51 else "female" if female > male else "male")
        assert score == pytest.approx(best if best >= 0.51 else 0, abs=1e-4) == pytest.approx(same, abs=1e-4)


def test_what_cannot_be_heard_fails_alone(make):
    out = _load(make([-9.0, 3.0, 0.0])).classify([*unusable(), voice(0.3), voice(1.0, pitch=HIGH)])
    assert [isinstance(x, RowError) for x in out] == [True] * 6 + [False]


def test_labels_of_other_names(make):
    folder = make([3.0, 0.0], labels=("w", "m"))
    with pytest.raises(EngineError, match="no label female and no label male; it has w, m"):
        _load(folder)
    (said,) = _load(folder, female="w", male="m").classify([voice(1.0, pitch=HIGH)])
    assert said.gender == "female"


def test_a_model_without_a_classifier_is_refused(make, tmp_path):
    from transformers import AutoModel

    folder = make([0.0, 0.0, 0.0])
    AutoModel.from_pretrained(folder).save_pretrained(folder)
    with pytest.raises(EngineError, match=r"lacks \d+ weights"):
        _load(folder)
    with pytest.raises(EngineError, match="hf download"):
        _load(tmp_path / "nothing")
