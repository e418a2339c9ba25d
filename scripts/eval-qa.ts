/**
 * Quality of the QA bot on XQuAD (English): does it find the paragraph, quote the right sentence, and know when the answer is not there?
 *
 *   node_modules/.bin/node scripts/eval-qa.ts [--data DIR] [--split dev] [--limit N] [--json]   scores the committed coefficients
 *   node_modules/.bin/node scripts/eval-qa.ts --calibrate                                       trains them anew and writes them
 *
 * The questions are `DIR/xquad-en/questions.SPLIT.jsonl`; the corpus always comes from NEARSIDE_EVAL_DATA (default ../shared/data).
 */
import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { QA_COEFFICIENTS } from '#agent/bots/qa/coefficients.ts';
import { calibrateQa } from '#agent/eval/calibrate-qa.ts';
import { evaluateXquad, readXquadQuestions } from '#agent/eval/xquad.ts';
import { type KnowledgeBase, openKnowledgeBase } from '#agent/retrieval/knowledge-base.ts';
import { openModelStore } from '#apps/device/device.ts';
import { loadConfig } from '#edge/config/load.ts';
import { silentLogger } from '#edge/core/log.ts';
import { EdgeRuntime } from '#edge/runtime/edge-runtime.ts';
import { cachePassageTokens } from '#test/support/cache-embeddings.ts';

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    split: { type: 'string', default: 'dev' },
    limit: { type: 'string' },
    json: { type: 'boolean', default: false },
    calibrate: { type: 'boolean', default: false },
  },
});
const evalData = process.env.NEARSIDE_EVAL_DATA ?? '../shared/data';
const corpus = requireFile(join(evalData, 'xquad-en/corpus.jsonl'));
const questionsFile = requireFile(join(values.data ?? evalData, `xquad-en/questions.${values.split}.jsonl`));
const questions = readXquadQuestions(questionsFile).slice(0, values.limit === undefined ? undefined : Number(values.limit));

const startedAt = performance.now();
const config = loadConfig();
const recorder = { event: () => undefined, observe: () => undefined };
await using runtime = new EdgeRuntime({ config, store: openModelStore(config, silentLogger), recorder, log: silentLogger });
using knowledge = openKnowledgeBase({ path: ':memory:', runtime: cachePassageTokens(runtime), log: silentLogger });
await readCorpus(knowledge, corpus);
if (values.calibrate) {
  const { coefficients, crossValidated } = await calibrateQa(knowledge, questions, progress);
  writeFileSync(new URL('../agent/bots/qa/coefficients.json', import.meta.url), `${JSON.stringify(coefficients, null, 2)}\n`);
  print({
    suite: 'xquad',
    calibrated: true,
    n: questions.length,
    crossValidated,
    seconds: secondsSince(startedAt),
    model: config.runtime.models.embed,
  });
} else {
  const metrics = await evaluateXquad(knowledge, questions, QA_COEFFICIENTS, progress);
  print({
    suite: 'xquad',
    split: values.split,
    n: questions.length,
    metrics,
    seconds: secondsSince(startedAt),
    model: config.runtime.models.embed,
  });
}

async function readCorpus(target: KnowledgeBase, path: string): Promise<void> {
  const fields = { text: 'text', id: 'id', title: 'title' };
  for await (const part of target.addDocuments({ paths: [path], format: 'jsonl', fields })) {
    if (part.type === 'report') console.error(`indexed ${part.report.added.length} paragraphs in ${secondsSince(startedAt)} s`);
  }
}

function progress(done: number): void {
  if (done % 100 === 0) console.error(`${done} of ${questions.length} questions`);
}

function secondsSince(start: number): number {
  return Number(((performance.now() - start) / 1000).toFixed(1));
}

function print(report: Readonly<Record<string, unknown>>): void {
  console.log(values.json ? JSON.stringify(report) : JSON.stringify(report, null, 2));
}

function requireFile(path: string): string {
  if (existsSync(path)) return resolve(path);
  console.error(`The evaluation data is not there: expected ${resolve(path)}. Set NEARSIDE_EVAL_DATA to the folder that holds xquad-en/.`);
  process.exit(2);
}
