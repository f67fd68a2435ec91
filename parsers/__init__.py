"""Readers of recorded files: one module a format, each giving frames of profkit.schema and import issues."""
