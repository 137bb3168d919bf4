"""``python -m udl.cli``: the program ``udl``."""

import sys

from udl.cli import main

if __name__ == "__main__":
    sys.exit(main())
