"""What a command said of the totals of a run, kept beside them: asking again needs no frames and no pandas."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from profkit.cache import Answer
from profkit.cli.invocation import Invocation
from profkit.errors import ImportIssue, has_losses
from profkit.operator_totals import TotalsRequest, hash_of_code

# The code of profkit that decides what is said of given totals.
_DECIDING = ("cli", "report", "class_coverage.py", "summary.py", "safe_text.py", "redaction.py", "errors.py")


@dataclass(frozen=True)
class KeptAnswers:
    """The answer of one command to one question.

    Attributes:
        invocation: How the result is wanted.
        request: The totals it rests on.
        question: What else the result depends on: the command and its own options.
    """

    invocation: Invocation
    request: TotalsRequest
    question: tuple[str | None, ...]

    @property
    def _key(self) -> str | None:
        if self.request.key is None:
            return None
        form = self.invocation.form_given
        parts = [self.request.key, hash_of_code(_DECIDING), self.question, form, self.invocation.is_read]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def find(self) -> int | None:
        """Say again what was said, and give the exit code; None if it is not kept."""
        key, cache = self._key, self.request.cache
        answer = None if cache is None or key is None else cache.get_answer(key)
        if answer is None:
            return None
        for line in answer.told:
            self.invocation.say(line)
        self.invocation.give_rendered(answer.content, answer.summary)
        return self.invocation.exit_code({"issues": answer.has_losses})

    def keep(self, issues: Sequence[ImportIssue]) -> None:
        """Keep what the command has said and given, unless the cache itself had to be spoken of."""
        key, cache = self._key, self.request.cache
        if cache is None or key is None or any(issue.source.startswith(str(cache.root)) for issue in issues):
            return
        [(content, summary)] = self.invocation.given
        answer = Answer(content, summary, tuple(self.invocation.said), has_losses(issues))
        if self.request.is_as_before():
            cache.put_answer(key, answer, self.request.path)
