"""One fit for every network, and how it goes on after a kill."""
