"""Gender by a transformers audio classifier, with pitch as its check and an honest unknown.

"female" or "male" needs a probability of `at_least` and a pitch that does not say the opposite. Pitch between the two
limits, or none found, leaves the classifier's word.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version

from kespeechchat.config.engines import ClassifierGenderSettings
from kespeechchat.engines import EngineError
from kespeechchat.engines.arrays import Float32
from kespeechchat.engines.batches import cut, heard, in_batches
from kespeechchat.engines.checkpoints import from_pretrained, pick_device, read_part, transformers_folder, working
from kespeechchat.engines.gender import GenderClassifier, GenderScore
from kespeechchat.engines.gender.f0 import F0Gender
from kespeechchat.engines.models import identify
from kespeechchat.records import Audio, RowError

_SHORTEST = 0.4  # s
_SETTING = "gender.use: classifier"
_UNKNOWN = GenderScore("unknown", 0.0)


class ClassifierGender(GenderClassifier):
    """Clips of one length share a batch."""

    def __init__(self, settings: ClassifierGenderSettings) -> None:
        """Raises EngineError where the model is missing, has weights missing or has no labels of the given names."""
        try:
            from transformers import AutoFeatureExtractor, AutoModelForAudioClassification
        except ImportError as error:
            raise EngineError(f"{_SETTING} needs transformers ({error}): pip install 'kespeechchat[paper]'") from error
        folder = transformers_folder(_SETTING, settings.model, "OWNER/NAME")
        self._settings = settings
        self._device = pick_device(settings.device, _SETTING)
        self._model = from_pretrained(_SETTING, AutoModelForAudioClassification, folder).to(self._device)
        self._features = read_part(_SETTING, AutoFeatureExtractor, folder)
        self._rate = int(self._features.sampling_rate)
        self._columns = _columns(self._model.config.id2label, settings)
        self._check = F0Gender(settings.check) if settings.check else None
        self.deterministic = self._device == "cpu"

    def identity(self) -> dict[str, str]:
        check = {f"check.{k}": v for k, v in self._check.identity().items()} if self._check else {}
        own = {"model": identify(self._settings.model)}
        return own | {name: version(name) for name in ("transformers", "torch", "soxr")} | check

    def classify(self, audios: Sequence[Audio]) -> list[GenderScore | RowError]:
        """The score is the classifier's probability. A RowError for a clip that is broken, silent or under 0.4 s."""
        step = round(self._settings.step * self._rate)
        clips = [heard(audio, self._rate, _SHORTEST) for audio in audios]
        clips = [clip if isinstance(clip, RowError) else cut(clip, step) for clip in clips]
        with working(self._settings.threads):
            heads = in_batches(clips, self._settings.batch, self._probabilities)
        return [
            head if isinstance(head, RowError) else self._verdict(head, audio)
            for head, audio in zip(heads, audios, strict=True)
        ]

    def _probabilities(self, clips: Float32) -> Float32:
        """Float32 [B, 2] (female, male) of `clips` float32 [B, T]."""
        inputs = self._features(list(clips), sampling_rate=self._rate, return_tensors="pt")
        logits = self._model(**{name: value.to(self._device) for name, value in inputs.items()}).logits
        probabilities: Float32 = logits.float().softmax(dim=-1).cpu().numpy()[:, self._columns]
        return probabilities

    def _verdict(self, head: Float32, audio: Audio) -> GenderScore:
        female, male = float(head[0]), float(head[1])
        said = GenderScore("female", female) if female > male else GenderScore("male", male)
        if not said.score >= self._settings.at_least:
            return _UNKNOWN
        if self._check is None:
            return said
        (pitch,) = self._check.classify([audio])
        if isinstance(pitch, RowError) or pitch.gender in ("unknown", said.gender):
            return said
        return _UNKNOWN


def _columns(labels: dict[int, str], settings: ClassifierGenderSettings) -> list[int]:
    """Where the model's output holds female and male."""
    by_name = {str(label).lower(): int(index) for index, label in labels.items()}
    wanted = (settings.female.lower(), settings.male.lower())
    if absent := [name for name in wanted if name not in by_name]:
        raise EngineError(
            f"{_SETTING}: model {settings.model!r} has no label {' and no label '.join(absent)}; it has "
            f"{', '.join(map(str, labels.values()))}: name those of the two genders in female and male"
        )
    return [by_name[name] for name in wanted]
