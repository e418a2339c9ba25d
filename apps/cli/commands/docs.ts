import { isAbsolute, resolve } from 'node:path';
import type { AddDocumentsRequest, IngestReport } from '#edge/contracts/bot.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { action } from '../context.ts';
import { connectDevice } from '../device-client.ts';
import { print, printJson, progressReporter, say, table } from '../terminal.ts';

interface AddOptions {
  readonly format: AddDocumentsRequest['format'];
  readonly text?: string;
  readonly id?: string;
  readonly title?: string;
}

/** `nearside docs add`: fails when any input could not be read. */
export const addDocuments = action(async (context, paths: readonly string[], options: AddOptions) => {
  if (options.format === 'jsonl' && !options.text)
    throw new EdgeError('E_USAGE', {
      what: 'JSON lines need a text field',
      expected: '--text FIELD',
      hint: 'Name the field that holds the text, such as --text body.',
    });
  await using device = await connectDevice(context);
  const { text, id, title } = options;
  const request: AddDocumentsRequest = {
    paths: paths.map((path) => (/^https?:\/\//.test(path) || isAbsolute(path) ? path : resolve(context.callerDirectory, path))),
    format: options.format,
    ...(text ? { fields: { text, ...(id ? { id } : {}), ...(title ? { title } : {}) } } : {}),
  };
  const progress = progressReporter();
  try {
    for await (const part of device.bots.addDocuments(request, { signal: context.signal })) {
      if (part.type === 'progress') progress.onProgress(part.progress);
      else showReport(part.report, context.json);
    }
  } finally {
    progress.end();
  }
});

function showReport(report: IngestReport, json: boolean): void {
  const { added, unchanged, failed } = report;
  if (json) printJson(report);
  else {
    say(`${added.length} added, ${unchanged.length} unchanged, ${failed.length} failed`);
    for (const failure of failed) say(`  ${failure.source}: ${failure.code}: ${failure.message}\n    ${failure.hint}`);
  }
  if (failed.length > 0) process.exitCode = 1;
}

/** `nearside docs list`. */
export const listDocuments = action(async (context) => {
  await using device = await connectDevice(context);
  const documents = await device.bots.listDocuments();
  if (context.json) return printJson({ documents });
  print(
    table(
      [
        ['ID', 'TITLE', 'CHARACTERS', 'CHUNKS', 'SOURCE'],
        ...documents.map((entry) => [entry.id, entry.title.slice(0, 48), String(entry.characters), String(entry.chunks), entry.source]),
      ],
      [2, 3],
    ),
  );
});

/** `nearside docs rm`. */
export const removeDocuments = action(async (context, names: readonly string[]) => {
  await using device = await connectDevice(context);
  const result = await device.bots.removeDocuments(names);
  if (context.json) return printJson(result);
  say(`${result.removed} removed`);
});

/** `nearside docs reindex`: after a change of the embedding model. */
export const reindexDocuments = action(async (context) => {
  await using device = await connectDevice(context);
  const progress = progressReporter();
  let chunks = 0;
  try {
    for await (const step of device.bots.reindexDocuments({ signal: context.signal })) {
      chunks = step.done;
      progress.onProgress(step);
    }
  } finally {
    progress.end();
  }
  if (context.json) printJson({ chunks });
  else say(`${chunks} vectors are of the present embedding model`);
});
