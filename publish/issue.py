"""Open one issue, or bring it up to date, or close it: for what scheduled workflows find.

    python publish/issue.py --label links --title "..." --body FILE     # open or update
    python publish/issue.py --label links --close --body FILE           # all is well again

At most one open issue carries the label. Needs the program ``gh``, and nothing but Python.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

LONGEST = 60_000  # characters; GitHub takes 65,536


def gh(*arguments: str) -> str:
    """Run gh; what it says of an error is shown as it is."""
    done = subprocess.run(["gh", *arguments], stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


def main(argv: list[str] | None = None) -> int:
    """Open, update or close the issue."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--label", required=True)
    parser.add_argument("--title", default="")
    parser.add_argument("--body", type=Path, required=True, help="Markdown; cut if it is too long")
    parser.add_argument("--close", action="store_true", help="all is well: close what is open")
    options = parser.parse_args(argv)
    text = options.body.read_text(encoding="utf-8")
    if len(text) > LONGEST:
        text = text[:LONGEST].rpartition("\n")[0] + "\n\nCut here: the run has the whole text.\n"
    try:
        listed = gh(
            "issue", "list", "--label", options.label, "--state", "open", "--json", "number"
        )
        numbers = sorted(str(issue["number"]) for issue in json.loads(listed))
        with tempfile.NamedTemporaryFile("w", suffix=".md", encoding="utf-8") as body:
            body.write(text)
            body.flush()
            if options.close:
                for number in numbers:
                    gh("issue", "comment", number, "--body-file", body.name)
                    gh("issue", "close", number)
            elif numbers:
                gh("issue", "edit", numbers[0], "--title", options.title, "--body-file", body.name)
            else:
                gh("label", "create", options.label, "--force")
                new = ["issue", "create", "--label", options.label, "--title", options.title]
                gh(*new, "--body-file", body.name)
    except (subprocess.CalledProcessError, FileNotFoundError) as error:
        print(f"issue.py: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
