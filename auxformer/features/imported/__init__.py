"""Features that others extracted."""
