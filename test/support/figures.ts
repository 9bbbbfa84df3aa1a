/** Rows of what the tests of a file measure, which are printed at its end, if there are any. */
export function figuresAtTheEnd(): Record<string, string | number>[] {
  const rows: Record<string, string | number>[] = [];
  after(() => rows.length > 0 && console.table(rows));
  return rows;
}
