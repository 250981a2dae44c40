"""Corpus x features x system x condition: tables of scores."""
