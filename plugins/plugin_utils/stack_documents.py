# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is generated from a stack's Compose files and kept beside them: ``.env.example``, tables in ``README.md``.

``PYTHONPATH=.collections python -m ansible_collections.moorage.stacks.plugins.plugin_utils.stack_documents FOLDER``
writes both again.
"""

from __future__ import annotations

import sys
from pathlib import Path

from . import env_example, stack_readme


def documents(folder: Path) -> dict[Path, str]:
    """Return the text of each generated file of a stack; a README that is not there is not begun.

    Raises:
        MoorageError: A Compose file of the stack is wrong.
    """
    found = {folder / ".env.example": env_example.render(folder)}
    readme = folder / "README.md"
    if readme.exists():
        found[readme] = stack_readme.update(readme.read_text(encoding="utf-8"), folder)
    return found


if __name__ == "__main__":
    for file, text in documents(Path(sys.argv[1])).items():
        file.write_text(text, encoding="utf-8")
