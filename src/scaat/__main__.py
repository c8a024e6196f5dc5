"""``python -m scaat``: the command line."""

from scaat.cli import main

main()
