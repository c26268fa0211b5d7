"""Schemas and the ASTs that satisfy them: the shipped language, any JSON Schema, equality, what decoding enforces."""
