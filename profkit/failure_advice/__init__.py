"""What a failure of MindSpore means: `ts.proposal` explains it by a small table, and raises it again.

@ts.proposal()
def train(): ...

with ts.proposal():
    net(images)
"""

from profkit.failure_advice.failure_table import Failure, known_failures, recognised
from profkit.failure_advice.proposal import proposal

__all__ = ["Failure", "known_failures", "proposal", "recognised"]
