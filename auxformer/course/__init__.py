"""The course: lessons built from one source each, run headless, checked, and turned into pages."""
