"""The ideal observer as a reference system: the best score that anybody could reach on a generated corpus."""

from auxformer.data.missing import CONDITIONS
from auxformer.errors import InputError
from auxformer.models.registry import register_reference
from auxformer.puppets.observer import ideal_observer


@register_reference("ideal-observer")
def _ideal_observer(split):
    """knows what the voice and the face show (generated corpora only)"""
    corpus, target = split.task.corpus, split.task.target
    if corpus.truth is None:
        raise InputError(f"corpus {corpus.name}: nobody knows its best possible score; leave ideal-observer out.")

    absent = [stream for stream in ("audio", "video") if not getattr(split.train, stream).clips]
    everything = f"no-{absent[0]}" if absent else "complete"  # no clip of the task has that stream, so nobody knows it

    def answer(dataset, conditions):
        """It knows what was shown however many frames are lost or dark: there it is a ceiling nobody need reach."""
        clips, posteriors = list(dataset.clips), {}
        for name in conditions:
            known = name if name in CONDITIONS and name != "complete" else everything
            table = ideal_observer(corpus.truth.loc[clips], target, known, dataset.classes, split.task.rule)
            posteriors[name] = table.loc[clips].to_numpy()
        return posteriors

    return answer
