"""auxformer features: extract features and look after the stores."""

from pathlib import Path
from typing import Annotated

import typer
from typer import Argument

from auxformer.cli.options import Audio, Corpus, Data, Jobs, OnError, Root, Scheduler, Video, Wide
from auxformer.errors import InputError
from auxformer.files import writing

app = typer.Typer(
    no_args_is_help=True, help="Extract features and look after their stores.", epilog="Example: auxformer features ls"
)


@app.command("extract")
def extract(
    root: Root,
    corpus: Corpus = "auto",
    audio: Audio = "lld",
    video: Video = "hog",
    data: Data = Path("data/features"),
    jobs: Jobs = 2,
    on_error: OnError = "skip",
    scheduler: Scheduler = None,
):
    """Extract features into stores; run it again after a kill and it goes on. An empty --audio or --video is left out.

    Example: auxformer features extract data/corpora/puppets --audio lld --video hog
    """
    from auxformer.corpora import read_corpus
    from auxformer.features import create_extractor
    from auxformer.features.extract import features_of

    read = read_corpus(root, corpus, on_error=on_error)
    for spec, modality in ((audio, "audio"), (video, "video")):
        if spec:
            extractor = create_extractor(spec, root=read.root, modality=modality)
            store = features_of(read, extractor, data, jobs, on_error, scheduler)
            print(f"{store.name}: {len(store.clips)} clips, {store.dims}-d, {len(store.skipped)} skipped")


@app.command("ls")
def ls(data: Data = Path("data/features"), wide: Wide = False):
    """The feature stores: folder, clips, skipped clips, numbers per frame, extractor.

    Example: auxformer features ls
    """
    from auxformer.cli.tables import show
    from auxformer.features.store import find_stores

    rows = [(store.folder, len(store), len(store.skipped), store.dims, store.name) for store in find_stores(data)]
    if not rows:
        print(f'{data}: holds no feature stores; "auxformer features extract" makes some.')
        return
    show(rows, ["folder", "clips", "skipped", "dims", "extractor"], wide=wide)


@app.command("verify")
def verify(data: Data = Path("data/features")):
    """Read every stored feature and the media that it was taken from; exit 1 when something is wrong.

    Example: auxformer features verify --data data/features
    """
    from auxformer.features.store import find_stores

    stores = find_stores(data)
    if not stores:
        raise InputError(f"{data}: holds no feature stores, so there is nothing to verify.")
    problems = [problem for store in stores for problem in store.verify()]
    print("\n".join(problems) or "every store is whole")
    raise typer.Exit(1 if problems else 0)


@app.command("rm")
def rm(folder: Annotated[Path, Argument(help="Folder of the store, as `ls` shows it.")]):
    """Delete a feature store.

    Example: auxformer features rm data/features/puppets-67cd21/hog-b055c673
    """
    from auxformer.features.store import FeatureStore

    store = FeatureStore.open(folder)
    with writing(folder):
        store.remove()
