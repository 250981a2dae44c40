"""Faces of a corpus, and the picture of a clip."""

import shutil

import numpy as np
import pytest

from auxformer.corpora import read_corpus
from auxformer.errors import InputError
from auxformer.features.face import face_summary, face_table
from auxformer.features.track import track_face
from auxformer.media import read_frames, write_video
from auxformer.show import draw_clip


@pytest.fixture(scope="module")
def corpus(tiny_puppets, tmp_path_factory):
    """Eight clips; of the first two films one shows no face, one is cut short."""
    root = tmp_path_factory.mktemp("faces") / "corpus"
    shutil.copytree(tiny_puppets[0], root)
    films = sorted((root / "VideoFlash").iterdir())
    for film in films[8:]:
        film.unlink()
    write_video(films[0], np.full((10, 64, 64, 3), 90, np.uint8), 25)
    films[1].write_bytes(films[1].read_bytes()[:3000])
    return read_corpus(root, on_error="skip")


def test_every_film_has_its_box_and_share_whatever_the_number_of_processes(corpus):
    table = face_table(corpus, jobs=1)
    assert table.equals(face_table(corpus, jobs=2)) and len(table) == 8
    grey, missing = table.iloc[0], table.iloc[1]
    assert grey.found == 0 and grey.frames == 10 and np.isnan(missing.found)
    for clip, row in table.iloc[2:].iterrows():
        frames, _ = read_frames(corpus.clips.video[clip], grey=True)
        face = track_face(frames)
        assert (row.x, row.y, row.height, row.found) == (*map(np.median, face[:3]), face.found)
        assert 0 <= row.moves < 0.2 and 0 <= row.lean < 20, "a puppet nods and sways, and stays where it is"
        assert row.uneven == pytest.approx(1, abs=0.05)
    text = face_summary(table)
    assert "8 films, 1 cannot be read" in text and table.index[0] in text


def test_a_clip_is_drawn_by_its_name_and_another_name_is_refused(corpus, tmp_path):
    clip = corpus.clips.index[3]
    figure = draw_clip(corpus, clip)
    rows = ["frames", "the liveliest blendshapes", "HOG", "waveform", "spectrogram", "LLD"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == rows
    assert clip in figure.get_suptitle() and "a face in 100% of them" in figure.axes[0].get_xlabel()
    assert len(figure.axes[0].patches) == 8, "a box in each of eight frames"
    figure.savefig(tmp_path / "clip.png")
    with pytest.raises(InputError, match=f'Did you mean "{clip}"'):
        draw_clip(corpus, clip[:-1])
