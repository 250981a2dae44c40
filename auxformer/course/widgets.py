"""What a learner touches: figures with a description, explorers that also work on paper, and a place to write a guess.

Nothing here needs a browser: without one the first frame of an explorer stands in the notebook as an ordinary picture and a
prediction takes its default, so a lesson runs headless from end to end.
"""

import os
from collections.abc import Callable, Sequence

from auxformer.errors import InputError
from auxformer.plots import closed, figure_png

VIEW = "application/vnd.jupyter.widget-view+json"


def picture(figure, alt: str) -> tuple[dict, dict]:
    """(data, metadata) of a figure for a notebook output: a PNG and its description.

    Args:
        figure: matplotlib figure; it is closed.
        alt: What the picture shows, in a sentence of at least four words, for those who cannot see it.

    Raises:
        InputError: when the description is missing or too short to describe anything.
    """
    if len(alt.split()) < 4:
        raise InputError(f'the alt text is "{alt}", expected a sentence that says what the figure shows.')
    data = {"image/png": figure_png(closed(figure)), "text/plain": f"[figure: {alt}]"}
    return data, {"image/png": {"alt": alt}}


def show(figure, alt: str) -> None:
    """Show a figure with its description; see `picture`. Print the numbers behind it in the same cell."""
    from IPython.display import display

    data, metadata = picture(figure, alt)
    display(data, metadata=metadata, raw=True)


def explorer(draw: Callable, alt: str, **controls) -> None:
    """A figure with controls: change one and the figure is drawn again.

    The first frame is an ordinary picture, so it is there on paper and on a code host as well. Headless, the two ends of every
    control are drawn once too, so that a control that breaks the figure breaks the run.

    Args:
        draw: Called as `draw(**values)`, returns a matplotlib figure.
        alt: Description of the figure, true for every setting.
        controls: Name -> (low, high, start) of two equal number types, for a slider (step 1 or a fiftieth of the range);
            or a list of choices, the first of which is shown first; or an ipywidgets widget with a `value`.

    Raises:
        InputError: no control, or one of another form.
    """
    from IPython.display import display

    widgets = {name: _control(name, setting) for name, setting in controls.items()}
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


def _control(name: str, setting):
    import ipywidgets

    if isinstance(setting, ipywidgets.Widget):
        return setting
    look = {"description": name.replace("_", " "), "style": {"description_width": "initial"}}
    if isinstance(setting, (list, dict)) and setting:
        return ipywidgets.Dropdown(options=setting, **look)
    if isinstance(setting, tuple) and len(setting) == 3 and all(isinstance(value, (int, float)) for value in setting):
        low, high, start = setting
        look["continuous_update"] = False
        if all(isinstance(value, int) for value in setting):
            return ipywidgets.IntSlider(start, low, high, **look)
        return ipywidgets.FloatSlider(start, min=low, max=high, step=(high - low) / 50, **look)
    raise InputError(f"the control {name} is {setting!r}, expected (low, high, start) or a list of choices.")


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


class Prediction:
    """What the learner expects, before they look. `value` is the guess; headless it stays the default."""

    def __init__(self, widget, question: str):
        self._widget, self.question, self._default = widget, question, widget.value

    @property
    def value(self):
        """The number, choice or text entered so far."""
        return self._widget.value

    def against(self, measured: float, digits: int = 2) -> None:
        """Print the guess beside what was measured, with a word about it unless it was never moved."""
        gap = abs(self.value - measured)
        close = gap <= min(0.05, abs(measured) / 3)  # .01 is not close to .03
        verdict = "close!" if close else "worth a second thought" if gap <= 0.2 else "most people are surprised here"
        left = self.value == self._default
        said = "the guess was left at" if left else "you said"
        print(f"{said} {self.value:.{digits}f}, measured {measured:.{digits}f}" + ("" if left else f": {verdict}"))


def predict(question: str, default, choices: Sequence[str] | None = None) -> Prediction:
    """A control to write a prediction down before the answer is shown.

    Args:
        question: What to predict.
        default: The value before anybody touched it: a number in 0..1 for a slider, or text.
        choices: For a choice instead: the possible answers, `default` among them.
    """
    import ipywidgets

    wide = {"layout": ipywidgets.Layout(width="auto"), "style": {"description_width": "initial"}}
    if choices:
        widget = ipywidgets.RadioButtons(options=list(choices), value=default, **wide)
    elif isinstance(default, str):
        widget = ipywidgets.Textarea(value=default, **wide)
    else:
        widget = ipywidgets.FloatSlider(value=default, min=0, max=1, step=0.01, **wide)
    display_controls([ipywidgets.Label(question), widget], f"Predict: {question}\n   your guess: {default}")
    return Prediction(widget, question)


class Guesses:
    """What a learner thinks of some clips; `values` is clip -> class."""

    def __init__(self, widgets: dict):
        self._widgets = widgets

    @property
    def values(self) -> dict[str, str]:
        """Clip -> class chosen so far."""
        return {clip: widget.value for clip, widget in self._widgets.items()}


def guess_clips(videos: dict[str, str], choices: Sequence[str], defaults: dict[str, str]) -> Guesses:
    """A player and a choice for each clip, for the learner to say what they hear and see.

    Args:
        videos: Clip -> path of its video, which travels inside the widget; nothing of it is kept in the notebook.
        choices: The classes to choose from.
        defaults: Clip -> choice before anybody touched it.
    """
    import ipywidgets

    chosen, rows = {}, []
    for number, (clip, path) in enumerate(videos.items(), start=1):
        player = ipywidgets.Video.from_file(path, autoplay=False, loop=False, width=180)
        look = {"value": defaults[clip], "description": f"clip {number}"}
        chosen[clip] = ipywidgets.ToggleButtons(options=list(choices), **look)
        rows.append(ipywidgets.HBox([player, chosen[clip]]))
    display_controls(rows, f"[{len(videos)} clips to play, {len(choices)} answers each: {', '.join(choices)}]")
    return Guesses(chosen)
