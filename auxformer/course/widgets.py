"""What a learner touches: figures with a description, explorers that also work on paper, and a place to write a guess.

Nothing here needs a browser: without one the first frame of an explorer stands in the notebook as an ordinary picture and a
prediction was not made, so a lesson runs headless from end to end. Everything can be worked by keyboard. JupyterLab takes the
arrow keys and letters of menus and radio buttons for itself, so choices are buttons or stops of a slider.
"""

import base64
import html
import os
from collections.abc import Callable, Sequence

from auxformer.errors import InputError
from auxformer.plots import closed, figure_png

VIEW = "application/vnd.jupyter.widget-view+json"
UNSET = "not chosen yet"
MOST_BUTTONS = 8
"""More choices than that are stops of a slider."""
LOOK = {"style": {"description_width": "initial"}}


def picture(figure, alt: str) -> tuple[dict, dict]:
    """(data, metadata) of a figure for a notebook output: a PNG and its description.

    JupyterLab drops the description of a PNG, so in front of a person the PNG is inside an `<img>` that has it. A notebook that is
    run headless holds the PNG itself.

    Args:
        figure: matplotlib figure; it is closed.
        alt: What the picture shows, in a sentence of at least four words, for those who cannot see it.

    Raises:
        InputError: when the description is missing or too short to describe anything.
    """
    if len(alt.split()) < 4:
        raise InputError(f'the alt text is "{alt}", expected a sentence that says what the figure shows.')
    png, words = figure_png(closed(figure)), {"text/plain": f"[figure: {alt}]"}
    if not _in_front_of_a_person():
        return {"image/png": png} | words, {"image/png": {"alt": alt}}
    source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
    return {"text/html": f'<img alt="{html.escape(alt)}" src="{source}">'} | words, {}


def _in_front_of_a_person() -> bool:
    """Whether a Jupyter server started this kernel for a notebook that somebody opened; runners of lessons and tests do not."""
    return "JPY_SESSION_NAME" in os.environ


def show(figure, alt: str) -> None:
    """Show a figure with its description; see `picture`. Print the numbers behind it in the same cell."""
    from IPython.display import display

    data, metadata = picture(figure, alt)
    display(data, metadata=metadata, raw=True)


def explorer(draw: Callable, alt: str, live: bool = False, **controls) -> None:
    """A figure with controls: change one and the figure is drawn again.

    The first frame is an ordinary picture, so it is there on paper and on a code host as well. Headless, the two ends of every
    control are drawn once too, so that a control that breaks the figure breaks the run.

    Args:
        draw: Called as `draw(**values)`, returns a matplotlib figure.
        alt: Description of the figure, true for every setting.
        live: Draw while a slider is dragged, not only when it is let go: for figures that take no longer than a tenth of a second.
        controls: Name -> (low, high, start) of two equal number types, for a slider (step 1 or a fiftieth of the range);
            or a list of choices, the first of which is shown first, as buttons or, when they are many, as stops of a slider; or an
            ipywidgets widget with a `value`.

    Raises:
        InputError: no control, or one of another form.
    """
    from IPython.display import display

    widgets = {name: _control(name, setting, live) for name, setting in controls.items()}
    if not widgets:
        raise InputError("explorer() has no control, expected at least one, such as level=(0.0, 1.0, 0.5).")

    def values() -> dict:
        return {name: widget.value for name, widget in widgets.items()}

    data, metadata = picture(draw(**values()), alt)
    handle = display(data, metadata=metadata, raw=True, display_id=True)

    def redraw(_change) -> None:
        data, metadata = picture(draw(**values()), alt)
        handle.update(data, metadata=metadata, raw=True)

    for widget in widgets.values():
        widget.observe(redraw, names="value")
    if os.environ.get("AUXFORMER_HEADLESS") == "1":  # set by the course's runner: nobody can touch a control
        start = values()
        for name, widget in widgets.items():
            for end in _ends(widget):
                if end != start[name]:
                    closed(draw(**{**start, name: end}))
    display_controls(list(widgets.values()), f"[controls: {', '.join(widgets)}]")


def _control(name: str, setting, live: bool):
    import ipywidgets

    if isinstance(setting, ipywidgets.Widget):
        return setting
    label = name.replace("_", " ")
    look = {"description": label, "continuous_update": live, **LOOK}
    if isinstance(setting, (list, dict)) and setting:
        if len(setting) <= MOST_BUTTONS:
            return _buttons(setting, label)
        return ipywidgets.SelectionSlider(options=setting, **look)
    if isinstance(setting, tuple) and len(setting) == 3 and all(isinstance(value, (int, float)) for value in setting):
        low, high, start = setting
        if all(isinstance(value, int) for value in setting):
            return ipywidgets.IntSlider(start, low, high, **look)
        return ipywidgets.FloatSlider(start, min=low, max=high, step=(high - low) / 50, **look)
    raise InputError(f"the control {name} is {setting!r}, expected (low, high, start) or a list of choices.")


def _buttons(choices, label: str, **first):
    """A button for each choice; with `value=None` none of them is pressed."""
    import ipywidgets

    look = {
        "style": {"description_width": "initial", "button_width": "auto"},
        "layout": ipywidgets.Layout(width="auto"),
    }
    return ipywidgets.ToggleButtons(options=choices, description=label, **look, **first)


def _ends(widget) -> tuple:
    if not hasattr(widget, "options"):
        return getattr(widget, "min", widget.value), getattr(widget, "max", widget.value)
    options = list(widget.options.items() if isinstance(widget.options, dict) else widget.options)
    return tuple(option[1] if isinstance(option, tuple) else option for option in (options[0], options[-1]))


def display_controls(widgets: Sequence, caption: str) -> None:
    import ipywidgets
    from IPython.display import display

    box = widgets[0] if len(widgets) == 1 else ipywidgets.VBox(list(widgets))
    bundle = box._repr_mimebundle_()
    view = {VIEW: bundle[VIEW]} if bundle and VIEW in bundle else {}
    display({"text/plain": caption, **view}, raw=True)


class _Nothing(str):
    """What stands where no prediction was made. It prints as "nothing", also where a number would be rounded."""

    def __format__(self, form: str) -> str:
        return str(self)


NOTHING = _Nothing("nothing")
"""The value of a prediction that nobody made."""


class Prediction:
    """What the learner expects, before they look.

    Args:
        widget: A control with a `value`, as it stands before anybody touched it.
        question: What is asked.
        read: Maps the control's value to the answer, or to None where it is none.
    """

    def __init__(self, widget, question: str, read: Callable = lambda value: value):
        self._widget, self.question, self._read, self._unset = widget, question, read, widget.value

    @property
    def value(self):
        """The number or choice entered so far, or `NOTHING`."""
        entered = self._widget.value
        answer = None if entered == self._unset else self._read(entered)
        return NOTHING if answer is None else answer

    def against(self, measured: float, digits: int = 2) -> None:
        """Print the prediction beside what was measured, with a word about it; or that there was none."""
        said = self.value
        if said is NOTHING:
            print(f"you made no prediction; measured {measured:.{digits}f}")
            return
        gap = abs(said - measured)
        close = gap <= min(0.05, abs(measured) / 3)  # .01 is not close to .03
        verdict = "close!" if close else "worth a second thought" if gap <= 0.2 else "most people are surprised here"
        print(f"you said {said:.{digits}f}, measured {measured:.{digits}f}: {verdict}")


def predict(question: str, choices: Sequence[str] | None = None) -> Prediction:
    """A control to write a prediction down before the answer is shown: a field for a number in 0..1, or buttons. It starts empty.

    Args:
        question: What to predict.
        choices: For a choice instead of a number: the possible answers.
    """
    import ipywidgets

    if choices:
        widget, read, state = _buttons(list(choices), "your prediction", value=None), str, []
    else:
        widget = ipywidgets.Text(placeholder="a number from 0 to 1", description="your prediction", **LOOK)
        read, state = _share, [_state_of(widget)]
    row = ipywidgets.HBox([widget, *state])
    display_controls([ipywidgets.Label(question), row], f"Predict: {question}\n   your prediction: {UNSET}")
    return Prediction(widget, question, read)


def _share(text: str) -> float | None:
    """A number in 0..1 as people write it, None where it is none.

    >>> _share("0.4"), _share(",4"), _share("40 %"), _share("four"), _share("4")
    (0.4, 0.4, 0.4, None, None)
    """
    number = text.strip().replace(",", ".")
    try:
        value = float(number.removesuffix("%")) / (100 if number.endswith("%") else 1)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


def _state_of(field):
    """A label that says what has been understood of a text field so far."""
    import ipywidgets

    label = ipywidgets.Label(UNSET)

    def tell(_change) -> None:
        value = _share(field.value)
        label.value = UNSET if not field.value.strip() else "no number from 0 to 1" if value is None else f"{value:.2f}"

    field.observe(tell, names="value")
    return label


class Guesses:
    """What a learner thinks of some clips."""

    def __init__(self, widgets: dict):
        self._widgets = widgets

    @property
    def values(self) -> dict[str, str | None]:
        """Clip -> class chosen so far, None where none is."""
        return {clip: widget.value for clip, widget in self._widgets.items()}


def guess_clips(videos: dict[str, str], choices: Sequence[str]) -> Guesses:
    """A player and a choice for each clip, for the learner to say what they hear and see. Nothing is chosen at first.

    Args:
        videos: Clip -> path of its video, which travels inside the widget; nothing of it is kept in the notebook.
        choices: The classes to choose from.
    """
    import ipywidgets

    chosen, rows = {}, []
    for number, (clip, path) in enumerate(videos.items(), start=1):
        player = ipywidgets.Video.from_file(path, autoplay=False, loop=False, width=180)
        chosen[clip] = _buttons(list(choices), f"clip {number}", value=None)
        rows.append(ipywidgets.HBox([player, chosen[clip]]))
    display_controls(rows, f"[{len(videos)} clips to play, {len(choices)} answers each: {', '.join(choices)}]")
    return Guesses(chosen)
