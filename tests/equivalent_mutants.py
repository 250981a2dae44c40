"""Mutants that no check can kill, because they are right: exercise -> {mutant: why}. See `mutants.py` for their names."""

LAST = "the axis, or the entry, is the last one, by another number"
NUMBERS = "a list of the right numbers, and the cells below can do with a list"
PAIR = "the right parts, in a list"
AS_LONG = "the two are of one length"
EDGE = "a coin that falls on the very edge has no chance worth counting"
SCALE = "a mean over speakers in place of a sum: macro-F1 does not depend on the scale of the counts"
HAIR = "a hair's breadth of another width, far below any difference that is real"
FAR = "distances are only compared, and their order is the same"
READ = "float64, and nothing but reading follows"

EQUIVALENT: dict[str, dict[str, str]] = {}

EQUIVALENT["recall_per_class"] = {
    "return hits / votes.sum(axis=1) -> return hits / votes.sum(axis=-1)": LAST,
    "return hits / votes.sum(axis=1) -> return list(hits / votes.sum(axis=1))": NUMBERS,
}
EQUIVALENT["macro_f1"] = {
    "per_class = 2 * hits / (confusion.sum(axis=1) + confusion.sum(axis=0)) -> per_class = 2 * hits / (confusion.sum(axis=-1) + confusion.sum(axis=0))": LAST,
}
EQUIVALENT["frame_energy"] = {
    "return np.array([np.sqrt(np.mean(piece ** 2)) for piece in pieces]) -> return list(np.array([np.sqrt(np.mean(piece ** 2)) for piece in pieces]))": NUMBERS,
}
EQUIVALENT["split_by_speaker"] = {
    "return (~test, test) -> return list((~test, test))": PAIR,
}
EQUIVALENT["attention"] = {
    "similarity = query @ key.transpose(1, 2) / query.shape[-1] ** 0.5 -> similarity = query @ key.transpose(1, 2) / key.shape[-1] ** 0.5": AS_LONG,
    "similarity = query @ key.transpose(1, 2) / query.shape[-1] ** 0.5 -> similarity = query @ key.transpose(2, 1) / query.shape[-1] ** 0.5": "two axes exchanged, whichever is named first",
}
EQUIVALENT["layer_step"] = {
    "thought = layer.fc2(torch.relu(layer.fc1(layer.layer_norms[1](x)))) -> thought = layer.fc2(torch.relu(layer.fc1(layer.layer_norms[-1](x))))": LAST,
}
EQUIVALENT["summarise_last_valid"] = {
    "places = mask * torch.arange(x.shape[1]) -> places = mask * torch.arange(mask.shape[1])": AS_LONG,
    "return x[torch.arange(len(x)), places.amax(1)] -> return x[torch.arange(len(mask)), places.amax(1)]": AS_LONG,
    "return x[torch.arange(len(x)), places.amax(1)] -> return x[torch.arange(len(x)), places.amax(-1)]": LAST,
    "return x[torch.arange(len(x)), places.amax(1)] -> return x[torch.arange(len(x)), places.amax(1)].double()": READ,
}
EQUIVALENT["shared_loss"] = {
    "return (table * torch.tensor(loss_weights)).sum(1).mean() -> return (table * torch.tensor(loss_weights)).sum(-1).mean()": LAST,
    "return (table * torch.tensor(loss_weights)).sum(1).mean() -> return (table * torch.tensor(loss_weights)).sum(1).mean().double()": READ,
    "table = torch.stack(per_head, 1) * logits.weights -> table = torch.stack(per_head, -1) * logits.weights": LAST,
}
EQUIVALENT["predict_with_present_heads"] = {
    "return (votes * voice_in_it.unsqueeze(-1)).sum(1) -> return (votes * voice_in_it.unsqueeze(-1)).sum(1).double()": READ,
    "voice_in_it = logits.weights / logits.weights.sum(1, keepdim=True) -> voice_in_it = logits.weights / logits.weights.sum(-1, keepdim=True)": LAST,
}
EQUIVALENT["modality_dropout"] = {
    "no_audio = (u < drop_audio) & batch.video_present -> no_audio = (u <= drop_audio) & batch.video_present": EDGE,
    "no_video = (u >= drop_audio) & (u < drop_audio + drop_video) & batch.audio_present -> no_video = (u > drop_audio) & (u < drop_audio + drop_video) & batch.audio_present": EDGE,
    "no_video = (u >= drop_audio) & (u < drop_audio + drop_video) & batch.audio_present -> no_video = (u >= drop_audio) & (u <= drop_audio + drop_video) & batch.audio_present": EDGE,
}
EQUIVALENT["layer_operations"] = {
    "return 2.0 * clips * (frames * per_frame + pairs) -> return __import__('numpy').round(2.0 * clips * (frames * per_frame + pairs), 2)": "a whole number is rounded to itself",
}
EQUIVALENT["bucket_batches"] = {
    "by_length = np.argsort(lengths, kind='stable') -> by_length = np.argsort(lengths)": "which of two clips of one length comes first is all one",
    "return [by_length[start:start + size] for start in range(0, len(by_length), size)] -> return list([by_length[start:start + size] for start in range(0, len(by_length), size)])": "a list already",
}
EQUIVALENT["gradient_in_parts"] = {
    "weighed = ((model(x) - y) ** 2).mean() * len(x) / len(inputs) -> weighed = ((model(x) - y) ** 2).mean() * len(x) / len(targets)": AS_LONG,
}
EQUIVALENT["lose_frames"] = {
    "return (emptied, kept, kept.any(1)) -> return (emptied, kept, kept.any(-1))": LAST,
    "return (emptied, kept, kept.any(1)) -> return list((emptied, kept, kept.any(1)))": PAIR,
}
EQUIVALENT["rising_share"] = {
    "return (rise > 1e-06).mean() -> return (rise > 1.5e-06).mean()": HAIR,
    "return (rise > 1e-06).mean() -> return (rise >= 1e-06).mean()": HAIR,
    "rise = reduced.max(1) - complete.max(1) -> rise = reduced.max(-1) - complete.max(1)": LAST,
    "rise = reduced.max(1) - complete.max(1) -> rise = reduced.max(1) - complete.max(-1)": LAST,
}
EQUIVALENT["vote_of_three"] = {
    "return (heads * logits.weights.unsqueeze(-1)).mean(1) -> return (heads * logits.weights.unsqueeze(-1)).mean(1).double()": READ,
}
EQUIVALENT["speaker_bootstrap"] = {
    "return scores_of(counts[drawn].sum(1))[:, 0] -> return list(scores_of(counts[drawn].sum(1))[:, 0])": NUMBERS,
    "return scores_of(counts[drawn].sum(1))[:, 0] -> return scores_of(counts[drawn].mean(1))[:, 0]": SCALE,
}
EQUIVALENT["swap_test"] = {
    "found = scores_of(counts_a.sum(0))[0] - scores_of(counts_b.sum(0))[0] -> found = scores_of(counts_a.mean(0))[0] - scores_of(counts_b.sum(0))[0]": SCALE,
    "found = scores_of(counts_a.sum(0))[0] - scores_of(counts_b.sum(0))[0] -> found = scores_of(counts_a.sum(0))[0] - scores_of(counts_b.mean(0))[0]": SCALE,
    "large = (np.abs(chance) >= abs(found) - 1e-12).sum() -> large = (np.abs(chance) > abs(found) - 1e-12).sum()": HAIR,
    "large = (np.abs(chance) >= abs(found) - 1e-12).sum() -> large = (np.abs(chance) >= abs(found) - 1.5e-12).sum()": HAIR,
    "now_a = np.where(flip, counts_b, counts_a).sum(1) -> now_a = np.where(flip, counts_b, counts_a).mean(1)": SCALE,
    "now_b = np.where(flip, counts_a, counts_b).sum(1) -> now_b = np.where(flip, counts_a, counts_b).mean(1)": SCALE,
    "return float((1 + large) / (1 + len(swaps))) -> return (1 + large) / (1 + len(swaps))": "a number of NumPy, in place of one of Python",
}
EQUIVALENT["holm_adjust"] = {
    "adjusted[order] = np.minimum(np.maximum.accumulate(stepwise), 1) -> adjusted[order] = np.minimum(1, np.maximum.accumulate(stepwise))": "the smaller of two, by another order",
}
EQUIVALENT["clip_vector"] = {
    "flags = torch.stack([batch.audio_present, batch.video_present], 1).to(voice.dtype) -> flags = torch.stack([batch.audio_present, batch.video_present], -1).to(voice.dtype)": LAST,
    "flags = torch.stack([batch.audio_present, batch.video_present], 1).to(voice.dtype) -> flags = torch.stack([batch.audio_present, batch.video_present], 1)": "torch.cat turns the flags into the dtype of the means",
    "frames = mask.sum(1, keepdim=True).clamp(min=1) -> frames = mask.sum(-1, keepdim=True).clamp(min=1)": LAST,
    "return (x * mask.unsqueeze(-1)).sum(1) / frames * present.unsqueeze(1) -> return (x * mask.unsqueeze(-1)).sum(1) / frames * present.unsqueeze(-1)": LAST,
    "return torch.cat([voice, face, flags], 1) -> return torch.cat([voice, face, flags], -1)": LAST,
}
EQUIVALENT["typicality"] = {
    "return np.sqrt((scaled ** 2).mean(axis=-1)) -> return (scaled ** 2).mean(axis=-1)": FAR,
    "return np.sqrt((scaled ** 2).mean(axis=-1)) -> return 2 * np.sqrt((scaled ** 2).mean(axis=-1))": FAR,
    "return np.sqrt((scaled ** 2).mean(axis=-1)) -> return np.sqrt((scaled ** 2).sum(axis=-1))": FAR,
}
EQUIVALENT["miss_rates"] = {
    "for name in np.unique(group): -> for name in group:": "the same groups, each several times",
    "rates[str(name)] = float(np.mean([missed[speaker == one].mean() for one in members])) -> rates[str(name)] = np.mean([missed[speaker == one].mean() for one in members])": "a number of NumPy, in place of one of Python",
}
