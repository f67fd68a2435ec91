"""Values that may be secrets, taken out of recorded metadata before anybody sees it.

Profilers copy environment variables, command lines and whatever a user adds into their files. What is redacted is
decided by the name a value stands under and, whatever its name, by its look. When in doubt a value is redacted: a hash
lost from a listing costs little, a token shown costs an account.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any

REDACTED = "<redacted>"

_DEEPEST = 64

# A key is split at case changes and non-letters: awsSecretKey, AWS_SECRET_KEY and aws-secret-key are the same words.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET_WORDS = frozenset(
    {"auth", "authorization", "bearer", "cookie", "cookies", "cred", "creds", "dsn", "key", "keys", "pass", "passwd"}
    | {"pat", "private", "pwd", "sas", "signature"}
)
# Words written together: mysqlpassword, apikey, authtoken. TOKENIZERS_PARALLELISM is in every log and no secret.
_SECRET_PART = re.compile(
    r"secret|passw|passphrase|credential|(?:api|access|auth|private|ssh)_?-?key|token(?!iz)", re.I
)
# The working directory, under the names shells give it.
_HARMLESS_KEYS = frozenset({"pwd", "oldpwd"})

# Shapes of credentials: the issuers document these prefixes.
_SECRET_SHAPES = (
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
    r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ANVA)[A-Z0-9]{12,}\b",  # Amazon
    r"\b(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{16,}",
    r"\bglpat-[A-Za-z0-9_-]{16,}",
    r"\bhf_[A-Za-z0-9]{16,}",
    r"\bsk[-_][A-Za-z0-9_-]{16,}",  # OpenAI, Anthropic, Stripe
    r"\b[rp]k_(?:live|test)_[A-Za-z0-9]{10,}",
    r"\bxox[a-z]-[A-Za-z0-9-]{8,}",  # Slack
    r"\bAIza[A-Za-z0-9_-]{20,}",  # Google
    r"\bya29\.[A-Za-z0-9_-]{16,}",
    r"\bnpm_[A-Za-z0-9]{20,}",
    r"\bpypi-[A-Za-z0-9_-]{16,}",
    r"\beyJ[A-Za-z0-9_-]{8,4096}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*)?",  # JSON web token
    r"(?i:\b(?:bearer|basic)\s+[A-Za-z0-9+/=._~-]{12,})",
    r"(?<![0-9A-Za-z])(?:0x)?[0-9a-fA-F]{32,}(?![0-9A-Za-z])",
)
_SHAPES = re.compile("|".join(_SECRET_SHAPES))
# scheme://user:password@host keeps its scheme and host.
_PASSWORD_IN_URL = re.compile(r"\b([a-z][a-z0-9+.-]{0,30}://)[^\s/@]+@", re.I)
# NAME=value, "name": "value" and --name value within a text: an environment block, JSON in a string, a command line.
_ASSIGNED = re.compile(
    r"""(?P<name>[A-Za-z_][\w.-]{1,63})\\*["']?\s{0,8}[=:]\s{0,8}|(?<![\w-])--?(?P<option>[\w-]{1,63})\s{1,8}"""
)
_ASSIGNED_VALUE = re.compile(r"""\\*"[^"]*"?|'[^']*'?|[^\s,;&"']+""")
_OPTION = re.compile(r"--?[\w-]{1,64}")
_NAMES_OF_VALUES = frozenset({"name", "key", "variable", "option"})
_DENSE = re.compile(r"[A-Za-z0-9+/_=-]{24,}")
_PATH_SEGMENT = re.compile(r"(?:^|/)[a-z]{3,}(?:/|$)")
_DENSE_BITS_A_CHARACTER = 3.9
# Identifiers are made of words (aclnnEmbedding_GatherV2AiCore_GatherV2); in random letters and digits words are rare.
_SPELT_WORD = re.compile(r"[A-Z]?[a-z]{3,}")
_SHARE_OF_WORDS = 0.7


def redact(value: Any, key: str = "") -> Any:
    """Give a copy of decoded JSON in which whatever may be a secret is replaced by `<redacted>`.

    Args:
        value: dict, list, str, number, bool or None, in any nesting.
        key: The name it stands under.
    """
    return _redacted(value, key, 0)


def is_secret_key(key: str) -> bool:
    """Tell whether a value under this name is taken for a secret, whatever it is."""
    if key.strip().lower() in _HARMLESS_KEYS:
        return False
    return bool(_SECRET_PART.search(key)) or any(word.lower() in _SECRET_WORDS for word in _WORD.findall(key))


def redact_text(text: str) -> str:
    """Give a text with whatever in it looks like a secret replaced by `<redacted>`."""
    text = _PASSWORD_IN_URL.sub(rf"\1{REDACTED}@", text)
    text = _SHAPES.sub(REDACTED, text)
    text = _without_assigned_secrets(text)
    return _DENSE.sub(lambda match: REDACTED if _is_dense(match.group()) else match.group(), text)


def _redacted(value: Any, key: str, depth: int) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if is_secret_key(key) or depth > _DEEPEST:
        return REDACTED
    if isinstance(value, dict):
        return _redacted_dict(value, depth)
    if isinstance(value, (list, tuple)):
        return _redacted_list(value, depth)
    return redact_text(value) if isinstance(value, str) else value


def _redacted_dict(values: dict[Any, Any], depth: int) -> dict[str, Any]:
    """Redact a dict; one that holds a name and its value ({"name": "HF_TOKEN", "value": ...}) is a named value."""
    named = [str(values[name]) for name in values if str(name).lower() in _NAMES_OF_VALUES]
    if any(is_secret_key(name) for name in named):
        return {redact_text(str(name)): REDACTED for name in values}
    return {redact_text(str(name)): _redacted(one, str(name), depth + 1) for name, one in values.items()}


def _redacted_list(values: list[Any] | tuple[Any, ...], depth: int) -> list[Any]:
    """Redact a list; what follows an option of a command line, or the first of two items, is the value it names."""
    done: list[Any] = []
    name = ""
    for value in values:
        done.append(_redacted(value, name, depth + 1))
        names_next = isinstance(value, str) and (len(values) == 2 or _OPTION.fullmatch(value))
        name = value if names_next else ""
    return done


def _without_assigned_secrets(text: str) -> str:
    pieces: list[str] = []
    done = 0
    for match in _ASSIGNED.finditer(text):
        if match.start() < done or not is_secret_key(match["name"] or match["option"]):
            continue
        value = _ASSIGNED_VALUE.match(text, match.end())
        if value is not None:
            pieces += [text[done : match.end()], REDACTED]
            done = value.end()
    return "".join([*pieces, text[done:]])


def _is_dense(text: str) -> bool:
    """Tell whether a run of letters and digits is as random as a key: all sorts of signs, evenly, no path, no words."""
    sorts = (str.islower, str.isupper, str.isdigit)
    if not all(any(sort(letter) for letter in text) for sort in sorts) or _PATH_SEGMENT.search(text):
        return False
    if sum(len(word) for word in _SPELT_WORD.findall(text)) >= _SHARE_OF_WORDS * len(text):
        return False
    shares = [count / len(text) for count in Counter(text).values()]
    return -sum(share * math.log2(share) for share in shares) >= _DENSE_BITS_A_CHARACTER
