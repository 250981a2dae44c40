"""Features from networks that others trained."""
