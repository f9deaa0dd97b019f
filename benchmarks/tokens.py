"""How well speech tokens keep words, by rate: the word error of a small probe on tokens of voices it never heard.

    python -m benchmarks.tokens                   # 4 voices to train on, 2 others to test on, English
    python -m benchmarks.tokens --language zh

Kokoro speaks sentences of random words of a small vocabulary. For each rate the packaged Whisper encoder's vectors are
averaged, a codebook is fitted on the training voices alone, and a bidirectional GRU learns by CTC to write the words of
the training voices' tokens. It is tested on other sentences in other voices. Beside it stands the same probe on the
vectors themselves (what the codebook loses), and a recognizer on the plain speech (what the speech itself loses). It
compares rates and tokenizers; it is no measure of what a language model would learn from the tokens.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kespeechchat.config.engines import FasterWhisperSettings, KokoroSettings, WhisperTokensSettings
from kespeechchat.display import columns
from kespeechchat.engines.asr.faster_whisper import FasterWhisper
from kespeechchat.engines.tokens.kmeans import fitted, nearest
from kespeechchat.engines.tokens.whisper import WhisperVectors
from kespeechchat.engines.tts import Utterance
from kespeechchat.engines.tts.kokoro import Kokoro
from kespeechchat.records import Audio, Language, RowError
from kespeechchat.seeds import stable_hash
from kespeechchat.text.error_rate import error_edits, pooled

RATES = (50.0, 25.0, 12.5, 6.25)
_WORDS = {
    "en": "river garden winter seven yellow market paper mother window slowly carry under bridge honest travel music "
    "silver dinner orange farmer letter nobody purple story pocket happy thunder basket kitchen answer",
    "zh": "河流 花园 冬天 七个 黄色 市场 报纸 妈妈 窗户 慢慢 带着 下面 大桥 老实 旅行 音乐 银色 晚饭 橘子 农民 "
    "书信 没人 紫色 故事 口袋 高兴 打雷 篮子 厨房 回答",
}
WORDS: dict[Language, list[str]] = {"en": _WORDS["en"].split(), "zh": _WORDS["zh"].split()}
TRAINED: dict[Language, list[str]] = {
    "en": ["af_heart", "bf_emma", "am_michael", "bm_george"],
    "zh": ["zf_xiaobei", "zf_xiaoni", "zm_yunjian", "zm_yunxi"],
}
TESTED: dict[Language, list[str]] = {"en": ["af_bella", "am_fenrir"], "zh": ["zf_xiaoxiao", "zm_yunyang"]}
Items = list[tuple[list[str], Audio]]  # the words of an utterance, and its speech


@dataclass(frozen=True)
class Errors:
    """Word errors of one rate, as shares: of the probe on tokens and on the vectors they were made of."""

    rate: float
    tokens: float
    vectors: float
    used: int  # different tokens in the tested speech


def sentences(language: Language, count: int, purpose: str) -> list[list[str]]:
    """`count` sentences of four to six words, drawn by hash."""
    words = WORDS[language]
    lengths = [4 + stable_hash(purpose, n) % 3 for n in range(count)]
    return [[words[stable_hash(purpose, n, k) % len(words)] for k in range(length)] for n, length in enumerate(lengths)]


def spoken(tts: Kokoro, said: Sequence[list[str]], voices: Sequence[str], language: Language) -> Items:
    """Each sentence in each voice."""
    pairs = [(words, voice) for voice in voices for words in said]
    joint = " " if language == "en" else ""
    audios = tts.speak(
        [Utterance(joint.join(words).capitalize(), language, tts.style({voice: 1.0}), 0) for words, voice in pairs]
    )
    return [(words, audio) for (words, _), audio in zip(pairs, audios, strict=True) if isinstance(audio, Audio)]


def measure(train: Items, test: Items, language: Language, rate: float, clusters: int, steps: int) -> Errors:
    """The probe's word errors at one rate."""
    encoder = WhisperVectors(WhisperTokensSettings(use="whisper", rate=rate, threads=2))
    of_train, of_test = ([_vectors(encoder, audio) for _, audio in items] for items in (train, test))
    centroids = fitted(np.concatenate(of_train), clusters, 0)
    one_hot = np.eye(clusters, dtype=np.float32)
    as_tokens = [[one_hot[nearest(v, centroids)] for v in vectors] for vectors in (of_train, of_test)]
    labels = [[WORDS[language].index(w) + 1 for w in words] for words, _ in train]
    wanted = [[WORDS[language].index(w) + 1 for w in words] for words, _ in test]
    scale = np.concatenate(of_train).std(axis=0) + 1e-5
    plain = [[v / scale for v in vectors] for vectors in (of_train, of_test)]
    size = len(WORDS[language]) + 1
    errors = [probe(inputs[0], labels, inputs[1], wanted, size, steps) for inputs in (as_tokens, plain)]
    used = len({int(t) for v in of_test for t in nearest(v, centroids)})
    return Errors(rate, errors[0], errors[1], used)


def _vectors(encoder: WhisperVectors, audio: Audio) -> np.ndarray:
    found = encoder.of(audio)
    if isinstance(found, RowError):
        raise SystemExit(f"the encoder could not hear an utterance: {found.message}")
    return found


def probe(
    train: Sequence[np.ndarray],
    labels: Sequence[list[int]],
    test: Sequence[np.ndarray],
    wanted: Sequence[list[int]],
    size: int,
    steps: int,
) -> float:
    """Trains a GRU by CTC on float32 [n, width] inputs and their words (numbers from 1, below `size`); gives its word
    error on the others."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    torch.set_num_threads(2)
    width, hidden = train[0].shape[1], 96
    into, out = nn.Linear(width, hidden), nn.Linear(2 * hidden, size)
    cells = nn.GRU(hidden, hidden, batch_first=True, bidirectional=True)
    model = nn.ModuleList([into, cells, out])
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3, weight_decay=1e-2)
    generator = np.random.default_rng(0)

    def run(inputs: Sequence[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        lengths = torch.tensor([len(x) for x in inputs])
        padded = nn.utils.rnn.pad_sequence([torch.from_numpy(np.asarray(x, np.float32)) for x in inputs], True)
        packed = nn.utils.rnn.pack_padded_sequence(torch.relu(into(padded)), lengths, True, False)
        states, _ = nn.utils.rnn.pad_packed_sequence(cells(packed)[0], True)
        return torch.log_softmax(out(nn.functional.dropout(states, 0.3, model.training)), -1), lengths

    for _ in range(steps):
        chosen = generator.choice(len(train), min(32, len(train)), replace=False)
        found, lengths = run([train[i] for i in chosen])
        targets = torch.tensor([label for i in chosen for label in labels[i]])
        sizes = torch.tensor([len(labels[i]) for i in chosen])
        loss = nn.functional.ctc_loss(found.transpose(0, 1), targets, lengths, sizes, zero_infinity=True)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.inference_mode():
        found, lengths = run(test)
    best = [row[:length].tolist() for row, length in zip(found.argmax(-1), lengths.tolist(), strict=True)]
    return _word_error([_collapsed(row) for row in best], wanted)


def _collapsed(row: list[int]) -> list[int]:
    """What CTC reads: repeats once, blanks left out."""
    return [label for n, label in enumerate(row) if label and (n == 0 or row[n - 1] != label)]


def _word_error(found: Sequence[list[int]], wanted: Sequence[list[int]]) -> float:
    from rapidfuzz.distance import Levenshtein

    return sum(map(Levenshtein.distance, found, wanted)) / sum(map(len, wanted))


def plain_speech(test: Items, language: Language) -> float:
    """The recognizer's error on the tested speech, in words (en) or characters (zh)."""
    asr = FasterWhisper(FasterWhisperSettings(use="faster_whisper", padding=6, threads=2))
    heard = asr.transcribe([audio for _, audio in test], language)
    joint = " " if language == "en" else ""
    edits = [
        error_edits(joint.join(words), one.text, language)
        for (words, _), one in zip(test, heard, strict=True)
        if not isinstance(one, RowError)
    ]
    return pooled(edits)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--language", choices=["en", "zh"], default="en")
    parser.add_argument("--train", type=int, default=60, help="sentences in each training voice")
    parser.add_argument("--test", type=int, default=20, help="other sentences in each other voice")
    parser.add_argument("--clusters", type=int, default=256)
    parser.add_argument("--steps", type=int, default=600, help="of training the probe")
    parser.add_argument("--rates", type=float, nargs="+", default=RATES)
    asked = parser.parse_args()
    tts = Kokoro(KokoroSettings(use="kokoro", threads=2))
    train = spoken(tts, sentences(asked.language, asked.train, "train"), TRAINED[asked.language], asked.language)
    test = spoken(tts, sentences(asked.language, asked.test, "test"), TESTED[asked.language], asked.language)
    seconds = [sum(audio.seconds for _, audio in items) for items in (train, test)]
    print(
        f"{asked.language}: {seconds[0]:.0f} s of {len(TRAINED[asked.language])} voices to train on, {seconds[1]:.0f} s"
    )
    print(f"of {len(TESTED[asked.language])} others to test on; the recognizer's error on the plain speech: ", end="")
    print(
        f"{plain_speech(test, asked.language):.1%} ({'words' if asked.language == 'en' else 'characters'})", flush=True
    )
    lines = [["tokens a second", "bits a second", "word error, tokens", "word error, vectors", "tokens that occur"]]
    for rate in asked.rates:
        found = measure(train, test, asked.language, rate, asked.clusters, asked.steps)
        bits = f"{rate * np.log2(asked.clusters):.0f}"
        lines.append([f"{rate:g}", bits, f"{found.tokens:.1%}", f"{found.vectors:.1%}", f"{found.used}"])
        print("\n".join(columns(lines[-1:], ">")), flush=True)
    print("\n".join(columns(lines, ">")))


if __name__ == "__main__":
    main()
