"""Speech corpora: a manifest, a published corpus as it is unpacked, a folder of audio, or a recipe to synthesize."""

from kespeechchat.inputs.speech.found import audio_files
from kespeechchat.inputs.speech.rows import CorpusFacts, speech_files, speech_rows

__all__ = ["CorpusFacts", "audio_files", "speech_files", "speech_rows"]
