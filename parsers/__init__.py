"""Readers of recorded files: a folder a writer, one module a format, each giving schema frames and import issues."""
