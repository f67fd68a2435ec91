"""Readers of what MindSpore itself records: CPU and GPU profiles, and the directories of 1.0 to 2.4."""
