"""Each lesson in JupyterLab as a learner meets it: the student's notebook runs up to the first exercise; with the answers typed
in it runs to its end; then every control of every explorer is moved by the keyboard. `minutes.csv` says how long each took."""

import time

import pytest

from auxformer.course.build import complete_notebook
from auxformer.course.lessons import find_lessons, is_answer
from browser.conftest import wanted

LESSONS = find_lessons(None if wanted() in {None, "all"} else wanted().split(","))
SECONDS = 1800  # for all cells of a lesson, on a busy machine
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 480, "height": 900}

STATE = """() => {
    const panel = window.jupyterapp?.shell?.currentWidget, model = panel?.content?.model;
    if (!model) return null;
    const cells = [...model.cells], kernel = panel.sessionContext?.session?.kernel;
    const code = cells.map((cell, index) => ({cell, index})).filter(({cell}) => cell.type === 'code');
    return {
        status: kernel?.status ?? 'none',
        counts: code.map(({cell}) => cell.executionCount),
        explorers: code.filter(({cell}) => cell.sharedModel.getSource().includes('explorer(')).map(({index}) => index),
        errors: code.flatMap(({cell}) => Array.from({length: cell.outputs.length}, (_, k) => cell.outputs.get(k).toJSON()))
            .filter(output => output.output_type === 'error').map(output => `${output.ename}: ${output.evalue}`),
    };
}"""

TYPE = """answers => {
    let typed = 0;
    for (const cell of window.jupyterapp.shell.currentWidget.content.model.cells)
        if (cell.sharedModel.id in answers) { cell.sharedModel.setSource(answers[cell.sharedModel.id]); typed++; }
    return typed;
}"""


@pytest.fixture
def page(browser):
    """A fresh window; the kernel that it leaves behind is shut down."""
    context = browser.new_context(viewport=WIDE, color_scheme="light")
    page = context.new_page()
    page.set_default_timeout(30_000)
    yield page
    page.evaluate("async () => { await window.jupyterapp?.shell?.currentWidget?.sessionContext?.shutdown(); }")
    context.close()


def open_lesson(page, lab: str, name: str) -> None:
    """Open a lesson as it is handed out and wait for its kernel."""
    page.goto(f"{lab}/lab/tree/student/{name}.ipynb?reset")
    wait_until(page, lambda state: state["status"] == "idle", seconds=120)


def run_all(page) -> dict:
    """Run > Run All Cells, by the menu; the state when the kernel has come to rest or a cell has failed."""
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(f"() => ({STATE})()?.status === 'busy'", timeout=60_000)
    return wait_until(
        page, lambda state: state["status"] == "idle" and (all(state["counts"]) or state["errors"]), SECONDS
    )


def do_exercises(page, lesson) -> None:
    """Type the answers into the cells of the exercises, then start the kernel again, as a learner does before the last run."""
    answers = {cell.id: cell.source for cell in complete_notebook(lesson).cells if is_answer(cell)}
    assert page.evaluate(TYPE, answers) == len(lesson.exercises)
    page.evaluate("async () => { await window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart(); }")
    wait_until(page, lambda state: state["status"] == "idle", seconds=120)


def wait_until(page, holds, seconds: float) -> dict:
    """The state of the notebook as soon as `holds(state)`, seen twice in a row.

    Raises:
        AssertionError: not within the seconds; with the state as it was.
    """
    ends, seen, state = time.monotonic() + seconds, 0, None
    while time.monotonic() < ends:
        state = page.evaluate(STATE)
        seen = seen + 1 if state and holds(state) else 0
        if seen == 2:
            return state
        page.wait_for_timeout(500)
    raise AssertionError(f"not within {seconds} s; the notebook is {state}")


def press(page, handle, picture) -> None:
    """Press keys on a slider's focused handle until the picture is another.

    Raises:
        AssertionError: the picture stays as it is.
    """
    before = picture.get_attribute("src")
    for key in ("ArrowRight", "ArrowLeft", "PageUp", "PageDown"):
        handle.focus()
        page.keyboard.press(key)
        if changed(page, picture, before):
            return
    raise AssertionError("the picture did not change when the slider moved")


def choose(page, buttons, picture) -> None:
    """Press another of a row of buttons, by the space bar.

    Raises:
        AssertionError: the picture stays as it is.
    """
    before = picture.get_attribute("src")
    for button in buttons.locator("button").all():
        if "mod-active" not in button.get_attribute("class"):
            button.focus()
            page.keyboard.press("Space")
            if changed(page, picture, before):
                return
    raise AssertionError("the picture did not change when another button was pressed")


def changed(page, picture, before: str, seconds: float = 90) -> bool:
    """True as soon as the picture is another one, False when it is still the same after the seconds.

    Some explorers measure something before they draw: the wait is long.
    """
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if picture.get_attribute("src") != before:
            return True
        page.wait_for_timeout(200)
    return False


def move_every_control(page, cell) -> int:
    """Move each slider and press a button of each row of an explorer's cell; how many there were."""
    picture = cell.locator(".jp-OutputArea-output img").first
    assert len(picture.get_attribute("alt").split()) >= 4
    handles, rows = cell.locator(".noUi-handle").all(), cell.locator(".widget-toggle-buttons").all()
    for handle in handles:
        press(page, handle, picture)
    for buttons in rows:
        choose(page, buttons, picture)
    return len(handles) + len(rows)


@pytest.mark.timeout(SECONDS + 600)
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_a_lesson_runs_in_jupyterlab_and_its_controls_redraw_their_figure(page, lab, pictures, lesson):
    open_lesson(page, lab, lesson.name)
    started = time.monotonic()
    (stopped,) = run_all(page)["errors"]
    assert "nothing there yet" in stopped
    do_exercises(page, lesson)
    state = run_all(page)
    with (pictures / "minutes.csv").open("a") as file:
        file.write(f"{lesson.name},{(time.monotonic() - started) / 60:.1f}\n")
    assert not state["errors"]
    assert state["counts"] == list(range(1, len(state["counts"]) + 1))
    assert state["explorers"]
    for number, index in enumerate(state["explorers"], start=1):
        cell = page.locator(".jp-Notebook .jp-Cell").nth(index)
        cell.evaluate("element => element.scrollIntoView({block: 'start'})")  # what is below the window is not drawn yet
        cell.locator(".noUi-handle, .widget-toggle-buttons").first.wait_for()
        assert move_every_control(page, cell) > 0
        outputs_of(cell).screenshot(path=pictures / f"{lesson.name}-explorer-{number}.png")
    assert not wait_until(page, lambda state: state["status"] == "idle", 60)["errors"]
    take_pictures(page, pictures, lesson, state["explorers"][0])


def outputs_of(cell):
    """The part of a cell below its code."""
    return cell.locator(".jp-Cell-outputWrapper")


def take_pictures(page, pictures, lesson, explorer: int) -> None:
    """The window at the first explorer and at the top: light, dark, and narrow with the file list folded away."""
    cells = page.locator(".jp-Notebook .jp-Cell")
    for look, size, theme in (("light", WIDE, "Light"), ("dark", WIDE, "Dark"), ("narrow", NARROW, "Light")):
        page.set_viewport_size(size)
        if size is NARROW:
            page.evaluate("() => window.jupyterapp.shell.collapseLeft()")
        page.evaluate(
            f"() => window.jupyterapp.commands.execute('apputils:change-theme', {{theme: 'JupyterLab {theme}'}})"
        )
        for place, shown in (("top", cells.first), ("explorer", outputs_of(cells.nth(explorer)))):
            shown.scroll_into_view_if_needed()
            shown.evaluate("element => element.scrollIntoView({block: 'start'})")
            page.wait_for_timeout(800)
            page.screenshot(path=pictures / f"{lesson.name}-{place}-{look}.png")
