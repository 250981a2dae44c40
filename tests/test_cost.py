"""What a model costs, against what can be counted by hand."""

import pytest

from auxformer.benchmark.cost import cost_table
from auxformer.config import override, preset
from auxformer.errors import InputError
from auxformer.models import list_models


def test_parameters_of_the_published_form_are_the_published_number():
    table = cost_table(preset("paper").model, 130, 4096)
    layer = 2 * 12 * 250 * 130**2 + 4 * 250**2 * 130  # projections and feed-forward, then queries with keys and weights with values
    assert table.mflops["a_mem"] == pytest.approx(3 * 5 * layer / 1e6, rel=0.01), "three passes of five layers"
    assert table.parameters["total"] == 7_038_632
    assert table.parameters.drop("total").sum() == table.parameters["total"]


def test_operations_of_a_self_attention_stack_counted_by_hand():
    config = override(
        preset("default"), {"model": {"width": 8, "heads": 2, "layers": 3, "audio_pool": 1, "relative": False}}
    ).model
    table = cost_table(config, 5, 7, classes=3, audio_frames=1000, video_frames=10, clips=2)
    d, frames = 8, 1000
    products = 4 * d * d + 8 * d * d  # four projections and the two of the feed-forward branch, per frame
    by_hand = (
        2 * 3 * (frames * products + 2 * frames * frames * d) / 1e6
    )  # and queries times keys, weights times values
    assert table.mflops["a_mem"] == pytest.approx(by_hand, rel=0.01)
    assert table.mflops["total"] == pytest.approx(table.mflops.drop("total").sum(), abs=0.1)


def test_memory_grows_with_the_batch_and_parameters_do_not():
    small, large = (cost_table(preset("default").model, 130, 288, clips=clips) for clips in (4, 8))
    assert large.saved_mb["total"] == pytest.approx(2 * small.saved_mb["total"], rel=0.1)
    assert large.parameters.equals(small.parameters) and large.mflops["total"] == pytest.approx(
        small.mflops["total"], rel=0.01
    )


PACKED = {"tfr-net"}  # packs its sequences by their lengths


@pytest.mark.parametrize("name", list_models())
def test_every_system_has_a_cost_or_says_why_not(name):
    config = override(preset("default"), {"model": {"name": name}}).model
    if name in PACKED:
        with pytest.raises(InputError, match="depends on the data"):
            cost_table(config, 6, 5, clips=2, audio_frames=40, video_frames=20)
    else:
        assert cost_table(config, 6, 5, clips=2, audio_frames=40, video_frames=20).parameters["total"] > 0
