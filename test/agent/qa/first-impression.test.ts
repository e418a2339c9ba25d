import { expect, test } from 'vitest';
import { QA_COEFFICIENTS } from '#agent/bots/qa/coefficients.ts';
import { askPages, holdsPhrase, readPageQuestions } from '#agent/eval/page-questions.ts';
import { addDefaultDocuments } from '#apps/bots/default-knowledge.ts';
import { silentLogger } from '#edge/core/log.ts';
import { FakeRuntime } from '#test/support/fake-runtime.ts';
import { openOnnxRuntime } from '#test/support/onnx-runtime.ts';
import { newKnowledge, writeFiles } from '#test/support/quick-knowledge.ts';

const questions = readPageQuestions(new URL('./first-impression.json', import.meta.url));
const trained = readPageQuestions(new URL('../../../agent/eval/page-questions.json', import.meta.url));

test('the questions are none that the coefficients were trained on', () => {
  const asked = (file: typeof questions): string[] => [...file.answerable.map(({ question }) => question), ...file.unanswerable];
  expect(asked(questions).filter((question) => asked(trained).includes(question))).toEqual([]);
  expect(new Set(asked(questions)).size).toBe(60);
});

test('each phrase stands on the page that the question names', async () => {
  using knowledge = newKnowledge(new FakeRuntime());
  await addDefaultDocuments({ knowledge, log: silentLogger, folder: writeFiles({}) });
  const texts = new Map(knowledge.listDocuments().map(({ source, id }) => [source, knowledge.readDocument(id)]));
  const missing = [...questions.answerable, ...trained.answerable].flatMap(({ source, phrases }) =>
    phrases.filter((phrase) => !holdsPhrase(texts.get(source) ?? '', phrase)).map((phrase) => `${source}: ${phrase}`),
  );
  expect(missing).toEqual([]);
});

test('what people ask of the default knowledge is answered with the right quote, and the rest with silence', async () => {
  await using runtime = await openOnnxRuntime();
  using knowledge = newKnowledge(runtime);
  await addDefaultDocuments({ knowledge, log: silentLogger, folder: writeFiles({}) });
  const { answerable, unanswerable } = await askPages(knowledge, questions, QA_COEFFICIENTS, 'balanced');
  const amiss = (verdict: string) => answerable.filter((outcome) => outcome.verdict === verdict);
  const told = JSON.stringify([...amiss('wrong'), ...amiss('silent')], null, 1);
  expect(amiss('right').length, told).toBeGreaterThanOrEqual(36);
  expect(amiss('wrong').length, told).toBeLessThanOrEqual(2);
  expect(unanswerable.filter(({ verdict }) => verdict !== 'silent').length).toBeLessThanOrEqual(1);
  for (const outcome of amiss('right')) {
    const source = questions.answerable.find(({ question }) => question === outcome.question)?.source;
    expect.soft(outcome.sources, outcome.question).toContain(source);
  }
});
