"""From a corpus to a feature store: in parallel, resumable, and a clip that fails does not take the others with it."""

import contextlib
import functools
import hashlib
import itertools
import logging
import math
import os
import re
import threading
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from joblib.externals.loky import get_reusable_executor

from auxformer import media
from auxformer.corpora.base import Corpus
from auxformer.errors import InputError, MediaError, check_choice, check_range
from auxformer.features.absent import NoExtractor, NoStore
from auxformer.features.base import Clip, Extractor
from auxformer.features.joined import JoinedStore, SideBySide
from auxformer.features.store import Extracted, FeatureStore, Source, check_features
from auxformer.parallel import in_parallel
from auxformer.progress import progress

SHARD_CLIPS = 64
"""Clips per shard: what is lost at most when extraction is killed."""
LISTED = 6
"""Most clips that are named when some are skipped; `store.skipped` has all of them."""
log = logging.getLogger(__name__)


class Failure(NamedTuple):
    """A clip that gave no features, and the sentence that says why."""

    clip: str
    reason: str


def store_folder(features_root: str | os.PathLike, corpus: Corpus, extractor: Extractor) -> Path:
    """Where the features of a corpus belong: CORPUS-HASH/EXTRACTOR-DIGEST below `features_root`.

    HASH names the corpus' folder and its clips, DIGEST the extractor's settings: others get a folder of their own.
    """
    listed = "\n".join([str(Path(corpus.root).resolve()), *sorted(corpus.clips.index)])
    corpus_hash = hashlib.sha256(listed.encode()).hexdigest()[:6]
    name = re.sub(r"[^\w.-]+", "-", extractor.name)
    return Path(features_root) / f"{corpus.name}-{corpus_hash}" / f"{name}-{extractor.digest()}"


def features_of(
    corpus: Corpus, extractor: Extractor | SideBySide | NoExtractor, data: str | os.PathLike, jobs: int = 2,
    on_error: str = "skip", scheduler: str | None = None, extracting: bool = True,
) -> FeatureStore | JoinedStore | NoStore:  # fmt: skip
    """The features of a corpus, in the usual folder below `data`; several side by side have a folder each, none has none.

    Args:
        corpus, extractor, jobs, on_error, scheduler: As of `extract`.
        data: Folder under which the feature stores lie.
        extracting: Whether features may be extracted; if not, those that are there are taken as they are.

    Raises:
        MediaError, InputError: As of `extract`; or there are none and none may be extracted.
    """
    if isinstance(extractor, NoExtractor):
        return NoStore(extractor.modality)
    if isinstance(extractor, SideBySide):
        parts = (features_of(corpus, part, data, jobs, on_error, scheduler, extracting) for part in extractor.parts)
        return JoinedStore(list(parts))
    folder = store_folder(data, corpus, extractor)
    return extract(corpus, extractor, folder, jobs, on_error, scheduler) if extracting else FeatureStore.open(folder)


def extract(
    corpus: Corpus, extractor: Extractor, folder: str | os.PathLike, jobs: int = 2, on_error: str = "skip",
    scheduler: str | None = None,
) -> FeatureStore:  # fmt: skip
    """Extract the features of every clip that has none yet, or whose file has changed since.

    Whatever is finished stays: a run that was killed, stopped or found the disk full goes on where it ended.

    Args:
        corpus: Its clips.
        extractor: What to take from them.
        folder: Of the store; made if it is not there (`store_folder` names the usual one).
        jobs: Worker processes, each of one thread.
        on_error: "skip" a clip that cannot be used, with a line in the log and an entry in `store.skipped`, or "stop"
            at it.
        scheduler: Address of a Dask cluster that does the work instead of processes here; its workers need the corpus
            under the same path. The store is written here.

    Raises:
        MediaError: A clip cannot be used and `on_error` is "stop".
        InputError: The folder cannot be written, or no clip at all has a file that can be used.
    """
    check_choice("on_error", on_error, ("skip", "stop"))
    check_range("jobs", jobs, 1, 1024)
    clips = list_clips(corpus)
    if not any(extractor.source(clip) for clip in clips):
        raise InputError(
            f"{corpus.root}: none of its {len(clips)} clips has a file to take {extractor.name} from; add the media"
        )
    store = FeatureStore.prepare(folder, extractor)
    todo = [clip for clip in clips if not store.is_current(clip.name, extractor.source(clip))]
    if todo:
        failed = _fill(store, extractor, todo, jobs, on_error, scheduler)
        store.record_skipped(failed)
        if failed:
            first = next(iter(failed.values()))
            which = f"{', '.join(list(failed)[:LISTED])}{', ...' if len(failed) > LISTED else ''}"
            print(
                f"{extractor.name}: {len(failed)} of {len(clips)} clips skipped ({which}); the first because {first}",
                flush=True,
            )
    if not len(store):
        first = next(iter(store.skipped.values()))
        raise InputError(
            f"{corpus.root}: none of its {len(clips)} clips gave {extractor.name} features; the first because {first}"
        )
    return store


def list_clips(corpus: Corpus) -> list[Clip]:
    """The clips of a corpus as extractors want them."""
    paths = corpus.clips[["audio", "video"]].itertuples(name=None)
    return [Clip(name, *(path if isinstance(path, str) else None for path in both)) for name, *both in paths]


def _fill(
    store: FeatureStore, extractor: Extractor, todo: Sequence[Clip], jobs: int, on_error: str, scheduler: str | None
) -> dict[str, str]:
    ended = threading.Event()  # no more clips are handed out; those in work are finished and kept
    outcomes = _outcomes(extractor, todo, jobs, ended, scheduler)
    hand: list[Extracted] = []
    failed: dict[str, str] = {}
    try:
        for outcome in progress(outcomes, f"extracting {extractor.name}", total=len(todo)):
            if isinstance(outcome, Extracted):
                hand.append(outcome)
            else:
                failed[outcome.clip] = outcome.reason
                if on_error == "stop":
                    ended.set()
                elif len(failed) <= LISTED:  # the others stand in the store and are counted at the end
                    log.warning("clip %s skipped: %s", outcome.clip, outcome.reason)
            if len(hand) == SHARD_CLIPS:
                shard, hand = hand, []
                store.append(shard)
    finally:
        ended.set()
        outcomes.close()
        store.append(hand)
    if failed and on_error == "stop":
        clip, reason = next(iter(failed.items()))
        raise MediaError(f"clip {clip}: {reason}")
    return failed


def _outcomes(
    extractor: Extractor, todo: Sequence[Clip], jobs: int, ended: threading.Event, scheduler: str | None
) -> Generator[Extracted | Failure, None, None]:
    if extractor.frames_per_second == 0:
        jobs = 1  # a table is read sooner than workers start
    size = getattr(extractor, "clips_at_once", 1)
    groups = (todo[at : at + size] for at in range(0, len(todo), size))
    handed_out = itertools.takewhile(lambda _: not ended.is_set(), groups)
    loads = hasattr(extractor, "device") or hasattr(extractor, "sha256")  # a network, in every worker
    if jobs > 1 and loads and not scheduler:
        get_reusable_executor().shutdown()  # older workers that load a network would be taken for leaking memory
    work = functools.partial(extract_clips, extractor)
    with contextlib.closing(in_parallel(work, handed_out, min(jobs, len(todo)), scheduler)) as finished:
        for group, outcomes in finished:
            if isinstance(outcomes, Exception):  # the group's worker died each time, or could not load the package
                outcomes = [Failure(clip.name, f"its worker failed ({outcomes})") for clip in group]
            yield from outcomes


def extract_clips(extractor: Extractor, clips: Sequence[Clip]) -> list[Extracted | Failure]:
    """Outcomes of several clips. Those that an extractor can read go through its network together."""
    ready = {}
    if len(clips) > 1:
        for clip in clips:
            with contextlib.suppress(MediaError, OSError):  # `extract_clip` says what is wrong
                if extractor.source(clip):
                    ready[clip] = extractor.read(clip)
        ready = dict(zip(ready, extractor.of_many(list(ready.values())), strict=True))
    return [extract_clip(extractor, clip, ready.get(clip)) for clip in clips]


def extract_clip(extractor: Extractor, clip: Clip, features: np.ndarray | None = None) -> Extracted | Failure:
    """One clip with its features (those given, if any), or why there are none. Runs in a worker process."""
    path = extractor.source(clip)
    if path is None:
        return Failure(clip.name, f"the corpus has no {extractor.modality} file for it")
    damage = media.explain_damage(path)
    if damage:
        return Failure(clip.name, damage)
    try:
        source, faces = Source.of(path), math.nan
        if hasattr(extractor, "with_faces"):
            features, faces = extractor.with_faces(clip)
        elif features is None:
            features = extractor(clip)
        lacks = getattr(extractor, "lacks_frames", False)
        check_features(features, extractor.dims, clip.name, whole=not lacks)
        if lacks:
            faces = float(1 - np.isnan(features[:, 0]).mean())
        rate = extractor.frames_per_second
        if math.isnan(rate):
            rate = getattr(extractor, "rate_of", media.frame_rate)(path)
        return Extracted(clip.name, features, rate, source, faces)
    except MediaError as error:
        return Failure(clip.name, str(error))
    except OSError as error:
        return Failure(clip.name, f"{path}: cannot be read ({error.strerror}); check that it is there")
