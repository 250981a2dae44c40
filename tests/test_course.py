"""The course's machinery, on a toy lesson: building, running, failing, explorers and pages."""

import ast
import base64
import importlib.util
import io
import subprocess
from pathlib import Path
from types import SimpleNamespace

import ipywidgets
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from PIL import Image
from toy_lesson import TOY_LESSON

from auxformer import plots
from auxformer.course import address, build, lab, lessons, page, run, widgets
from auxformer.course.grading.cells import bound
from auxformer.errors import InputError

ROOT = Path(__file__).parents[1]
plt.switch_backend("Agg")


def write_project(root, text=TOY_LESSON):
    source = root / "notebooks" / "source" / "00_toy.py"
    source.parent.mkdir(parents=True)
    source.write_text(text)
    return source


@pytest.fixture
def project(tmp_path, monkeypatch):
    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    write_project(root)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        build.build_lessons(root=root)
    return root


def test_a_lesson_tells_its_objectives_exercises_and_parameters(project):
    (lesson,) = lessons.find_lessons()
    assert (lesson.number, lesson.title, lesson.minutes) == (0, "Toy", 2)
    assert lesson.objectives == (("double a number", "double"),)
    assert lesson.parameters == {"count": 3}
    exercise = lesson.exercises[0]
    assert (exercise.name, exercise.difficulty, exercise.importance) == ("double", 1, 5)
    assert "x + x" in exercise.solution and "answer = ..." not in exercise.solution
    assert "x + x" not in exercise.stub and "    answer = ...\n    return answer" in exercise.stub
    assert "# SOLUTION" not in exercise.solution + exercise.stub


def test_an_unknown_lesson_is_answered_with_the_nearest_name(project):
    assert lessons.find_lessons(["toy"]) == lessons.find_lessons([0]) == lessons.find_lessons(["00_toy"])
    with pytest.raises(InputError, match="00_toy"):
        lessons.find_lessons(["00_tyo"])


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("count = 3", "count = 3 * 2", "not `name = literal`"),
        ('# %% tags=["parameters"]', "# %%", "expected one"),
        ("#     question: Does it build?\n", "", "lacks question"),
        (" difficulty=1", "", "lacks difficulty"),
        ("    # END\n", "", "# SOLUTION"),
        ('# %% exercise="double"', "# %%", "both a Markdown cell and a code cell"),
    ],
)
def test_a_faulty_source_is_refused_in_one_sentence(tmp_path, old, new, message):
    assert old in TOY_LESSON
    source = write_project(tmp_path, TOY_LESSON.replace(old, new))
    with pytest.raises(InputError, match=message) as caught:
        lessons.read_lesson(source)
    assert "00_toy.py" in str(caught.value)


def test_building_twice_gives_the_same_notebook_with_ids_from_headings(project):
    (lesson,) = lessons.find_lessons()
    first, second = (nbformat.writes(build.complete_notebook(lesson)) for _ in range(2))
    assert first == second
    ids = [cell.id for cell in build.complete_notebook(lesson).cells]
    assert len(set(ids)) == len(ids)
    assert ids[4:6] == ["a-line-1", "a-line-2"]


def test_with_an_address_a_lesson_opens_elsewhere_and_the_readme_says_so(project):
    (project / "README.md").write_text("# Toy\n<!-- badges --><!-- /badges -->\n")
    build.write_badges(project)
    (lesson,) = lessons.find_lessons()
    assert "Colab" not in (project / "README.md").read_text() + nbformat.writes(build.complete_notebook(lesson))
    (project / "pyproject.toml").write_text('[project.urls]\nRepository = "https://github.com/someone/toys"\n')
    build.write_badges(project)
    assert "mybinder.org/v2/gh/someone/toys/main?labpath=notebooks/" in (project / "README.md").read_text()
    title = build.complete_notebook(lesson).cells[0].source
    assert "colab.research.google.com/github/someone/toys/blob/main/notebooks/student/00_toy.ipynb" in title


@pytest.mark.parametrize("in_a_clone", [True, False])
def test_a_lesson_installs_the_package_where_it_is_absent(tmp_path, monkeypatch, in_a_clone):
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    if in_a_clone:
        (tmp_path / "pyproject.toml").write_text("")
    monkeypatch.chdir(notebooks)
    called = []
    monkeypatch.setattr(subprocess, "run", lambda command, check: called.append(command[-1]))
    exec(address.install_cell("someone/toys"), {})
    assert called == []  # the package is here
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    exec(address.install_cell("someone/toys"), {})
    assert called == [str(tmp_path) if in_a_clone else "git+https://github.com/someone/toys"]


def test_hints_are_folded_one_inside_another(project):
    (lesson,) = lessons.find_lessons()
    text = next(cell.source for cell in build.complete_notebook(lesson).cells if "exercise" in cell.metadata)
    assert text.count("<details>") == text.count("</details>") == 3
    assert text.index("Outer") < text.index("Middle") < text.index("Inner") < text.index("</details>")


def test_the_student_gets_stubs_and_example_outputs_but_no_solution(built):
    student = nbformat.read(built / "notebooks" / "student" / "00_toy.ipynb", as_version=4)
    everything = nbformat.writes(student)
    assert "x + x" not in everything and "answer = ..." in everything
    assert all(not cell.outputs and cell.execution_count is None for cell in student.cells if cell.cell_type == "code")
    (example,) = [cell for cell in student.cells if cell.get("attachments")]
    assert "last 6" in example.source and "A straight line, twice as steep." in example.source
    assert student.cells[student.cells.index(example) + 1].source.endswith('print("last", double(count))')


def test_the_committed_notebook_keeps_outputs_and_nothing_that_changes_at_every_run(built):
    notebook = nbformat.read(built / "notebooks" / "00_toy.ipynb", as_version=4)
    text = nbformat.writes(notebook)
    for trace in ("papermill", "widget-view", "model_id", "iopub", str(built)):
        assert trace not in text
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))
    assert "double a number" in (built / "notebooks" / "guide" / "matrix.md").read_text()


def test_a_change_of_words_keeps_the_outputs_and_a_change_of_code_is_refused(project):
    build.build_lessons()
    path, source = project / "notebooks" / "00_toy.ipynb", project / "notebooks" / "source" / "00_toy.py"
    before = nbformat.read(path, as_version=4)
    source.write_text(source.read_text().replace("# Double it.", "# Double what you are given."))
    build.build_lessons(texts_only=True)
    after = nbformat.read(path, as_version=4)
    assert "Double what you are given." in nbformat.writes(after)
    assert [cell.get("outputs") for cell in after.cells] == [cell.get("outputs") for cell in before.cells]
    source.write_text(source.read_text().replace("count = 3", "count = 5"))
    with pytest.raises(InputError, match="without --texts-only"):
        build.build_lessons(texts_only=True)


def test_lessons_run_once_and_are_kept_until_something_changes(project, capsys):
    (first,) = run.run_lessons(parameters={"count": 4})
    assert "lesson 0 Toy: " in capsys.readouterr().out
    out = project / "build" / "course"
    assert "last 8" in (out / "00_toy.ipynb").read_text()
    assert 'href="00_toy.html"' in (out / "index.html").read_text()
    (again,) = run.run_lessons(parameters={"count": 4})
    assert again["reused"] and not first["reused"]
    (full,) = run.run_lessons(profile="full")
    assert not full["reused"] and "last 18" in (out / "00_toy.ipynb").read_text()


def test_a_lesson_without_the_profile_runs_with_its_defaults(tmp_path, monkeypatch):
    source = write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    plain = TOY_LESSON.replace("number: 0", "number: 1").replace("#     profiles: {full: {count: 9}}\n", "")
    source.with_name("01_plain.py").write_text(plain)
    run.run_lessons(profile="full")
    out = tmp_path / "build" / "course"
    assert "last 18" in (out / "00_toy.ipynb").read_text() and "last 6" in (out / "01_plain.ipynb").read_text()


def test_a_page_fetches_nothing_and_keeps_descriptions_and_folds(built, tmp_path):
    notebook = nbformat.read(built / "notebooks" / "00_toy.ipynb", as_version=4)
    notebook.cells[0].source += "\n\nThe scale is $1/\\sqrt{d}$, not `$d$`. See [lesson 1](01_next.ipynb)."
    page.write_page(notebook, tmp_path / "toy.html")
    text = (tmp_path / "toy.html").read_text()
    assert 'alt="A straight line, twice as steep."' in text and "<summary>Solution</summary>" in text
    assert 'href="01_next.html"' in text
    assert 'alt="1/\\sqrt{d}"' in text and "<code>$d$</code>" in text
    for fetched in ('src="http', "src='http", "<link", "<script", "@import", "url(http"):
        assert fetched not in text


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"parameters": {"cuont": 4}}, '"cuont".*"count"'),
        ({"profile": "ful"}, '"ful".*"full"'),
        ({"lessons": [7]}, '"7"'),
    ],
)
def test_a_misspelt_setting_stops_before_anything_runs(project, settings, message):
    with pytest.raises(InputError, match=message):
        run.run_lessons(**settings)
    assert not (project / "build" / "course" / "00_toy.ipynb").exists()


def test_a_failing_lesson_names_its_cell_and_error_and_keeps_the_last_good_run(tmp_path, monkeypatch):
    source = write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    run.run_lessons()
    good = (tmp_path / "build" / "course" / "00_toy.ipynb").read_bytes()
    source.write_text(TOY_LESSON.replace('print("last", double(count))', 'raise KeyError("no such puppet")'))
    with pytest.raises(run.LessonFailed, match=r"lesson 0 .*figure, axes.*KeyError: 'no such puppet'"):
        run.run_lessons()
    folder = tmp_path / "build" / "course"
    assert (folder / "00_toy.ipynb").read_bytes() == good
    assert "no such puppet" in (folder / "00_toy.failed.ipynb").read_text()
    assert not list(folder.glob(".*")) and not (folder / "00_toy.json").exists()


def test_an_explorer_whose_control_breaks_the_figure_fails_headless(monkeypatch):
    pytest.importorskip("IPython").core.interactiveshell.InteractiveShell.instance()
    monkeypatch.setenv("AUXFORMER_HEADLESS", "1")

    def draw(count):
        figure, axes = plt.subplots()
        axes.plot([1 / (3 - count)])
        return figure

    widgets.explorer(draw, alt="A line of a few points.", count=(0, 2, 1))
    with pytest.raises(ZeroDivisionError):
        widgets.explorer(draw, alt="A line of a few points.", count=(0, 3, 1))
    plt.close("all")


def test_moving_a_control_draws_the_figure_again_with_the_new_value(monkeypatch):
    updates, drawn = [], []
    handle = SimpleNamespace(update=lambda data, **more: updates.append(more))
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: handle)
    slider = ipywidgets.IntSlider(2, min=0, max=5)

    def draw(level):
        drawn.append(level)
        return plt.subplots()[0]

    widgets.explorer(draw, alt="An empty pair of axes.", level=slider)
    slider.value = 4
    assert drawn == [2, 4] and updates[0]["metadata"]["image/png"]["alt"] == "An empty pair of axes."
    assert not plt.get_fignums()


def test_a_figure_without_a_real_description_is_refused():
    with pytest.raises(InputError, match="alt text"):
        widgets.picture(plt.figure(), "plot")
    plt.close("all")


def test_a_figure_is_opaque_and_small_or_refused():
    figure, axes = plt.subplots(figsize=(6, 4))
    picture = axes.imshow(np.linspace(0, 1, 400 * 600 * 3).reshape(400, 600, 3))
    png = plots.figure_png(figure)
    assert len(png) <= plots.FIGURE_LIMIT
    assert Image.open(io.BytesIO(png)).convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)
    picture.set_data(np.random.default_rng(0).random((400, 600, 3)))
    with pytest.raises(InputError, match="draw it smaller"):
        plots.figure_png(figure)
    with pytest.raises(InputError, match="dpi"):
        plots.figure_png(figure, dpi=200)
    plt.close("all")


def test_every_emotion_and_way_has_a_second_cue_besides_colour():
    for styles in (plots.EMOTION_STYLE, plots.WAY_STYLE):
        for cue in zip(*styles.values()):
            assert len(set(cue)) == len(cue)


def test_any_media_file_can_be_drawn_and_a_broken_one_gets_a_sentence(tmp_path):
    from auxformer import media
    from auxformer.show import draw_media

    sound = np.sin(np.arange(16000) / 20) * 0.5
    pictures = np.random.default_rng(0).integers(0, 255, (10, 64, 64, 3)).astype(np.uint8)
    media.write_wav(tmp_path / "tone.wav", sound, 16000)
    media.write_video(tmp_path / "silent.mp4", pictures, 10)
    media.write_video(tmp_path / "film.mp4", pictures, 10, sound)
    rows = {name: len(draw_media(tmp_path / name).axes) for name in ("tone.wav", "silent.mp4", "film.mp4")}
    assert rows == {"tone.wav": 3, "silent.mp4": 3, "film.mp4": 6}
    (tmp_path / "broken.mp4").write_bytes(b"no film at all")
    with pytest.raises(InputError, match="broken.mp4"):
        draw_media(tmp_path / "broken.mp4")


@pytest.fixture
def silent(monkeypatch):
    """Nothing is displayed."""
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: SimpleNamespace(update=lambda *_, **__: None))


def test_no_clip_is_guessed_before_the_learner_guesses(tmp_path, silent):
    (tmp_path / "clip.mp4").write_bytes(b"film")
    guesses = widgets.guess_clips({"one": tmp_path / "clip.mp4"}, ["happy", "sad"])
    assert guesses.values == {"one": None}
    guesses._widgets["one"].value = "happy"
    assert guesses.values == {"one": "happy"}


def test_a_prediction_is_compared_with_what_was_measured(silent, capsys):
    for entered, measured in (("0.5", 0.52), ("50 %", 0.9), (" ,01", 0.03), ("0", 0.0)):
        guess = widgets.predict("how many?")
        guess._widget.value = entered
        guess.against(measured)
    close, far, small, zero = capsys.readouterr().out.splitlines()
    assert "you said 0.50" in close and "close" in close and "0.90" in far and "surprised" in far
    assert "close" not in small and "you said 0.01" in small and "you said 0.00" in zero and "close" in zero


@pytest.mark.parametrize("settings", [{}, {"choices": ["a", "b"]}])
def test_a_prediction_that_nobody_made_is_said_to_be_none(settings, silent, capsys):
    guess = widgets.predict("how many?", **settings)
    print("you said:", guess.value, f"and you said {guess.value:.2f} before")
    guess.against(0.5)
    said, against = capsys.readouterr().out.splitlines()
    assert said == "you said: nothing and you said nothing before"
    assert against == "you made no prediction; measured 0.50"


@pytest.mark.parametrize("entered", ["four", "4", "-0.1", "nan", "", " "])
def test_what_is_no_number_from_0_to_1_is_no_prediction_and_the_field_says_so(entered, monkeypatch):
    shown = []
    monkeypatch.setattr(widgets, "display_controls", lambda controls, caption: shown.extend(controls))
    guess = widgets.predict("how many?")
    state = shown[1].children[1]
    assert state.value == widgets.UNSET
    guess._widget.value = "0.25"
    assert (guess.value, state.value) == (0.25, "0.25")
    guess._widget.value = entered
    assert guess.value == "nothing"
    assert state.value == (widgets.UNSET if not entered.strip() else "no number from 0 to 1")


def test_a_choice_is_made_of_buttons_none_of_them_pressed(silent):
    guess = widgets.predict("which?", choices=["a", "b"])
    assert isinstance(guess._widget, ipywidgets.ToggleButtons) and guess._widget.value is None
    guess._widget.value = "b"
    assert guess.value == "b"


def test_every_control_can_be_worked_by_keyboard_in_jupyterlab(monkeypatch):
    """JupyterLab takes the arrow keys and letters of menus and radio buttons (seen in 4.6); buttons and sliders keep theirs."""
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: None)
    monkeypatch.setattr(widgets, "display_controls", lambda controls, caption: shown.extend(controls))
    settings = {"few": ["a", "b"], "many": list("abcdefghi"), "named": {"one": 1, "two": 2}, "level": (0.0, 1.0, 0.5)}
    widgets.explorer(lambda **_: plt.subplots()[0], alt="An empty pair of axes.", **settings)
    for control in shown:
        assert not isinstance(control, (ipywidgets.Dropdown, ipywidgets.Select, ipywidgets.RadioButtons))
    assert [control.value for control in shown] == ["a", "a", 1, 0.5]
    assert [control.description for control in shown] == list(settings)
    plt.close("all")


def test_a_live_explorer_draws_while_its_slider_is_dragged(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: None)
    monkeypatch.setattr(widgets, "display_controls", lambda controls, caption: shown.extend(controls))
    for live in (True, False):
        widgets.explorer(
            lambda **_: plt.subplots()[0],
            alt="An empty pair of axes.",
            live=live,
            lag=(-5, 5, 0),
            level=(0.0, 1.0, 0.5),
        )
    assert [control.continuous_update for control in shown] == [True, True, False, False]
    plt.close("all")


def test_in_front_of_a_person_the_description_is_where_jupyterlab_keeps_it(monkeypatch):
    """JupyterLab shows `text/html` before `image/png`, whose description it drops."""
    alt = 'A line "as steep" as <that>.'
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    data, metadata = widgets.picture(plt.subplots()[0], alt)
    assert "text/html" not in data and metadata["image/png"]["alt"] == alt
    monkeypatch.setenv("JPY_SESSION_NAME", "02_fusion.ipynb")
    live, _ = widgets.picture(plt.subplots()[0], alt)
    image = live["text/html"]
    assert 'alt="A line &quot;as steep&quot; as &lt;that&gt;."' in image
    assert base64.b64decode(image.partition("base64,")[2].partition('"')[0]) == data["image/png"]
    plt.close("all")


def test_a_fact_that_does_not_hold_is_no_verdict_on_the_learner(capsys):
    lab.fact("it fell", True)
    lab.fact("it rose", False)
    assert capsys.readouterr().out.splitlines() == [
        "yes: it fell",
        "not so here: it rose (it was so where this lesson was written)",
    ]


# The explorers of lessons


def defined_in(number: int, *names: str, **given) -> dict:
    """What the cells of a lesson define under these names, without running the rest of it."""
    (lesson,) = lessons.find_lessons([number], ROOT / "notebooks" / "source")
    namespace = {"np": np, "torch": torch, "plt": plt, "plots": plots, "seed": 0, **given}
    for cell in build.complete_notebook(lesson).cells:
        for statement in ast.parse(cell.source).body if cell.cell_type == "code" else []:
            if bound(statement) & set(names):
                exec(compile(ast.Module([statement], []), lesson.name, "exec"), namespace)
    return namespace


def likeness(first, second) -> float:
    return np.corrcoef(first, second)[0, 1]


def test_the_slider_of_widths_in_lesson_2_keeps_its_random_keys():
    draw = defined_in(2, "generator", "random_query", "random_keys", "draw_weights")["draw_weights"]
    bars = [[bar.get_height() for bar in draw(width, "yes").axes[0].patches] for width in (127, 128, 8)]
    assert likeness(bars[0], bars[1]) > 0.95 > likeness(bars[0], bars[2])
    plt.close("all")


def test_the_sliders_of_experiments_in_lesson_6_keep_their_luck():
    world = ("SPEAKERS_VARY", "SYSTEMS_VARY", "CLIPS", "chance_of_right", "simulate")
    experiments = defined_in(6, *world, "SIGNS", "LUCK", "swap_p", "experiments")["experiments"]
    (small, p_small), (large, p_large), (more, p_more) = (
        experiments(*way) for way in ((12, 0.03), (12, 0.032), (13, 0.03))
    )
    assert likeness(small.mean(1), large.mean(1)) > 0.99 and likeness(p_small, p_large) > 0.95
    np.testing.assert_array_equal(more[:, :12], small)


@pytest.mark.parametrize("kind", ["single", "gap", "window"])
def test_what_is_lost_at_a_small_share_stays_lost_at_a_larger_one(kind):
    """As the explorer of lesson 5 says."""
    from auxformer.data.batch import Batch
    from auxformer.data.missing import lose_frames

    mask, present = torch.ones(40, 100, dtype=torch.bool), torch.ones(40, dtype=torch.bool)
    clips = tuple(map(str, range(40)))
    batch = Batch(
        torch.ones(40, 100, 2), mask, torch.ones(40, 100, 2), mask, present, present, torch.ones(40, 2) / 2, clips
    )
    kept = [lose_frames(batch, "audio", share, kind, "darkness").audio_mask for share in (0.3, 0.5, 0.9)]
    for less, more in zip(kept, kept[1:]):
        assert (more & ~less).sum() <= 1  # a rounded end


def test_the_drag_of_lesson_2_slides_the_mouth_along_the_voice():
    curve = np.exp(-(((np.arange(60) - 30) / 4) ** 2))  # opens once
    late = np.concatenate([np.zeros(5), curve[:-5]])
    made = defined_in(
        2, "fit", "best_shift", "draw_clip", clips=["one"], bound={"one": False}, curves={"one": (late, curve)}
    )
    assert made["best_shift"](late, curve) == 5
    titles, places = [], []
    for shift in (0, 5):
        axis = made["draw_clip"](shift, 0, "out of step").axes[0]
        titles.append(axis.get_title() + axis.get_title(loc="left"))
        face, voice = axis.lines
        places.append(voice.get_xdata()[curve.argmax()] - face.get_xdata()[late.argmax()])
    assert "200 ms" in titles[1] and "200 ms" not in titles[0]
    np.testing.assert_allclose(places, [-0.2, 0], atol=1e-9)
    plt.close("all")
