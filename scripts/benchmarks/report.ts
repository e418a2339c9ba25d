/** One measured number. */
export interface BenchRow {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
  /** This row's value / the peer's, both of the same run. */
  readonly ratio?: { readonly to: string; readonly value: number };
  /** What it should be. */
  readonly goal?: { readonly text: string; readonly met: boolean };
}

/** Prints rows for people. */
export function printTable(rows: readonly BenchRow[]): void {
  const width = Math.max(...rows.map((row) => row.what.length));
  for (const { what, value, unit, ratio, goal } of rows) {
    const number = value >= 100 ? value.toFixed(0) : value.toFixed(2);
    const versus = ratio ? `   ${ratio.value.toFixed(2)} x ${ratio.to}` : '';
    const verdict = goal ? `   goal ${goal.text}: ${goal.met ? 'met' : 'missed'}` : '';
    process.stdout.write(`${what.padEnd(width)}  ${number.padStart(8)} ${unit}${versus}${verdict}\n`);
  }
}

/** Middle value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
