"""The names of calls in a msprobe dump: what was called, in which module, forward or backward.

Grammar (msprobe 1.0 to 26.2): {kind}.{api}.{call}.{forward|backward} of an API, Module|Cell.{path}.{class}.{forward|
backward}.{call} of a module, Module|Cell.{path}.{class}.parameters_grad[.{n}] of the gradients of its parameters.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_MODULE = re.compile(
    r"(?:Module|Cell)\.(?P<path>.+)\.(?P<op_type>[^.]+)\.(?P<phase>forward|backward)(?:\.\d+)?", re.DOTALL
)
_MODULE_GRADIENTS = re.compile(
    r"(?:Module|Cell)\.(?P<path>.+)\.(?P<op_type>[^.]+)\.parameters_grad(?:\.\d+)?", re.DOTALL
)
_API = re.compile(r"[^.]+\.(?:.*\.)?(?P<op_type>[^.]+)\.\d+\.(?P<phase>forward|backward)", re.DOTALL)
_OPTIMIZER = "optimizer"


class CallName(NamedTuple):
    """What the name of a call says.

    Attributes:
        op_type: API or class of the module; None if the name has no form that is known.
        phase: forward or backward; None if the name does not tell.
        module: Path of the module that the call is; None if it is an API.
        gradients: The entry holds the gradients of the module's parameters.
    """

    op_type: str | None
    phase: str | None
    module: str | None
    gradients: bool = False


def call_name(name: str) -> CallName:
    """Read the name of a call; any text is a name."""
    if match := _MODULE_GRADIENTS.fullmatch(name):
        return CallName(match["op_type"], "backward", match["path"], gradients=True)
    if match := _MODULE.fullmatch(name):
        return CallName(match["op_type"], match["phase"], match["path"])
    if match := _API.fullmatch(name):
        return CallName(match["op_type"], match["phase"], None)
    return CallName(None, None, None)


def is_optimizer(parent: str | None) -> bool:
    """Tell whether the parent that construct.json gives is the optimizer, which is no module."""
    return parent == _OPTIMIZER
