"""What a command said of the totals of a run, kept beside them: asking again needs no frames and no pandas."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from profkit.cache import Answer
from profkit.cli.invocation import Invocation
from profkit.errors import has_losses
from profkit.operator_totals import OperatorTotals, TotalsRequest, hash_of_code

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

    def _key(self, of_totals: str) -> str:
        form = self.invocation.form_given
        parts = [of_totals, hash_of_code(_DECIDING), self.question, form, self.invocation.is_read]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def find(self) -> int | None:
        """Say again what was said, and give the exit code; None if it is not kept."""
        key, cache = self.request.key, self.request.cache
        answer = None if cache is None or key is None else cache.get_answer(self._key(key))
        if answer is None:
            return None
        for line in answer.told:
            self.invocation.say(line)
        self.invocation.give_rendered(answer.content, answer.summary)
        return self.invocation.exit_code({"issues": answer.has_losses})

    def keep(self, found: OperatorTotals) -> None:
        """Keep what the command has said and given of the totals, unless the cache itself had to be spoken of."""
        cache = self.request.cache
        if cache is None or found.key is None or any(map(cache.is_source_of, found.issues)):
            return
        [(content, summary)] = self.invocation.given
        answer = Answer(content, summary, tuple(self.invocation.said), has_losses(found.issues))
        cache.put_answer(self._key(found.key), answer, self.request.path)
