"""A learner's notebook and a new version of the course's, brought together cell by cell."""

import uuid
from collections.abc import Iterator

import nbformat
from nbformat import NotebookNode

# Cells of the learner and of the course that say two things in one place: one stays, the other is shown below it.
COURSES = "**The course has a new version of the cell above**; yours was kept. The new one:"
YOURS = "**The course has a new version of the cell above**, which is in use. What you had there:"


def read(text: str) -> NotebookNode:
    """A notebook, with the ids that its cells have. Raises ValueError, AttributeError or KeyError for anything else."""
    return nbformat.v4.reads(text)


def merge(base: NotebookNode, mine: NotebookNode, new: NotebookNode) -> tuple[NotebookNode, int]:
    """The course's new notebook with the learner's answers in it, and how many cells both had changed.

    base: as the course gave it; mine: what the learner made of that; new: as the course gives it now.
    """
    known = {cell.id: cell for cell in base.cells}
    _identify(mine.cells, base.cells)
    pairs = _pairs(mine.cells, new.cells)
    places, own, place = {id(cell): key for key, cell in pairs.items()}, {}, ""
    for cell in mine.cells:
        place = places.get(id(cell), place)
        is_own = cell.id not in known or cell.source != known[cell.id].source
        if id(cell) not in places and is_own and cell.source.strip():
            own.setdefault(place, []).append(cell)
    cells, conflicts = own.pop("", []), 0
    for cell in new.cells:
        mine_now = pairs.get(cell.id)
        settled, note = _settle(known.get(mine_now.id if mine_now else cell.id), mine_now, cell)
        beside = own.get(cell.id, [])
        if note is not None:
            conflicts += 1
            beside = [note, *(own_cell for own_cell in beside if own_cell.source != note.source)]  # once is enough
        cells += [*settled, *beside]
    merged = nbformat.from_dict({**new, "cells": cells})
    for cell, again in _doubles(merged.cells):
        cell.id = f"{cell.id[:50]}-{again}"
    return merged, conflicts


def _settle(
    base: NotebookNode | None, mine: NotebookNode | None, new: NotebookNode
) -> tuple[list[NotebookNode], NotebookNode | None]:
    """What stands in the place of a cell of the course, and a note below it if both had changed it."""
    if mine is None:
        deleted = base is not None and base.source == new.source and base.id == new.id
        return ([] if deleted else [new]), None
    if mine.source == new.source or (base is not None and new.source == base.source):
        mine.metadata, mine.id = new.metadata, new.id
        return [mine], None
    if base is not None and mine.source == base.source:
        return [new], None
    marks = new.metadata.get("nbgrader", {})
    if marks.get("grade") or mine.cell_type != new.cell_type:  # a test must be the course's
        return [new], _note(new, YOURS, mine)
    mine.metadata, mine.id = new.metadata, new.id
    return [mine], _note(new, COURSES, new)


def _note(beside: NotebookNode, heading: str, cell: NotebookNode) -> NotebookNode:
    shown = f"```python\n{cell.source}\n```" if cell.cell_type == "code" else cell.source
    return nbformat.v4.new_markdown_cell(f"{heading}\n\n{shown}", id=f"{beside.id[:55]}-both")


def _pairs(mine: list[NotebookNode], new: list[NotebookNode]) -> dict[str, NotebookNode]:
    """Id of a new cell → the learner's cell in its place: by the id, else by nbgrader's name for it."""
    by_id: dict[str, NotebookNode] = {}
    for cell in mine:
        by_id.setdefault(cell.id, cell)
    pairs = {cell.id: by_id[cell.id] for cell in new if cell.id in by_id}
    taken = {id(cell) for cell in pairs.values()}
    by_name = {_grade_id(cell): cell for cell in reversed(mine) if id(cell) not in taken and _grade_id(cell)}
    names = {cell.id: _grade_id(cell) for cell in new if cell.id not in pairs}
    return pairs | {key: by_name[name] for key, name in names.items() if name in by_name}


def _identify(mine: list[NotebookNode], base: list[NotebookNode]) -> None:
    """Some programs drop the ids: a cell gets back that of the course's cell with its name or text, else a new one."""
    by_name = {_grade_id(cell): cell.id for cell in reversed(base) if _grade_id(cell)}
    by_source = {cell.source: cell.id for cell in reversed(base)}
    for cell in mine:
        if "id" not in cell:
            cell.id = by_name.get(_grade_id(cell)) or by_source.pop(cell.source, None) or uuid.uuid4().hex[:8]


def _doubles(cells: list[NotebookNode]) -> Iterator[tuple[NotebookNode, int]]:
    """Cells whose id another one before them has, with a number for each."""
    seen: set[str] = set()
    for number, cell in enumerate(cells):
        if cell.id in seen:
            yield cell, number
        seen.add(cell.id)


def _grade_id(cell: NotebookNode) -> str | None:
    marks = cell.metadata.get("nbgrader")
    return marks.get("grade_id") if isinstance(marks, dict) else None
