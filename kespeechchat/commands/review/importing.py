"""What annotators' pages saved, checked and put into ROOT/reviews: all files of a command, or none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kespeechchat.config.load import ConfigError
from kespeechchat.display import counted
from kespeechchat.state.reviews import Sample, Saved, latest, read_samples, read_saved, saved_key
from kespeechchat.store.documents import parse
from kespeechchat.store.interface import AlreadyExists, ObjectStore

_LARGEST = 64 << 20  # bytes: 100,000 dialogues with comments


@dataclass(frozen=True)
class Imported:
    """One file. `verdicts`: how many it has; `changed`: of those, how many say something else than an earlier file of
    the same page; `known`: whether the same file was imported before."""

    file: Path
    saved: Saved
    verdicts: int
    changed: int
    known: bool


def import_files(store: ObjectStore, files: Sequence[Path]) -> list[Imported]:
    """Stores the files. Raises ConfigError, naming file and field, where one cannot be taken; then none is stored."""
    samples = read_samples(store)
    standing = read_saved(store)
    read = [(file, *_read(file)) for file in files]
    for file, saved, _ in read:
        _check(file, saved, samples)
    everyone = [(f"{store.url}/reviews", saved) for saved in standing] + [(str(file), s) for file, s, _ in read]
    _check_copies(everyone)
    found = []
    for file, saved, data in read:
        earlier = latest(standing).get((saved.sample, saved.annotator), {})
        changed = sum(item.id in earlier and earlier[item.id].verdict != item.verdict for item in saved.items)
        try:
            store.create(saved_key(saved, data), data)
            known = False
        except AlreadyExists:
            known = True
        found.append(Imported(file, saved, len(saved.items), changed, known))
    return found


def _read(file: Path) -> tuple[Saved, bytes]:
    try:
        if _is_page(file):
            raise ConfigError(
                f"{file}: is a review page, not what it saves; open it in a browser, judge, press “Save” (s), and "
                "import the .json file that it saves into the downloads"
            )
        if file.stat().st_size > _LARGEST:
            raise ConfigError(f"{file}: has {file.stat().st_size:,} bytes; a saved review has {_LARGEST:,} at most")
        data = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from None
    try:
        return parse(Saved, data), data
    except ValueError as error:
        raise ConfigError(
            f"{file}: is not what a review page saves: {error}; press “Save” in the page again, and import that file"
        ) from None


def _is_page(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(256).lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith((b"<!doctype html", b"<html"))


def _check(file: Path, saved: Saved, samples: dict[str, Sample]) -> None:
    sample = samples.get(saved.sample)
    if sample is None:
        raise ConfigError(
            f"{file}: sample {saved.sample} was not drawn from this build (there is {', '.join(samples) or 'none'}); "
            "name the --root of the build that the page was made from"
        )
    if saved.annotator not in sample.annotators:
        names = ", ".join(sample.annotators)
        raise ConfigError(f"{file}: annotator {saved.annotator!r}: sample {sample.sample} has pages for {names}")
    drawn = {item.id: item.audio for item in sample.items}
    for place, item in enumerate(saved.items):
        if item.id not in drawn:
            raise ConfigError(f"{file}: items.{place}.id {item.id!r}: is not in sample {sample.sample}; do not edit it")
        if item.audio != drawn[item.id]:
            raise ConfigError(f"{file}: items.{place}.audio of {item.id}: is not what the page played; do not edit it")
    if doubled := [id_ for id_, count in Counter(item.id for item in saved.items).items() if count > 1]:
        raise ConfigError(f"{file}: {doubled[0]} is judged twice; press “Save” in the page again, and import that file")


def _check_copies(files: Sequence[tuple[str, Saved]]) -> None:
    """Raises ConfigError where two people filled in one annotator's page: they would pass for one person."""
    for n, (file, saved) in enumerate(files):
        ids = {item.id for item in saved.items}
        for other, earlier in files[:n]:
            same = (earlier.sample, earlier.annotator) == (saved.sample, saved.annotator)
            both = [item.id for item in earlier.items if item.id in ids]
            if same and earlier.copy != saved.copy and both:
                raise ConfigError(
                    f"{file}: {saved.annotator} of sample {saved.sample} has judged {both[0]} in another copy of the "
                    f"page already ({other}): two people must not share a page; give each one of their own "
                    "(`kesc review --sample N --annotators K`)"
                )


def lines(imported: Sequence[Imported]) -> Iterator[str]:
    """What to tell the user."""
    for one in imported:
        how = "was imported before" if one.known else f"{counted(one.verdicts, 'verdict')} of {one.saved.annotator}"
        changed = f", {one.changed:,} of them changed since the last import" if one.changed and not one.known else ""
        yield f"review: {one.file}: {how}{changed}"
