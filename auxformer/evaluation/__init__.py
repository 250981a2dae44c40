"""Predictions, scores, intervals over speakers, tests, people."""
