"""`python -m moorage.lab`: the lab from a shell and from Molecule."""

from __future__ import annotations

import sys

from moorage.lab.command import main

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
