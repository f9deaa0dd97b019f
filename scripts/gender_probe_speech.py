"""The speech that the gender probe learns from: made by Kokoro, so that whose voice it is is known by construction.

A Kokoro style has two halves: the first 128 numbers make the timbre (the decoder's), the last 128 the prosody, pitch
above all (the predictor's). So a man's timbre can speak at a woman's pitch and the other way round: gender here is the
timbre's, and the probe cannot get by on pitch. Voices fall into folds; a made voice mixes voices of its own fold only,
so that a fold held out is of voices never heard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from kespeechchat.config.engines import KokoroSettings
from kespeechchat.engines.tts import Utterance
from kespeechchat.engines.tts.kokoro import Kokoro
from kespeechchat.engines.tts.kokoro_styles import StyleTable, table
from kespeechchat.records import Audio, RowError
from kespeechchat.seeds import stable_hash

FOLDS = 6
TIMBRE = 128  # numbers of a style that make the timbre; the rest make the prosody
ROUNDS = 7  # clips of each fold and gender; every other one has the other gender's prosody
_OTHER = 0.25  # share of clips in the language that the voice was not made for
_BATCH = 12
_OPPOSITE = {"female": "male", "male": "female"}
SENTENCES = {
    "en": (
        "The old bridge was closed for repairs until the end of March.",
        "Would you mind opening the window a little?",
        "Most of the apples had already fallen from the tree.",
        "He reads the paper every morning before breakfast.",
        "We should leave now if we want to catch the evening ferry.",
        "Nobody knew why the lights had gone out again.",
        "Her younger brother plays the violin in a small orchestra.",
        "What a strange noise that engine makes!",
        "Put the blue boxes on the upper shelf, please.",
        "It rained all week, and the river rose by a metre.",
        "I usually take the bus, but today I walked.",
        "The museum shows paintings of ships and harbours.",
        "Can you tell me how far it is to the nearest village?",
        "They laughed so much that they forgot the soup on the stove.",
        "A good teacher asks more questions than she answers.",
        "Every house in this street has a green door.",
        "Thank you for waiting, your table is ready.",
        "Snow covered the fields as far as we could see.",
        "Do you prefer tea or coffee in the afternoon?",
        "The farmer fixed the fence before the storm came.",
        "Some birds fly thousands of miles to find their home.",
        "My watch is ten minutes slow, so I am always late.",
        "Let us try once more, only slower this time.",
        "Where did you put the keys of the garden shed?",
    ),
    "zh": (
        "这座老桥要修到三月底才能通车。",
        "麻烦你把窗户打开一点，好吗？",
        "树上的苹果大部分已经掉下来了。",
        "他每天吃早饭以前都要看报纸。",
        "要想赶上晚上的船，我们现在就得走。",
        "没有人知道为什么又停电了。",
        "她弟弟在一个小乐队里拉小提琴。",
        "这台机器的声音真奇怪！",
        "请把蓝色的盒子放在上面的架子上。",
        "雨下了整整一个星期，河水涨了很多。",
        "我平时坐公共汽车，今天是走路来的。",
        "博物馆里展出了很多海港和船的画。",
        "请问离这里最近的村子还有多远？",
        "他们笑得太厉害，忘了炉子上的汤。",
        "好老师提的问题比回答的问题多。",
        "这条街上每家的门都是绿色的。",
        "让您久等了，您的座位准备好了。",
        "田野上一片白雪，望不到边。",
        "下午你喜欢喝茶还是喝咖啡？",
        "暴风雨来以前，农民把篱笆修好了。",
        "有些鸟要飞几千里路才能回到家。",
        "我的手表慢了十分钟，所以我总是迟到。",
        "我们再试一次，这回慢一点。",
        "你把花园小屋的钥匙放在哪里了？",
    ),
}


@dataclass(frozen=True)
class Clip:
    """What is spoken, and by whom: `timbre` and `prosody` are convex mixes {stock voice: weight}; `crossed`:
    of different genders."""

    name: str
    fold: int
    gender: str
    timbre: dict[str, float]
    prosody: dict[str, float]
    language: str
    text: str
    speed: float
    crossed: bool

    def style(self, stock: StyleTable) -> np.ndarray:
        """Float32 [256]."""
        return np.concatenate([_mixed(self.timbre, stock)[:TIMBRE], _mixed(self.prosody, stock)[TIMBRE:]])


def plan() -> list[Clip]:
    """The same clips every time: as many more of each fold and gender as ROUNDS is raised, those before unchanged."""
    stock = table()
    clips = []
    for k, fold, gender in product(range(ROUNDS), range(FOLDS), ("male", "female")):
        own, others = (_of(stock, g)[fold::FOLDS] for g in (gender, _OPPOSITE[gender]))
        name = f"{k}-{fold}-{gender}"
        rng = np.random.default_rng(stable_hash("gender probe", name))
        timbre = _drawn(own, rng)
        prosody = _drawn(others if k % 2 == 0 else own, rng)
        chinese = (stock.languages[stock.index(next(iter(timbre)))] == "zh") != (rng.random() < _OTHER)
        language = "zh" if chinese else "en"
        text = SENTENCES[language][rng.integers(len(SENTENCES[language]))]
        speed = round(float(rng.uniform(0.9, 1.2)), 3)
        clips.append(Clip(name, fold, gender, timbre, prosody, language, text, speed, k % 2 == 0))
    return clips


def spoken(clips: Sequence[Clip], folder: Path, threads: int) -> Iterator[tuple[Clip, Audio]]:
    """Each clip with its speech; what lies in `folder` already is not spoken again."""
    stock, tts = table(), None
    folder.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(clips), _BATCH):
        batch = clips[start : start + _BATCH]
        missing = [c for c in batch if not (folder / f"{c.name}.npy").is_file()]
        if missing:
            tts = tts or Kokoro(KokoroSettings(use="kokoro", threads=threads))
            said = tts.speak([Utterance(c.text, c.language, c.style(stock), seed=0, speed=c.speed) for c in missing])
            for clip, audio in zip(missing, said, strict=True):
                if isinstance(audio, RowError):
                    raise SystemExit(f"{clip}: {audio.message}")
                np.save(folder / f"{clip.name}.npy", audio.samples.astype(np.float16))
            print(f"spoken {start + len(batch)} of {len(clips)}", flush=True)
        for clip in batch:
            yield clip, Audio(np.load(folder / f"{clip.name}.npy").astype(np.float32), Kokoro.sample_rate)


def _drawn(names: Sequence[str], rng: np.random.Generator) -> dict[str, float]:
    """One of `names`, or two mixed."""
    first, second = (names[i] for i in rng.choice(len(names), 2, replace=False))
    weight = round(float(rng.uniform(0.3, 0.7)), 3)
    return {first: 1.0} if rng.random() < 0.5 else {first: weight, second: round(1 - weight, 3)}


def _of(stock: StyleTable, gender: str) -> list[str]:
    return [name for name, g in zip(stock.names, stock.genders, strict=True) if g == gender]


def _mixed(mix: dict[str, float], stock: StyleTable) -> np.ndarray:
    rows = stock.styles[[stock.index(name) for name in mix]].astype(np.float64)
    return (np.array(list(mix.values())) @ rows).astype(np.float32)
