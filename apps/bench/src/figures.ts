/** Several measurements of one thing. */
export interface Figure {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

export function figure(values: readonly number[]): Figure {
  const ascending = [...values].sort((a, b) => a - b);
  const at = (place: number): number => ascending[Math.floor(place)] ?? 0;
  return { median: at((ascending.length - 1) / 2), least: at(0), most: at(ascending.length - 1) };
}

/** Three digits that count, thousands apart. */
export function show(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 });
}

export function showFigure({ median, least, most }: Figure): string {
  return `${show(median)} (${show(least)}-${show(most)})`;
}

/** Columns as wide as what stands in them. */
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
