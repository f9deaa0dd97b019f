"""Which short words a voice can say so that they pass as backchannels: where the default words come from.

    python scripts/backchannel_words.py [--profile pipelines/quickstart.yaml] [--voices af_heart zf_xiaobei ...]

Stock voices of Kokoro say each word as an audition lets them, and each is held to the gate's limits of the profile as
an export does. It prints a table: how many voices pass, why others do not, and what the recognizer wrote.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, TypeVar

from kespeechchat.config.backchannels import VoiceWords as Wanted
from kespeechchat.config.load import load_pipeline
from kespeechchat.config.pipeline import Pipeline
from kespeechchat.engines.registry import load
from kespeechchat.engines.tts import Utterance
from kespeechchat.engines.tts.kokoro_styles import style, table
from kespeechchat.records import LANGUAGES, Language, RowError
from kespeechchat.stages.voice_words import Speaker, VoiceWords, rejected_word

VOICES = ("af_heart", "bf_emma", "am_michael", "zf_xiaoxiao", "zf_xiaobei", "zm_yunxi")
WORDS: dict[Language, str] = {
    "zh": "嗯。 对。 是的。 好的。 没错。 原来如此。 真的吗？ 当然。 明白了。 这样啊。 有道理。 确实。 我知道了。 "
    "好啊。 是吗？ 太好了。",
    "en": "Mm-hm. Right. Okay. Yeah. I see. Sure. Really? Of course. Exactly. Got it. I know. That's right. "
    "Good point. Makes sense. Absolutely. That's true. Oh, I see.",
}
Row = dict[str, Any]
Made = TypeVar("Made")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", default="pipelines/quickstart.yaml")
    parser.add_argument("--voices", nargs="+", default=VOICES, help="stock voices of Kokoro")
    args = parser.parse_args()
    if unknown := [name for name in args.voices if name not in table().names]:
        parser.error(f"--voices: {unknown[0]!r} is none of Kokoro's stock voices: {', '.join(table().names)}")
    pipeline = load_pipeline(args.profile)
    words = said(pipeline, args.voices)
    for language in LANGUAGES:
        print_table(language, words, pipeline)


def words_of(language: Language) -> list[str]:
    """The words of a language, each with what ends it."""
    return [word.strip() for word in re.findall(r"[^.。？?]+[.。？?]", WORDS[language])]


def said(pipeline: Pipeline, names: list[str]) -> list[Row]:
    """Each word of each voice, measured. Raises SystemExit where a voice cannot say the profile's probe sentences."""
    audition, synthesize = pipeline.stages.audition, pipeline.stages.synthesize
    tts, asr = load(pipeline.engine("tts", audition.tts)), load(pipeline.engine("asr", audition.asr))
    auditor = load(pipeline.engine("speaker", audition.speaker))
    mark = load(pipeline.engine("watermark", pipeline.stages.watermark.watermark))
    known = table()
    speakers = []
    for name in names:
        language: Language = "zh" if known.languages[known.index(name)] == "zh" else "en"
        embedding = style({name: 1.0})
        probes = tts.speak([Utterance(text, language, embedding, 0) for text in audition.probes[language]])
        vectors = _without_errors(name, auditor.xvectors(_without_errors(name, probes)))
        speakers.append(Speaker({"id": name, "xvectors": [v.tolist() for v in vectors]}, (language,), embedding))
    words = {language: dict.fromkeys(words_of(language), ()) for language in LANGUAGES}
    wanted = Wanted(watermark="w", words=words, loudness=synthesize.loudness)
    found = VoiceWords(wanted, tts, asr, auditor, mark, pipeline.seed).of(speakers)
    return [{"error": None} | word for own in found for word in own]


def _without_errors(voice: str, made: Sequence[Made | RowError]) -> list[Made]:
    """What was made of a voice's probe sentences. Raises SystemExit with the first error among them."""
    if errors := [one.message for one in made if isinstance(one, RowError)]:
        raise SystemExit(f"{voice}: {errors[0]}")
    return [one for one in made if not isinstance(one, RowError)]


def print_table(language: Language, words: list[Row], pipeline: Pipeline) -> None:
    by_text: dict[str, list[Row]] = defaultdict(list)
    for word in words:
        if word["language"] == language:
            by_text[word["text"]].append(word)
    for text, own in by_text.items():
        reasons = [rejected_word(word, pipeline) for word in own]
        heard = " | ".join(str(word["error"] or word["transcript"]) for word in own)
        seconds = [word["seconds"] for word in own if not word["error"]]
        length = f"{min(seconds):.1f}-{max(seconds):.1f} s" if seconds else "-"
        others = ", ".join(sorted({reason for reason in reasons if reason}))
        print(f"{language} {text:14} {reasons.count(None)} of {len(own)}  {length}  {heard}  {others}")


if __name__ == "__main__":
    main()
