"""`python -m mpssl` is the command `mpssl`."""

from mpssl.cli.main import main

main()
