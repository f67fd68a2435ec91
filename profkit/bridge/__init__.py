"""The difference between two runs' steps, as a sum of named parts that adds up exactly."""

from profkit.bridge.difference import NO_BRIDGE, Bridge, bridge

__all__ = ["NO_BRIDGE", "Bridge", "bridge"]
