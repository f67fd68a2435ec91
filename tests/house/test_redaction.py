"""Whatever may be a secret is taken out; what tells about a run stays."""

from __future__ import annotations

import json
import random
import string
import time

import pytest

from profkit.redaction import REDACTED, is_secret_key, redact, redact_text

# Made up; none of them opens anything.
SECRETS = [
    "AKIAIOSFODNN7EXAMPLE",
    "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
    "github_pat_11ABCDEFG0abcdefghij_KLMNOPQRSTUV",
    "hf_AbCdEfGhIjKlMnOpQrStUvWxYz012345",
    "sk-proj-AbCd1234EfGh5678IjKl9012MnOp",
    "sk-ant-api03-AbCd1234EfGh5678IjKl",
    "xoxb-123456789012-abcdefghijkl",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "glpat-AbCdEfGhIjKlMnOpQrSt",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "0123456789abcdef0123456789abcdef01234567",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA=",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk cut here",
]


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("around", ["{}", "value {} and more", "a={};b=c", '{{"x": "{}"}}', "export A={}\nexport B=1"])
def test_a_secret_is_known_by_its_look(secret: str, around: str) -> None:
    text = redact_text(around.format(secret))
    assert REDACTED in text
    for piece in secret.split("\n"):
        assert piece not in text or piece.startswith("-----")


@pytest.mark.parametrize(
    "key",
    [
        "AWS_SECRET_ACCESS_KEY",
        "awsSecretKey",
        "api-key",
        "APIKEY",
        "HF_TOKEN",
        "db.password",
        "MYSQLPASSWORD",
        "DB_PWD",
        "SSH_AUTH_SOCK",
        "Authorization",
        "sessionCookie",
        "privateKey",
        "client_secret",
        "WANDB_API_KEY",
        "SENTRY_DSN",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "userPassphrase",
        "AZURE_SAS",
    ],
)
def test_a_secret_is_known_by_its_name(key: str) -> None:
    assert is_secret_key(key)
    for value in ("x", 12345, ["x"], {"y": "x"}):
        assert redact({key: value}) == {key: REDACTED}
    assert redact({"env": {key: "hunter2"}}) == {"env": {key: REDACTED}}
    assert "hunter2" not in redact_text(f"PATH=/bin {key}=hunter2 LANG=C")
    assert "hunter2" not in redact_text(f'{{"{key}": "hunter2 and more"}}')
    assert "hunter2" not in redact_text(json.dumps(json.dumps({"in": {key: "hunter2"}})))
    assert "hunter2" not in str(redact([{"name": key, "value": "hunter2"}, [key, "hunter2"]]))


@pytest.mark.parametrize(
    "text",
    [
        "https://user:hunter2@host.example/path",
        "postgres://hunter2@db/x",
        "curl -H 'Authorization: Bearer hunter2hunter2'",
        "train.py --api-key hunter2 --lr 0.1",
        "train.py --api-key=hunter2",
        "args='--password hunter2'",
    ],
)
def test_a_secret_within_a_text_is_found(text: str) -> None:
    assert "hunter2" not in redact_text(text)


def test_the_value_after_an_option_is_its_own() -> None:
    assert redact(["train.py", "--token", "hunter2", "--lr", "0.1"]) == [
        "train.py",
        "--token",
        REDACTED,
        "--lr",
        "0.1",
    ]


def test_what_tells_about_a_run_stays() -> None:
    harmless = {
        "schemaVersion": 1,
        "deviceProperties": [{"id": 0, "name": "NVIDIA H100 80GB HBM3", "totalGlobalMem": 85018279936}],
        "distributedInfo": {"backend": "nccl", "rank": 0, "world_size": 8, "pg_config": [{"pg_name": "0"}]},
        "baseTimeNanoseconds": 1751410836000000000,
        "displayTimeUnit": "ms",
        "PWD": "/home/user/project",
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/bin",
        "LD_LIBRARY_PATH": "/usr/local/lib/python3.11/site-packages/torch/lib",
        "torch": "2.13.0+cu126",
        "started": "2026-11-23T13:20:11.449",
        "command": "python train.py --batch-size 32 --model vit_tiny_patch16_224",
        "TOKENIZERS_PARALLELISM": "false",
        "with_stack": True,
        "nothing": None,
    }
    assert redact(harmless) == harmless


def test_keys_that_are_secrets_are_not_shown_either() -> None:
    assert SECRETS[0] not in str(redact({SECRETS[0]: 1, "nested": {f"user {SECRETS[3]}": 2}}))


@pytest.mark.exhaustive
def test_deep_and_hostile_values_end() -> None:
    deep: object = "hunter2"
    for _ in range(900):
        deep = [deep]
    assert "hunter2" not in str(redact(deep))
    began = time.process_time()
    for hostile in ("a.", "eyJ-", "x://", "a=", '"', "-----BEGIN PRIVATE KEY-----", "--a ", "0a", "\\"):
        redact_text(hostile * (400_000 // len(hostile)))
    # Seconds where the cost is linear, hours where it is not.
    assert time.process_time() - began < 60


@pytest.mark.parametrize(
    "name", ["aclnnEmbedding_GatherV2AiCore_GatherV2", "GraphKernelExpanderCloudForAscend910bOnly"]
)
def test_identifiers_made_of_words_are_no_keys(name: str) -> None:
    assert redact_text(f"mark {name} end") == f"mark {name} end"


def test_random_keys_are_found_although_some_spell_words() -> None:
    generator = random.Random(0)
    alphabet = string.ascii_letters + string.digits
    keys = ["".join(generator.choices(alphabet, k=40)) for _ in range(2000)]
    missed = [key for key in keys if key in redact_text(f"value {key} end")]
    assert len(missed) <= 2
