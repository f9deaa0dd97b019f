"""Published corpora as they are unpacked, recognized from the files in them.

LibriSpeech: openslr.org/12 · AISHELL-1: openslr.org/33 · AISHELL-3: openslr.org/93 · WenetSpeech4TTS:
huggingface.co/datasets/Wenetspeech4TTS/WenetSpeech4TTS. Paths may name the corpus or a part of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from kespeechchat.config.load import ConfigError
from kespeechchat.inputs.speech.found import Corpus, Fields, Found, audio_files, visible

_PINYIN = re.compile(r"[a-z:ü]+[1-6]")
_SEGMENT = re.compile(r"_S\d+$")
_AISHELL1 = "aishell_transcript"  # aishell_transcript_v0.8.txt
_UP = 3  # folders above the input in which a corpus's own tables are looked for
Texts = Mapping[str, str]  # name of a clip, without ending → what is said
_Fields = Callable[[Path], tuple[str, str]]  # file → (recording, person)


def published(folder: Path) -> Corpus | None:
    """The corpus in `folder`; None where it is none of those known here."""
    for file in visible(folder):
        if file.name.endswith(".trans.txt"):
            return librispeech(folder)
        if file.name.startswith(_AISHELL1) and file.suffix == ".txt":
            return aishell1(folder, file)
        if file.name == "content.txt" and (file.parent / "wav").is_dir():
            return aishell3(folder)
        if file.parent.name == "wavs" and _SEGMENT.search(file.stem) and (file.parent.parent / "txts").is_dir():
            return wenetspeech4tts(folder)
        if file.suffix == ".wav" and re.fullmatch(r"BAC009S\d{4}W\d{4}", file.stem):
            above = _above(folder, f"transcript/{_AISHELL1}*.txt")
            return aishell1(folder, above) if above else None
    return None


def librispeech(folder: Path) -> Corpus:
    """SPEAKER/CHAPTER/SPEAKER-CHAPTER-NNNN.flac, with the texts of a chapter in SPEAKER-CHAPTER.trans.txt."""
    genders = _genders(_above(folder, "SPEAKERS.TXT"), r"^\s*(\d+)\s*\|\s*([FM])\b")

    def clips() -> Iterator[Found]:
        files = audio_files(folder)
        texts = dict(_all_texts((f for f in visible(folder) if f.name.endswith(".trans.txt")), " ", str))
        yield from _clips(
            files, texts, lambda f: (f"{f.parent.parent.name}/{f.parent.name}", f.stem.split("-")[0]), genders
        )

    return Corpus("LibriSpeech", clips(), "en", "librispeech")


def aishell1(folder: Path, transcripts: Path) -> Corpus:
    """wav/{train,dev,test}/SPEAKER/NAME.wav, and transcript/aishell_transcript_v0.8.txt with the words of all."""
    genders = _genders(_above(folder, "resource_aishell/speaker.info"), r"^\s*(\d+)\s+([FM])\b", "S")

    def clips() -> Iterator[Found]:
        texts = dict(_all_texts([transcripts], " ", _joined))
        yield from _clips(audio_files(folder), texts, lambda f: (f.parent.name, f.parent.name), genders)

    return Corpus("AISHELL-1", clips(), "zh", "aishell1")


def aishell3(folder: Path) -> Corpus:
    """{train,test}/wav/SPEAKER/NAME.wav, and content.txt with a character and its pinyin in turn."""
    genders = _genders(_above(folder, "spk-info.txt"), r"^(SSB\d+)\s+\S+\s+(female|male)\b")

    def clips() -> Iterator[Found]:
        contents = (f for f in visible(folder) if f.name == "content.txt")
        texts = dict(_all_texts(contents, "\t", _without_pinyin))
        yield from _clips(audio_files(folder), texts, lambda f: (f.parent.name, f.parent.name), genders)

    return Corpus("AISHELL-3", clips(), "zh", "aishell3")


def wenetspeech4tts(folder: Path) -> Corpus:
    """…/wavs/RECORDING_SNNNNN.wav, and …/txts/RECORDING_SNNNNN.txt beside. It knows recordings, not people."""

    def clips() -> Iterator[Found]:
        for number, file in enumerate(audio_files(folder), 1):
            text = file.parent.parent / "txts" / f"{file.stem}.txt"
            said = _first_line(text, file.stem) if text.is_file() else None
            fields = Fields(recording=_SEGMENT.sub("", file.stem), path=str(file))
            if said:
                fields["transcript"] = said
                yield Found(number, fields)
            else:
                state = "missing" if said is None else "empty"
                yield Found(number, fields, f"no transcript: {text} is {state}; unpack the corpus again")

    return Corpus("WenetSpeech4TTS", clips(), "zh")


def _first_line(file: Path, name: str) -> str:
    """What is said, of a first line `NAME<tab>TEXT` or `TEXT`; the second line has times."""
    begin, _, rest = next(iter(_lines(file)), "").partition("\t")
    return (rest if begin == name else f"{begin} {rest}").strip()


def _clips(files: list[Path], texts: Texts, who: _Fields, genders: Mapping[str, str]) -> Iterator[Found]:
    """Every file, with its text. A published corpus may leave out the text of a file: that clip is refused, told."""
    for number, file in enumerate(files, 1):
        recording, person = who(file)
        fields = Fields(recording=recording, speaker=person, path=str(file))
        if person in genders:
            fields["gender"] = genders[person]
        if text := texts.get(file.stem):
            fields["transcript"] = text
        yield Found(number, fields, None if text else f"{file.name} has no line in the corpus's transcripts")


def _all_texts(
    files: Iterator[Path] | list[Path], separator: str, clean: Callable[[str], str]
) -> Iterator[tuple[str, str]]:
    for file in files:
        for line in _lines(file):
            name, _, text = line.strip().partition(separator)
            yield name.removesuffix(".wav"), clean(text).strip()


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as UTF-8 text: {error}; unpack the corpus again") from None


def _joined(text: str) -> str:
    """Words of Chinese without the spaces between them; those around Latin words stay."""
    return re.sub(r"(?<=[^\x00-\x7f])\s+|\s+(?=[^\x00-\x7f])", "", text)


def _without_pinyin(text: str) -> str:
    return _joined(" ".join(word for word in text.split() if not _PINYIN.fullmatch(word)))


def _above(folder: Path, pattern: str) -> Path | None:
    """The first file of this name in `folder` or in one of the folders above it."""
    for place in [folder, *folder.resolve().parents[:_UP]]:
        if found := next(iter(sorted(place.glob(pattern))), None):
            return found
    return None


def _genders(file: Path | None, pattern: str, prefix: str = "") -> dict[str, str]:
    if file is None:
        return {}
    found = (re.match(pattern, line) for line in _lines(file))
    return {prefix + match[1]: match[2] for match in found if match}
