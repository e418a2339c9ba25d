/** What a person sees: data on stdout, everything else on stderr. */
import { styleText } from 'node:util';
import type { OnProgress, Progress } from '#edge/contracts/progress.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { formatBytes } from '#edge/core/format.ts';

type Style = Parameters<typeof styleText>[0];

/** Colours text when the stream is a terminal that wants colours. */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream });
}

/** Writes a line of data. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Writes one JSON value, the form of `--json`. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** A setting as it may be shown: a URL loses its user name and password. */
export function withoutCredentials(text: string): string {
  const url = URL.parse(text);
  if (!url || (url.username === '' && url.password === '')) return text;
  url.username = url.password = '';
  return url.href;
}

/** Writes a line for the person that watches. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Writes an error with its hint; as JSON on stdout when `json` is asked for. A bug shows its stack, a user's mistake never does. */
export function printError(error: unknown, json: boolean): void {
  const coded = EdgeError.from(error);
  if (json) printJson({ error: coded.toJSON() });
  say(`${paint('red', `error ${coded.code}`, process.stderr)}: ${coded.message}`);
  say(`  ${coded.hint}`);
  if (coded.code === 'E_INTERNAL' && coded.cause instanceof Error) say(String(coded.cause.stack));
}

/** Lines columns up; numbers in the columns of `right` are set flush right. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths = rows.reduce<number[]>((all, row) => row.map((cell, i) => Math.max(all[i] ?? 0, cell.length)), []);
  return rows
    .map((row) =>
      row
        .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

const BAR_CELLS = 28;
/** Without a terminal a line is written at most this often. */
const LINE_EVERY_MS = 5000;

/** Shows progress: a bar that moves on a terminal, a line now and then elsewhere. */
export function progressReporter(stream: NodeJS.WriteStream = process.stderr): { readonly onProgress: OnProgress; end(): void } {
  let label = '';
  let startedAt = 0;
  let startedDone = 0;
  let lastLineAt = 0;
  let open = false;
  const end = (): void => {
    if (open) stream.write('\n');
    open = false;
  };
  const onProgress = (progress: Progress): void => {
    const now = Date.now();
    if (progress.label !== label) {
      end();
      label = progress.label;
      startedAt = now;
      startedDone = progress.done;
      lastLineAt = 0;
    }
    const complete = progress.total !== undefined && progress.done >= progress.total;
    if (stream.isTTY) {
      stream.write(`\r\x1b[2K${renderProgress(progress, now - startedAt, startedDone)}`);
      open = true;
      if (complete) end();
    } else if (complete || now - lastLineAt >= LINE_EVERY_MS) {
      lastLineAt = now;
      stream.write(`${renderProgress(progress, now - startedAt, startedDone)}\n`);
    }
  };
  return { onProgress, end };
}

/** One line of progress: bar, amount, rate and time left where they are known. */
function renderProgress(progress: Progress, elapsedMs: number, startedDone = 0): string {
  const amount = (value: number): string => (progress.unit === 'bytes' ? formatBytes(value) : String(value));
  const rate = elapsedMs > 500 ? ((progress.done - startedDone) / elapsedMs) * 1000 : 0;
  const speed = rate > 0 && progress.unit === 'bytes' ? `  ${formatBytes(rate)}/s` : '';
  if (!progress.total) return `${progress.label}  ${amount(progress.done)}${progress.unit === 'bytes' ? '' : ` ${progress.unit}`}${speed}`;
  const share = Math.min(1, progress.done / progress.total);
  const bar = '█'.repeat(Math.round(share * BAR_CELLS)).padEnd(BAR_CELLS, '░');
  const left = rate > 0 && share < 1 ? `  ${Math.ceil((progress.total - progress.done) / rate)} s left` : '';
  return `${progress.label}  ${bar} ${String(Math.round(share * 100)).padStart(3)} %  ${amount(progress.done)} / ${amount(progress.total)}${progress.unit === 'bytes' ? '' : ` ${progress.unit}`}${speed}${left}`;
}
