"""`python -m profkit`, and the command `profkit`."""

import sys

_INTERRUPTED = 130


def main() -> None:
    """Run the command line; Ctrl-C while it is still being imported ends it without a traceback, too."""
    try:
        from profkit.cli import main as run_command  # noqa: PLC0415 - what takes so long is this import
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    run_command()


if __name__ == "__main__":
    main()
