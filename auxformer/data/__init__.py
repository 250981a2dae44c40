"""From a corpus and its features to batches, and what goes missing in them."""
