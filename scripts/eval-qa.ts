/**
 * Quality of the QA bot: does it find the paragraph, quote the right sentence, and know when the answer is not there?
 *
 *   node_modules/.bin/node scripts/eval-qa.ts [--data DIR] [--split dev] [--limit N] [--json]   scores XQuAD (English)
 *   node_modules/.bin/node scripts/eval-qa.ts --pages FILE [--json]                             scores questions on the default knowledge
 *   node_modules/.bin/node scripts/eval-qa.ts --calibrate                                       trains the coefficients anew and writes them
 *
 * `--embedder e5-small-v2:int8-tflite` names the variant that makes the vectors; by default it is the one that the device chooses.
 * XQuAD's questions are `DIR/xquad-en/questions.SPLIT.jsonl`; its corpus always comes from NEARSIDE_EVAL_DATA (default ../shared/data).
 * `test/agent/qa/first-impression.json` shows the form of FILE. `--calibrate` learns from XQuAD and from `agent/eval/page-questions.json`.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { QA_COEFFICIENTS } from '#agent/bots/qa/coefficients.ts';
import { calibrateQa } from '#agent/eval/calibrate-qa.ts';
import { askPages, type PageOutcome, readPageQuestions } from '#agent/eval/page-questions.ts';
import { evaluateXquad, readXquadQuestions, type XquadQuestion } from '#agent/eval/xquad.ts';
import { type KnowledgeBase, openKnowledgeBase } from '#agent/retrieval/knowledge-base.ts';
import { addDefaultDocuments } from '#apps/bots/default-knowledge.ts';
import { openRuntime } from '#apps/device/open-runtime.ts';
import { loadConfig } from '#edge/config/load.ts';
import type { RuntimePort } from '#edge/contracts/runtime.ts';
import { silentLogger } from '#edge/core/log.ts';
import { cachePassageTokens } from '#test/support/cache-embeddings.ts';

const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    split: { type: 'string', default: 'dev' },
    limit: { type: 'string' },
    json: { type: 'boolean', default: false },
    calibrate: { type: 'boolean', default: false },
    pages: { type: 'string' },
    embedder: { type: 'string', default: 'embed' },
  },
});
const startedAt = performance.now();
const config = loadConfig();
await using opened = openRuntime(config, silentLogger);
const embed = cachePassageTokens({
  ...opened.runtime,
  embed: (request, options) =>
    opened.runtime.embed({ ...request, model: request.model === 'embed' ? values.embedder : request.model }, options),
} as RuntimePort);
if (values.pages !== undefined) await scorePages(requireFile(values.pages));
else if (values.calibrate) await calibrate();
else await scoreXquad();

async function scoreXquad(): Promise<void> {
  const questions = xquadQuestions();
  using knowledge = await openXquad();
  const metrics = await evaluateXquad(knowledge, questions, QA_COEFFICIENTS, progressOf(questions.length));
  print({ suite: 'xquad', split: values.split, n: questions.length, metrics });
}

async function scorePages(file: string): Promise<void> {
  const questions = readPageQuestions(file);
  using knowledge = await openPages();
  const { answerable, unanswerable } = await askPages(knowledge, questions, QA_COEFFICIENTS, config.agent.strictness);
  const count = (outcomes: readonly PageOutcome[], verdict: PageOutcome['verdict']): number =>
    outcomes.filter((outcome) => outcome.verdict === verdict).length;
  const metrics = {
    answerable: answerable.length,
    right: count(answerable, 'right'),
    wrong: count(answerable, 'wrong'),
    silent: count(answerable, 'silent'),
    unanswerable: unanswerable.length,
    answered_all_the_same: count(unanswerable, 'wrong'),
  };
  const amiss = [...answerable.filter(({ verdict }) => verdict !== 'right'), ...unanswerable.filter(({ verdict }) => verdict !== 'silent')];
  print({ suite: 'pages', n: answerable.length + unanswerable.length, metrics, amiss });
}

async function calibrate(): Promise<void> {
  const questions = xquadQuestions();
  using xquad = await openXquad();
  using pages = await openPages();
  const pageQuestions = readPageQuestions(new URL('../agent/eval/page-questions.json', import.meta.url));
  const data = { xquad: { knowledge: xquad, questions }, pages: { knowledge: pages, questions: pageQuestions } };
  const { coefficients, crossValidated } = await calibrateQa(data, progressOf(questions.length));
  writeFileSync(new URL('../agent/bots/qa/coefficients.json', import.meta.url), `${JSON.stringify(coefficients, null, 2)}\n`);
  print({ suite: 'xquad and pages', calibrated: true, n: questions.length, crossValidated });
}

function xquadQuestions(): XquadQuestion[] {
  const path = requireFile(join(values.data ?? evalData(), `xquad-en/questions.${values.split}.jsonl`));
  return readXquadQuestions(path).slice(0, values.limit === undefined ? undefined : Number(values.limit));
}

async function openXquad(): Promise<KnowledgeBase> {
  const knowledge = openKnowledgeBase({ path: ':memory:', runtime: embed, log: silentLogger });
  await readCorpus(knowledge, requireFile(join(evalData(), 'xquad-en/corpus.jsonl')));
  return knowledge;
}

async function openPages(): Promise<KnowledgeBase> {
  const folder = mkdtempSync(join(tmpdir(), 'nearside-pages-'));
  const knowledge = openKnowledgeBase({ path: ':memory:', runtime: embed, log: silentLogger });
  await addDefaultDocuments({ knowledge, log: silentLogger, folder });
  rmSync(folder, { recursive: true });
  return knowledge;
}

function evalData(): string {
  return process.env.NEARSIDE_EVAL_DATA ?? '../shared/data';
}

async function readCorpus(target: KnowledgeBase, path: string): Promise<void> {
  const fields = { text: 'text', id: 'id', title: 'title' };
  for await (const part of target.addDocuments({ paths: [path], format: 'jsonl', fields })) {
    if (part.type === 'report') console.error(`indexed ${part.report.added.length} paragraphs in ${secondsSince(startedAt)} s`);
  }
}

function progressOf(total: number): (done: number) => void {
  return (done) => {
    if (done % 100 === 0) console.error(`${done} of ${total} questions`);
  };
}

function secondsSince(start: number): number {
  return Number(((performance.now() - start) / 1000).toFixed(1));
}

function print(report: Readonly<Record<string, unknown>>): void {
  const whole = { ...report, seconds: secondsSince(startedAt), model: config.runtime.models.embed };
  console.log(values.json ? JSON.stringify(whole) : JSON.stringify(whole, null, 2));
}

function requireFile(path: string): string {
  if (existsSync(path)) return resolve(path);
  console.error(`The evaluation data is not there: expected ${resolve(path)}. Set NEARSIDE_EVAL_DATA to the folder that holds xquad-en/.`);
  process.exit(2);
}
