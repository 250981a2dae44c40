"""Features side by side: the pace of the first, a store for each part."""

import pickle

import numpy as np
import pandas as pd
import pytest
from test_extract import make_corpus

from auxformer.errors import InputError
from auxformer.features import create_extractor, split_spec
from auxformer.features.extract import extract, features_of, store_folder
from auxformer.features.joined import join


def test_the_first_sets_the_pace_and_the_nearest_frame_stands_beside():
    first = np.zeros((6, 1), np.float32)
    second = np.arange(4, dtype=np.float32)[:, None]
    joined = join([(first, 100.0), (second, 50.0)])  # frames at 0, 10, ... and at 0, 20, ... ms
    assert joined[:, 1].tolist() == [0, 0, 1, 2, 2, 2]  # numpy rounds halves to even
    slow = join([(second, 50.0), (np.arange(20)[:, None], 100.0)])
    assert slow[:, 1].tolist() == [0, 2, 4, 6]


def test_what_ends_early_keeps_its_last_frame_and_one_vector_stands_beside_all():
    joined = join([(np.zeros((3, 1)), 10.0), (np.array([[7.0], [8.0]]), 10.0), (np.array([[9.0, 1.0]]), 0.0)])
    assert joined.tolist() == [[0, 7, 9, 1], [0, 8, 9, 1], [0, 8, 9, 1]]


def test_a_frame_that_is_not_valid_in_one_is_not_valid():
    joined = join([(np.zeros((3, 2)), 10.0), (np.array([[1.0], [np.nan], [3.0]]), 10.0)])
    assert np.isnan(joined).tolist() == [[False] * 3, [True] * 3, [False] * 3]


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("lld+logmel", ["lld", "logmel"]),
        ("lld+voice:a+b.pt+logmel", ["lld", "voice:a+b.pt", "logmel"]),
        ("table:lld+x.csv", ["table:lld+x.csv"]),
        ("hog+arrays:x@25+blendshapes", ["hog", "arrays:x@25", "blendshapes"]),
    ],
)
def test_a_plus_joins_extractors_and_nothing_else(spec, parts):
    assert split_spec(spec) == parts


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("lld+hog", "lld+hog: are of different streams, lld (audio), hog (video)"),
        ("lld+vioce", 'unknown features "vioce". Did you mean "voice"?'),
        ("table:{}+hog", "has one vector per clip and no pace; put it behind"),
    ],
)
def test_what_cannot_be_joined_is_a_sentence(tmp_path, spec, words):
    (tmp_path / "t.csv").write_text("clip,a\nclip00,1\n")
    with pytest.raises(InputError) as caught:
        create_extractor(spec.format(tmp_path / "t.csv"))
    assert words in str(caught.value)
    with pytest.raises(InputError, match="settings are given to one extractor at a time"):
        create_extractor("lld+logmel", window=0.05)


def test_each_part_has_its_own_store_and_they_are_read_as_one(tmp_path):
    corpus = make_corpus(tmp_path / "corpus")
    (tmp_path / "t.csv").write_text("clip,a\n" + "".join(f"clip{i:02d},{i}\n" for i in range(5)))
    extractor = create_extractor(f"lld+logmel+table:{tmp_path / 't.csv'}", modality="audio")
    joined = features_of(corpus, extractor, tmp_path / "data", jobs=1)
    assert joined.name == "lld+logmel+table:t.csv" and joined.dims == 130 + 80 + 1 == extractor.dims
    assert joined.digest == extractor.digest() and len(extractor.names) == joined.dims
    assert joined.clips == [f"clip{i:02d}" for i in range(5)] and "clip05" not in joined and len(joined) == 5
    assert joined.verify() == [] and joined.frames_per_second("clip00") == 100 and "clip05" in joined.skipped
    alone = extract(corpus, create_extractor("lld"), store_folder(tmp_path / "data", corpus, create_extractor("lld")))
    assert joined.lengths == {clip: alone.lengths[clip] for clip in joined.clips}
    np.testing.assert_array_equal(joined["clip03"][:, :130], alone["clip03"])
    assert (joined["clip03"][:, -1] == 3).all() and set(joined.contents) == set(joined.clips)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(joined))["clip03"], joined["clip03"])
    with pytest.raises(InputError, match="has no features of the clip clip05"):
        joined["clip05"]


def test_the_store_keeps_in_what_share_of_the_frames_there_is_a_face(tmp_path):
    corpus = make_corpus(tmp_path / "corpus", count=2)
    store = features_of(corpus, create_extractor("lld"), tmp_path / "data", jobs=1)
    assert all(np.isnan(share) for share in store.faces.values())
    table = pd.read_csv(store.folder / "index.csv", index_col=0).drop(columns="faces")
    table.to_csv(store.folder / "index.csv")  # as an older version wrote it
    again = features_of(corpus, create_extractor("lld"), tmp_path / "data", jobs=1)
    assert again.clips == store.clips and again.verify() == [] and np.isnan(again.faces["clip00"])
