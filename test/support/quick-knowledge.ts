import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { IngestOptions } from '#agent/retrieval/ingest.ts';
import { type KnowledgeBase, openKnowledgeBase } from '#agent/retrieval/knowledge-base.ts';
import type { AddDocumentsRequest, IngestReport } from '#edge/contracts/bot.ts';
import type { RuntimePort } from '#edge/contracts/runtime.ts';
import { silentLogger } from '#edge/core/log.ts';

/** A new folder with these files in it. */
export function writeFiles(files: Readonly<Record<string, string | Buffer>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'nearside-docs-'));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

/** A knowledge base in a file of its own, or at `path`. */
export function newKnowledge(
  runtime: RuntimePort,
  path = join(mkdtempSync(join(tmpdir(), 'nearside-kb-')), 'knowledge.db'),
): KnowledgeBase {
  return openKnowledgeBase({ path, runtime, log: silentLogger });
}

/** Reads documents in and returns the report. */
export async function add(
  knowledge: KnowledgeBase,
  request: Partial<AddDocumentsRequest> & { readonly paths: readonly string[] },
  options?: IngestOptions,
): Promise<IngestReport> {
  let report: IngestReport | undefined;
  for await (const part of knowledge.addDocuments({ format: 'auto', ...request }, options))
    if (part.type === 'report') report = part.report;
  if (!report) throw new Error('the ingest ended without a report');
  return report;
}

/** The value, which the test needs to be there. */
export function requireDefined<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('expected a value, found undefined');
  return value;
}
