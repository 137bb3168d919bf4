"""``python -m udl.data``: fetch what is missing, say what will be used."""

import sys

from udl.data import main

if __name__ == "__main__":
    sys.exit(main())
