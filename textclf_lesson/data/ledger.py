"""Which rows of a user's table are in use, and why the others are not."""

from collections import Counter

import pandas as pd

from textclf_lesson.base.errors import DataError
from textclf_lesson.data.files import Table

_COLUMNS = ["source", "line", "reason", "row"]


class Ledger:
    """Rows in use and rows put aside, of one or several tables laid end to end.

    rows: a frame with the columns `part` (which of `tables` a row comes from) and `place` (its position there).
    where: what messages call the source.
    """

    def __init__(self, rows: pd.DataFrame, tables: list[Table]):
        self._rows, self._tables = rows, tables
        self._reason = pd.Series("", index=rows.index, dtype=object)
        self._unread = [bad for table in tables for bad in table.bad]
        sources = list(dict.fromkeys(table.source for table in tables))
        self.where = ", ".join(sources[:3]) + (f" and {len(sources) - 3} more" if len(sources) > 3 else "")
        if not len(rows) and not self._unread:
            raise DataError(f"{self.where} has a header but no rows: is it the right file, and complete?")

    def reject(self, reasons: pd.Series) -> None:
        """Put aside rows that have a reason, not "" (the index is that of the rows); a row keeps its first reason."""
        reasons = reasons.reindex(self._reason.index, fill_value="")
        self._reason = self._reason.where(self._reason != "", reasons)

    def reject_where(self, which: pd.Series, reason: str) -> None:
        """Put aside, for one reason, the rows where `which` is true."""
        self.reject(which.map(lambda true: reason if true else "").astype(object))

    def left(self, rows: pd.DataFrame | pd.Series) -> pd.DataFrame | pd.Series:
        """Those of `rows` that are in use. Raises DataError if there is none."""
        kept = rows[(self._reason == "").reindex(rows.index)]
        if not len(kept):
            raise DataError(f"{self.where} has no row that can be used: {self.summary()}.")
        return kept

    def rejected(self) -> pd.DataFrame:
        """The rows that were put aside: source, line, reason, row."""
        out = []
        for index in self._reason.index[self._reason != ""]:
            table, place = self._tables[self._rows.at[index, "part"]], self._rows.at[index, "place"]
            cells = dict(zip(table.rows.columns, table.rows.iloc[place], strict=True))
            out.append((table.source, table.rows.index[place], self._reason[index], cells))
        return pd.DataFrame([tuple(bad[c] for c in _COLUMNS) for bad in self._unread] + out, columns=_COLUMNS)

    def summary(self) -> str:
        """How many rows were put aside, by reason, with the place of the first; "" if none was."""
        rejected = self.rejected()
        first = rejected.drop_duplicates("reason").set_index("reason")["line"]
        unit = self._tables[0].unit
        parts = [f"{n:,} × {why} (first: {unit} {first[why]})" for why, n in Counter(rejected["reason"]).most_common()]
        return "; ".join(parts[:6]) + ("; …" if len(parts) > 6 else "")
