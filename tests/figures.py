# Copyright (c) Moorage contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write docs/figures.md: what families of tests have measured, out of the files that they left.

``python -m tests.figures build/families/*.json``; of a case that several files have, the last one counts.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support import ROOT

PAGE = ROOT / "docs" / "figures.md"
TITLES = {
    "kills": "kills in the middle of a deploy",
    "drifts": "changes by hand that `drift` names",
    "edits": "edits of one field that `plan` names and `deploy` does",
    "plans_of_an_unchanged_stack": "plans of an unchanged stack",
    "other_routes_see_nothing_of_an_update_that_fails": "an update that never gets healthy, with clients",
}
HEAD = """# Figures

Written by `python -m tests.figures build/families/*.json` out of what runs of the tests have left; nothing in it is
typed. The servers are throwaway ones on a machine with {processors} processors that they share with everything else,
so times are upper bounds.

`./runner.py test` runs a random sample of each family (the seed is printed, and `./runner.py test -- --seed N` repeats
it); `./runner.py test --soak` runs them whole. That may be done in parts, between which what they find is mended: of
each case the last run counts.

| family | cases | in a sample | passed | failed before, in the product or its test | first, last `--soak` |
|---|---|---|---|---|---|
"""
KILLS = """
## Kills

SIGKILL for the runner, the transaction on the host, Compose or dockerd, or the host's power is cut, at each step of the
journal, in updates of two services and the gateway's configuration: good ones, ones of which a service never gets
healthy, and ones that the last check refuses. Nobody runs anything afterwards. Whole: one container of each service,
under its own name, all of one release's specification; the links agree; `verify` passes. The next kill's own deploy
starts from there, at once. Clients ask four routes that the update is not about, 20 times a second.

| killed | times | ends with the old | with the new | seconds to it: median, longest | requests | failed |
|---|---|---|---|---|---|---|
"""
GAPS = """
What the failed requests came to, and how long it lasted each time, from the first such request to the end of the last:

| killed | answer | requests | times | seconds: median, longest |
|---|---|---|---|---|
"""
DOCKERD = """
While dockerd is away nobody forwards the ports that it had published (`ConnectionRefusedError`), and nobody answers its
containers' questions for names: nginx cannot look up a service whose address it last asked for more than 5 s ago (502).
"""
STEPS = """
Where the journal stood when the kill came:

| last step | times |
|---|---|
"""


def merged(paths: list[Path]) -> dict[str, Any]:
    """Of each family: its size, its rows by case, and what the last whole run came to."""
    found: dict[str, Any] = {}
    for path in sorted(paths, key=lambda path: path.name):
        run = json.loads(path.read_text())
        for name, family in run["families"].items():
            known = found.setdefault(name, {"rows": {}, "cases": 0, "sample": 0, "whole": {}})
            known["sample"] = max(known["sample"], family.get("sample", 0))
            if run["whole"]:
                known["cases"] = max(known["cases"], family["cases"])
                known["whole"][path.name] = {**family, "date": run["date"]}
                known["rows"].update({row["case"]: row for row in family["rows"]})
    return found


def page(found: dict[str, Any], processors: int) -> str:
    """Return the page."""
    text = HEAD.format(processors=processors)
    for name, family in sorted(found.items()):
        whole = list(family["whole"].values())
        if not whole:
            continue
        failed = sum(one["run"] - one["passed"] for one in whole)
        passed = len(family["rows"]) or max(one["passed"] for one in whole)
        dates = " to ".join(sorted({whole[0]["date"], whole[-1]["date"]}))
        row = (TITLES.get(name, name), family["cases"], family["sample"], passed, failed, dates)
        text += f"| {' | '.join(map(str, row))} |\n"
    if kills := list(found.get("kills", {}).get("rows", {}).values()):
        text += KILLS + "".join(map(kill_row, by(kills, "victim").items()))
        text += GAPS + "".join(gap_rows(kills))
        if untold := sum("gaps" not in row and row["failed"] > 0 for row in kills):
            text += f"\nOf {untold} kills with failed requests this was not kept yet.\n"
        text += DOCKERD
        steps = Counter(row["step"] for row in kills)
        text += STEPS + "".join(f"| `{step}` | {count} |\n" for step, count in sorted(steps.items()))
    for row in found.get("other_routes_see_nothing_of_an_update_that_fails", {}).get("rows", {}).values():
        text += f"""
## An update that never gets healthy

A new version of one of five applications answers 500 to everything. From the call of `deploy` to its end, with the old
version back and verified: {row["seconds"]} s. Of these it was given {row["until_given_up"]} s to get healthy (the
deadline of its probes is 60 s), and the way back took {row["undone_in"]} s. Clients of four other routes:
{row["requests"]} requests, {row["failed"]} failed.
"""
    return text


def by(rows: list[dict[str, Any]], key: str) -> dict[str, list[dict[str, Any]]]:
    return {value: [row for row in rows if row[key] == value] for value in sorted({row[key] for row in rows})}


def kill_row(entry: tuple[str, list[dict[str, Any]]]) -> str:
    victim, rows = entry
    new = sum(row["result"] == "committed" for row in rows)
    seconds = [row["seconds"] for row in rows]
    requests, failed = sum(row["requests"] for row in rows), sum(row["failed"] for row in rows)
    times = f"{statistics.median(seconds):.0f}, {max(seconds):.0f}"
    cells = (victim, len(rows), len(rows) - new, new, times, requests, failed)
    return f"| {' | '.join(map(str, cells))} |\n"


def gap_rows(kills: list[dict[str, Any]]) -> list[str]:
    found: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for row in kills:
        for error, gap in row.get("gaps", {}).items():
            found.setdefault((row["victim"], error), []).append(tuple(gap))
    return [
        f"| {victim} | `{error}` | {sum(count for count, _seconds in gaps)} | {len(gaps)} |"
        f" {statistics.median(gap for _count, gap in gaps):.1f}, {max(gap for _count, gap in gaps):.1f} |\n"
        for (victim, error), gaps in sorted(found.items())
    ]


if __name__ == "__main__":
    import os

    PAGE.write_text(page(merged([Path(name) for name in sys.argv[1:]]), os.cpu_count() or 1))
