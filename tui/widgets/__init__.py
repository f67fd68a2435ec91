"""Widgets of the terminal UI that know nothing of sessions."""
