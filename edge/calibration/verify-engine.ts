/** Proves that a loaded engine gives the right answers: engine, file, tokenizer and provider fit together. */
import type { GenerateRequest } from '#edge/contracts/generate.ts';
import type { GoldenCase } from '#edge/contracts/model.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { EngineSubject } from './engine-subject.ts';
import { goldenInputs, isFloating, realValues } from './golden-tensors.ts';
import { cosine, decodeGoldenVector } from './golden-vector.ts';

/** Cosine to the reference below which a vector is wrong: eight-bit weights stay above .995 on texts that are chosen for it. */
const LEAST_COSINE = 0.99;

/** The same continuation on every engine: no chance, no penalty. */
const GREEDY = { temperature: 0, repeatPenalty: 1, seed: 1 } as const;

/**
 * Runs the golden cases of a model's card; without any, sees that the engine answers at all.
 * @throws EdgeError `E_GOLDEN_MISMATCH` naming the first case that fails, what was expected and what was found; the engine's own errors.
 */
export async function verifyEngine(subject: EngineSubject, cases: readonly GoldenCase[] | undefined): Promise<void> {
  if (!cases) return await seeAnAnswer(subject);
  for (const [index, golden] of cases.entries()) await check(golden, { ...subject, name: `golden case ${index + 1} (${golden.kind})` });
}

interface NamedSubject extends EngineSubject {
  readonly name: string;
}

async function check(golden: GoldenCase, subject: NamedSubject): Promise<void> {
  switch (golden.kind) {
    case 'vector':
      return await checkVector(golden, subject);
    case 'continuation':
      return await checkContinuation(golden, subject);
    case 'scores':
      return await checkScores(golden, subject);
    case 'tensor':
      return await checkTensors(golden, subject);
  }
}

async function checkVector({ text, vector }: Extract<GoldenCase, { kind: 'vector' }>, subject: NamedSubject): Promise<void> {
  const { engine, info, options } = subject;
  const expected = decodeGoldenVector(vector);
  const found = (await engine.embed({ model: info.model, texts: [text], purpose: 'plain' }, options)).vectors[0] ?? new Float32Array();
  if (found.length !== expected.length) throw mismatch(subject, `${expected.length} dimensions`, `${found.length}`);
  const similarity = cosine(found, expected);
  if (!(similarity >= LEAST_COSINE)) {
    throw mismatch(subject, `a vector with a cosine of at least ${LEAST_COSINE} to the reference`, similarity.toFixed(4));
  }
}

async function checkContinuation(golden: Extract<GoldenCase, { kind: 'continuation' }>, subject: NamedSubject): Promise<void> {
  const { prompt, startsWith } = golden;
  const found = await continueGreedily(prompt, startsWith.length, subject);
  if (!found.startsWith(startsWith)) {
    throw mismatch(subject, JSON.stringify(startsWith), JSON.stringify(found.slice(0, startsWith.length)));
  }
}

async function checkScores({ query, better, worse }: Extract<GoldenCase, { kind: 'scores' }>, subject: NamedSubject): Promise<void> {
  const { engine, info, options } = subject;
  const { scores } = await engine.score({ model: info.model, query, texts: [better, worse] }, options);
  const [first = Number.NaN, second = Number.NaN] = scores;
  if (!(first > second)) throw mismatch(subject, 'a higher score for the better text', `${first} against ${second}`);
}

async function checkTensors({ outputs, tolerance }: Extract<GoldenCase, { kind: 'tensor' }>, subject: NamedSubject): Promise<void> {
  const { engine, info, options } = subject;
  const response = await engine.runTensors({ model: info.model, inputs: goldenInputs(info) }, options);
  for (const [name, expected] of Object.entries(outputs)) {
    const tensor = response.outputs[name];
    if (!tensor) throw mismatch(subject, `an output ${name}`, Object.keys(response.outputs).join(', '));
    const quantization = info.outputs?.find((spec) => spec.name === name)?.quantization;
    const found = realValues(tensor, expected.length, quantization);
    const wrong = expected.findIndex(
      (value, i) => !(Math.abs((found[i] ?? Number.NaN) - value) <= tolerance * Math.max(1, Math.abs(value))),
    );
    if (wrong >= 0) throw mismatch(subject, `${name}[${wrong}] = ${expected[wrong]}, give or take ${tolerance}`, `${found[wrong]}`);
  }
}

/**
 * Greedy text after a raw prompt, until it has `length` characters or is over.
 * @throws EdgeError of the engine; `E_GOLDEN_MISMATCH` when its stream ends without its last part
 */
export async function continueGreedily(prompt: string, length: number, { engine, info, options }: EngineSubject): Promise<string> {
  const request: GenerateRequest = { model: info.model, prompt, maxTokens: length, sampling: GREEDY };
  let text = '';
  for await (const part of engine.generate(request, options)) {
    if (part.type === 'text-delta') text += part.text;
    if (part.type === 'response-end' || text.length >= length) return text;
  }
  throw mismatch({ info, name: 'a generation' }, 'a last part', 'none');
}

async function seeAnAnswer(subject: EngineSubject): Promise<void> {
  const { engine, info, options } = subject;
  const named = { ...subject, name: 'an answer of any kind' };
  if (info.features.includes('generate')) await continueGreedily('Once upon a time', 4, named);
  else if (info.features.includes('embed')) {
    const { vectors } = await engine.embed({ model: info.model, texts: ['Once upon a time'], purpose: 'plain' }, options);
    const vector = vectors[0] ?? new Float32Array();
    // Only a vector of finite numbers, not all zero, is at no angle to itself.
    if (!(cosine(vector, vector) > LEAST_COSINE)) throw mismatch(named, 'a vector with a direction', `${vector.length} numbers without`);
  } else if (info.features.includes('score')) {
    const { scores } = await engine.score({ model: info.model, query: 'a bird', texts: ['a crow'] }, options);
    if (!Number.isFinite(scores[0])) throw mismatch(named, 'a finite score', `${scores[0]}`);
  } else {
    const { outputs } = await engine.runTensors({ model: info.model, inputs: goldenInputs(info) }, options);
    for (const [name, tensor] of Object.entries(outputs)) {
      const isBroken = isFloating(tensor.dtype) && realValues(tensor, tensor.data.length).some(Number.isNaN);
      if (isBroken) throw mismatch(named, `numbers in ${name}`, 'NaN');
    }
  }
}

function mismatch({ info, name }: Pick<NamedSubject, 'info' | 'name'>, expected: string, found: string): EdgeError {
  return new EdgeError('E_GOLDEN_MISMATCH', {
    what: `${info.model} (${info.variant}) on ${info.backend}/${info.provider} failed ${name}`,
    expected,
    found,
  });
}
