"""Requests: what rules read in them, for which words of a schema, and the prompt that says so."""
