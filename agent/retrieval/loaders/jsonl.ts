import type { AddDocumentsRequest } from '#edge/contracts/bot.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { LoadedDocument } from '../document.ts';

export type JsonlFields = NonNullable<AddDocumentsRequest['fields']>;

const DEFAULT_FIELDS: JsonlFields = { text: 'text', id: 'id', title: 'title' };

/** A row that could be read, or why it could not. */
export type JsonlRow = { readonly document: LoadedDocument } | { readonly source: string; readonly error: EdgeError };

/** One document a line. The row's source is `path#id`, or `path#line` when the row has no id. */
export function* readJsonl(text: string, source: string, fields: JsonlFields = DEFAULT_FIELDS): Generator<JsonlRow> {
  let start = 0;
  for (let line = 1; start < text.length; line++) {
    const end = text.indexOf('\n', start);
    const row = text.slice(start, end === -1 ? text.length : end).trim();
    start = end === -1 ? text.length : end + 1;
    if (row !== '') yield readRow(row, { source, line, fields });
  }
}

function readRow(row: string, place: { readonly source: string; readonly line: number; readonly fields: JsonlFields }): JsonlRow {
  const { source, line, fields } = place;
  const where = `${source}#${line}`;
  let value: unknown;
  try {
    value = JSON.parse(row);
  } catch (cause) {
    return {
      source: where,
      error: unreadable(where, 'one JSON object a line', cause instanceof Error ? cause.message : String(cause), cause),
    };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { source: where, error: unreadable(where, 'one JSON object a line', Array.isArray(value) ? 'an array' : typeof value) };
  }
  const record = value as Readonly<Record<string, unknown>>;
  const text = record[fields.text];
  if (typeof text !== 'string') {
    return { source: where, error: unreadable(where, `a string in field "${fields.text}"`, `fields ${Object.keys(record).join(', ')}`) };
  }
  const id = fieldText(record, fields.id) ?? String(line);
  const title = fieldText(record, fields.title)?.replaceAll('_', ' ') ?? id;
  return { document: { source: `${source}#${id}`, container: source, title, text: text.replace(/\r\n?/g, '\n'), headings: [] } };
}

function fieldText(record: Readonly<Record<string, unknown>>, field: string | undefined): string | undefined {
  const value = field === undefined ? undefined : record[field];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}

function unreadable(where: string, expected: string, found: string, cause?: unknown): EdgeError {
  return new EdgeError('E_DOCUMENT_UNREADABLE', {
    what: `cannot read ${where}`,
    expected,
    found,
    hint: 'Name the fields with --text, --id and --title.',
    cause,
  });
}
