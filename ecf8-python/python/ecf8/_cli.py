"""The command `ecf8`."""

from __future__ import annotations

import signal
import sys


def main() -> None:
    """Runs the command line of this process and ends it with the command's status: 0, 1 (data are wrong) or 2."""
    from ._ecf8 import run_cli

    # Python only makes a note of an interrupt, which nobody would read: the command ends by it, or handles it itself.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(run_cli(sys.argv[1:]))


if __name__ == "__main__":
    main()
