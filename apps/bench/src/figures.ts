/** The median and the range of several measurements of the same quantity. */
export interface Figure {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function figure(values: readonly number[]): Figure {
  const ascending = [...values].sort((a, b) => a - b);
  const at = (place: number): number => ascending[Math.floor(place)] ?? 0;
  return { median: at((ascending.length - 1) / 2), min: at(0), max: at(ascending.length - 1) };
}

/** Formats a number with three significant digits and thousands separators. */
export function show(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 });
}

export function showFigure({ median, min, max }: Figure): string {
  return `${show(median)} (${show(min)}-${show(max)})`;
}

/** Formats rows as a text table. Each column is as wide as its longest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
