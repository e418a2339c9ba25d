import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { IntentRouter } from '#agent/bots/support/intent-router.ts';
import { loadFlows } from '#agent/bots/support/load-flows.ts';
import { silentLogger } from '#edge/core/log.ts';
import { FakeRuntime } from '#test/support/fake-runtime.ts';
import { openOnnxRuntime } from '#test/support/onnx-runtime.ts';

const flows = loadFlows();

describe('rules', () => {
  const router = new IntentRouter({ runtime: new FakeRuntime(), flows, log: silentLogger });

  it.each([
    ['Where is my order?', 'order-status'],
    ["Where's my parcel", 'order-status'],
    ['I want to track my order FH-100001', 'order-status'],
    ['when will my delivery arrive', 'order-status'],
    ["My order hasn't arrived yet", 'order-status'],
    ['I want to return my tent', 'return'],
    ["I'd like to send back these boots", 'return'],
    ['I need a refund', 'return'],
    ['Return this jacket please', 'return'],
    ['ok return it', 'return'],
    ['return them please', 'return'],
    ['I want to talk to a person', 'hand-over'],
    ['Let me speak to an agent', 'hand-over'],
    ['human', 'hand-over'],
    ['I want to make a complaint', 'hand-over'],
    ['How long do I have to return an opened tent?', undefined],
    ['Can I return a rope?', undefined],
    ['What does the return label cost?', undefined],
    ['hello', undefined],
  ])('%s', (text, flow) => {
    expect(router.byRule(text)?.flow).toBe(flow);
  });
});

/** Written for this test; no pattern of a flow matches them. */
const IN_SCOPE: readonly (readonly [string, string])[] = [
  ['my package still has not shown up', 'order-status'],
  ['any news about my shipment', 'order-status'],
  ['I ordered a week ago and got nothing', 'order-status'],
  ['shipping update please', 'order-status'],
  ['the jacket arrived torn and I do not want it', 'return'],
  ['I do not want this tent anymore', 'return'],
  ['I would rather have a refund', 'return'],
  ['get me somebody who can help', 'hand-over'],
  ['can somebody phone me', 'hand-over'],
];
const OUT_OF_SCOPE: readonly string[] = [
  'purple elephants',
  'tell me a joke about boots',
  'the weather is nice in Leeds',
  'write me a poem about rope',
  'my favourite colour is green',
  'what is the capital of France',
  'I am looking for a new tent',
  'recommend me a waterproof jacket',
  'I moved to a new address',
  'my password does not work',
  'a gift card for my brother',
  'cancel that order',
];

describe('nearest example, with the real encoder', () => {
  let runtime: Awaited<ReturnType<typeof openOnnxRuntime>>;
  beforeAll(async () => {
    runtime = await openOnnxRuntime('bge-small-en-v1.5');
  });
  afterAll(() => runtime[Symbol.asyncDispose]());

  it('finds the flow of most messages that no pattern matches, never a wrong one, and none for other talk', async () => {
    const router = new IntentRouter({ runtime, flows, log: silentLogger });
    const found = await Promise.all(IN_SCOPE.map(async ([text, flow]) => [(await router.byExample(text))?.flow, flow] as const));
    expect(found.filter(([got, want]) => got !== undefined && got !== want)).toEqual([]);
    expect(found.filter(([got]) => got !== undefined).length).toBeGreaterThanOrEqual(7);
    const others = await Promise.all(OUT_OF_SCOPE.map(async (text) => [text, (await router.byExample(text))?.flow]));
    expect(others.filter(([, flow]) => flow !== undefined)).toEqual([]);
    expect(IN_SCOPE.every(([text]) => router.byRule(text) === undefined)).toBe(true);
  });
});
