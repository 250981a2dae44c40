"""Rating tables with anything in them: a corpus, or a sentence that names the file; no other exception."""

import shutil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from auxformer.corpora import read_corpus
from auxformer.corpora.base import Corpus
from auxformer.corpora.labels import targets
from auxformer.corpora.partitions import read_partition_file
from auxformer.errors import InputError

TABLES = ("processedResults/tabulatedVotes.csv", "VideoDemographics.csv", "truth.csv")
fuzzed = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def root(tiny_puppets, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz") / "corpus"
    shutil.copytree(tiny_puppets[0], folder)
    return folder


@st.composite
def damage(draw):
    """A function from the bytes of a table to other bytes."""
    kind = draw(st.sampled_from(["cell", "row", "column", "bytes", "cut", "twice", "encoding", "separator"]))
    where, what = draw(st.integers(0, 10**6)), draw(st.one_of(st.text(max_size=8), st.floats().map(str), st.just("")))

    def apply(data: bytes) -> bytes:
        lines = data.decode().splitlines()
        if kind in ("bytes", "cut", "encoding"):
            place = where % (len(data) + 1)
            changes = {
                "bytes": data[:place] + what.encode("utf-8", "replace") + b"\xff\x00" + data[place:],
                "cut": data[:place],
                "encoding": data.decode().encode("utf-16"),
            }
            return changes[kind]
        row = where % len(lines)
        cells = lines[row].split(",")
        if kind == "cell":
            cells[where % len(cells)] = what
            lines[row] = ",".join(cells)
        elif kind == "row":
            del lines[row]
        elif kind == "column":
            lines = [",".join(line.split(",")[: max(1, where % len(cells))]) for line in lines]
        elif kind == "twice":
            lines.insert(row, lines[row])
        else:
            lines = [line.replace(",", ";") for line in lines]
        return "\n".join(lines).encode("utf-8", "replace")

    return apply


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("on_error", ["stop", "skip"])
@fuzzed
@given(change=damage())
def test_a_damaged_table_is_read_or_refused_in_a_sentence(root, table, on_error, change):
    path = root / table
    sound = path.read_bytes()
    try:
        path.write_bytes(change(sound))
        try:
            corpus = read_corpus(root, on_error=on_error)
        except InputError as error:
            assert str(root) in str(error) and len(str(error)) < 600
        else:
            assert isinstance(corpus, Corpus) and len(corpus.clips)
            for rule in ("plurality", "majority", "distributional"):
                try:
                    shares = targets(corpus, "audiovisual", rule)
                except InputError:
                    continue
                assert np.allclose(shares.sum(axis=1), 1) and np.isfinite(shares.to_numpy()).all()
    finally:
        path.write_bytes(sound)


@fuzzed
@given(change=damage())
def test_a_damaged_partition_file_is_read_or_refused_in_a_sentence(root, tmp_path_factory, change):
    corpus = read_corpus(root)
    table = targets(corpus, "audiovisual", "distributional")
    who = corpus.clips.speaker[table.index]
    parts = dict(zip(sorted(who.unique()), ["Train"] * 3 + ["Development"] + ["Test"] * 2))
    table = (0.94 * table + 0.01).round(3).assign(SpkrID=who, Split_Set=who.map(parts))
    table.insert(0, "FileName", [f"{clip}.wav" for clip in table.index])
    path = tmp_path_factory.mktemp("part") / "label_consensus_1.csv"
    path.write_bytes(change(table.to_csv(index=False).encode()))
    try:
        partition, labels = read_partition_file(path, corpus)
    except InputError as error:
        assert str(path) in str(error)
    else:
        assert not set(partition.train) & set(partition.test) and np.isfinite(labels.to_numpy()).all()
