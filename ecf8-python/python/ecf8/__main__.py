"""`python -m ecf8` is the command `ecf8`."""

from ._cli import main

main()
