"""Zero-shot voices for CosyVoice: what the library takes from a recording, made of a voice's own prompt.

The library's front end reads a recording from a file, and at `ace7c47` always at 24,000 Hz, where version 1's filter
banks are made for 22,050: pitch and formants of the prompt would be 8 % too low. So the parts are made here, with the
front end's own sessions, at the model's own rate, and enter the library's table of speakers as one voice for one call.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from kespeechchat.engines.tts import Prompt
from kespeechchat.records import Audio, RowError
from kespeechchat.waveform import defect, resample

_HEARD = 16_000  # Hz, of the speech tokenizer and the speaker encoder
_SHORTEST, _LONGEST = 0.5, 30.0  # s; the tokenizer takes no more
_FRAMES_PER_TOKEN = 2  # of the flow from version 2 on: one more of either breaks it
# What stands before the prompt's text: version 3's LLM refuses a text without the mark (the words are its example's).
_OPENINGS = {"CosyVoice3LM": "You are a helpful assistant.<|endofprompt|>"}


def unusable(prompt: Prompt | None) -> RowError | None:
    """Why nothing can be spoken from `prompt`, or None."""
    if prompt is None:
        return RowError("this voice has no recording to speak from: make the library with stages.audition.prompts")
    if fault := defect(prompt.audio, _SHORTEST):
        return RowError(f"prompt: {fault.message}")
    if prompt.audio.seconds > _LONGEST:
        return RowError(f"prompt of {prompt.audio.seconds:.1f} s: CosyVoice takes at most {_LONGEST:g} s")
    return RowError("prompt without text") if not prompt.text.strip() else None


def speaker(cosyvoice: Any, prompt: Prompt, text_frontend: bool) -> dict[str, Any]:
    """The entry of `frontend.spk2info` that speaks as `prompt` does; `unusable` must have passed it.

    Tensors of one row on the front end's device: tokens of text and speech int32 [1, T], filter banks float32
    [1, frames, 80], the embedding float32 [1, 192].
    """
    import torch

    frontend = cosyvoice.frontend
    text = frontend.text_normalize(prompt.text, split=False, text_frontend=text_frontend)
    opening = _OPENINGS.get(type(cosyvoice.model.llm).__name__, "")
    text_tokens, text_length = frontend._extract_text_token(opening + text)
    heard = torch.from_numpy(np.array(resample(prompt.audio, _HEARD).samples, dtype=np.float32))[None]
    tokens, features = _tokens(frontend, heard), _features(cosyvoice, prompt.audio)
    if cosyvoice.sample_rate == 24_000:
        count = min(features.shape[1] // _FRAMES_PER_TOKEN, tokens.shape[1])
        tokens, features = tokens[:, :count], features[:, : _FRAMES_PER_TOKEN * count]
    length, frames = (torch.tensor([part.shape[1]], dtype=torch.int32) for part in (tokens, features))
    embedding = _embedding(frontend, heard)
    parts = {
        "prompt_text": text_tokens,
        "prompt_text_len": text_length,
        "llm_prompt_speech_token": tokens,
        "llm_prompt_speech_token_len": length,
        "flow_prompt_speech_token": tokens,
        "flow_prompt_speech_token_len": length,
        "prompt_speech_feat": features,
        "prompt_speech_feat_len": frames,
        "llm_embedding": embedding,
        "flow_embedding": embedding,
    }
    return {name: part.to(frontend.device) for name, part in parts.items()}


def _tokens(frontend: Any, heard: Any) -> Any:
    """Speech tokens int32 [1, T] of samples float32 [1, N] at 16 kHz."""
    import torch
    from cosyvoice.cli import frontend as library

    session = frontend.speech_tokenizer_session
    mel = library.whisper.log_mel_spectrogram(heard, n_mels=128)
    names = [given.name for given in session.get_inputs()]
    given = {names[0]: mel.cpu().numpy(), names[1]: np.array([mel.shape[2]], dtype=np.int32)}
    return torch.tensor(session.run(None, given)[0].reshape(1, -1), dtype=torch.int32)


def _features(cosyvoice: Any, audio: Audio) -> Any:
    """The flow's filter banks float32 [1, frames, 80], at the model's own rate.

    Matcha keeps its window by device alone, so another version's, used in this process before, would be taken.
    """
    import torch
    from matcha.utils import audio as matcha

    matcha.mel_basis.clear()
    matcha.hann_window.clear()
    samples = torch.from_numpy(np.array(resample(audio, cosyvoice.sample_rate).samples, dtype=np.float32))[None]
    return cosyvoice.frontend.feat_extractor(samples).squeeze(dim=0).transpose(0, 1)[None]


def _embedding(frontend: Any, heard: Any) -> Any:
    """The speaker embedding float32 [1, 192] of samples float32 [1, N] at 16 kHz, as the library makes it."""
    import torch
    from torchaudio.compliance import kaldi

    banks = kaldi.fbank(heard, num_mel_bins=80, dither=0, sample_frequency=_HEARD)
    banks = banks - banks.mean(dim=0, keepdim=True)
    session = frontend.campplus_session
    return torch.tensor(session.run(None, {session.get_inputs()[0].name: banks[None].numpy()})[0].reshape(1, -1))
