"""`python -m mpssl` is the command `mpssl`."""

from mpssl.cli import main

main()
