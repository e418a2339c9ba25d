import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type AgentHost, openAgentHost } from '#apps/bots/agent-host.ts';
import { loadConfig } from '#edge/config/load.ts';
import type { BotRequest } from '#edge/contracts/bot.ts';
import type { ChatMessage } from '#edge/contracts/generate.ts';
import type { ReplyPart } from '#edge/contracts/parts.ts';
import type { RuntimePort } from '#edge/contracts/runtime.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { silentLogger } from '#edge/core/log.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { FakeRuntime } from '#test/support/fake-runtime.ts';
import { makeHome } from '#test/support/home.ts';
import { requireDefined } from '#test/support/quick-knowledge.ts';

const recorder = { event: () => undefined, observe: () => undefined };
const opened: AgentHost[] = [];

afterEach(async () => {
  for (const host of opened.splice(0)) await host[Symbol.asyncDispose]();
});

function open(runtime: RuntimePort = new FakeRuntime(), home = makeHome({ models: false })): AgentHost {
  const host = openAgentHost({ config: loadConfig({ home, environment: {} }), runtime, recorder, log: silentLogger });
  opened.push(host);
  return host;
}

async function say(host: AgentHost, request: Omit<BotRequest, 'messages'>, ...said: readonly string[]) {
  const messages = said.map((content, i): ChatMessage => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }));
  const parts: ReplyPart[] = await Array.fromAsync(host.reply({ ...request, messages }));
  const end = requireDefined(parts.find((part) => part.type === 'response-end'));
  const text = parts.flatMap((part) => (part.type === 'text-delta' ? [part.text] : [])).join('');
  return { text, sessionId: requireDefined(end.sessionId) };
}

/** An embedding engine that fails until it is mended. */
function mendable(): { runtime: RuntimePort; mend: () => void } {
  const fake = new FakeRuntime();
  let isBroken = true;
  const runtime = Object.assign(Object.create(fake) as RuntimePort, {
    embed: async (...call: Parameters<RuntimePort['embed']>) => {
      if (isBroken) throw new EdgeError('E_ENGINE_CRASHED', { what: 'the engine died' });
      return await fake.embed(...call);
    },
  });
  const mend = (): void => {
    isBroken = false;
  };
  return { runtime, mend };
}

test('an engine that fails on the first start fails the question only, and the next one finds the default knowledge', async () => {
  const { runtime, mend } = mendable();
  const host = open(runtime);
  await expectCode(say(host, { bot: 'qa' }, 'How long may I take?'), 'E_ENGINE_CRASHED');
  expect((await say(host, { bot: 'recommend' }, 'a waterproof jacket under 120')).text).toMatch(/jacket/i);
  mend();
  await say(host, { bot: 'qa' }, 'How long may I take?');
  expect((await host.listDocuments()).map(({ source }) => source)).toContain('demo/policies/returns.md');
});

test('a stamp that a power cut left half written counts as none', async () => {
  const home = makeHome({ models: false });
  mkdirSync(join(home, 'data'), { recursive: true });
  writeFileSync(join(home, 'data', 'seeded'), '3f9a');
  const host = open(new FakeRuntime(), home);
  expect((await host.listDocuments()).length).toBeGreaterThan(15);
});

test('what the user removed stays removed at the next start', async () => {
  const home = makeHome({ models: false });
  await open(new FakeRuntime(), home).removeDocuments(['demo/policies/club.md']);
  await requireDefined(opened.pop())[Symbol.asyncDispose]();
  expect((await open(new FakeRuntime(), home).listDocuments()).some(({ source }) => source === 'demo/policies/club.md')).toBe(false);
});

test('ends in order while the default knowledge is still being read', async () => {
  const rejections: unknown[] = [];
  const note = (reason: unknown): void => void rejections.push(reason);
  process.on('unhandledRejection', note);
  const host = open();
  opened.pop();
  await host[Symbol.asyncDispose]();
  await new Promise((resolve) => setTimeout(resolve, 50));
  process.off('unhandledRejection', note);
  expect(rejections).toEqual([]);
});

test('looks at no other engine once it is closing', async () => {
  const runtime = new FakeRuntime();
  const plan = runtime.plan.bind(runtime);
  let plans = 0;
  runtime.plan = (task) => {
    plans++;
    return plan(task);
  };
  const host = open(runtime);
  opened.pop();
  const parts = host.reply({ bot: 'qa', messages: [{ role: 'user', content: 'How long may I take?' }] });
  await parts.next();
  const closing = host[Symbol.asyncDispose]();
  await Array.fromAsync(parts);
  await closing;
  expect(plans).toBe(0);
});

test('a session that is deleted while it answers is gone afterwards', async () => {
  const host = open();
  const { sessionId } = await say(host, { bot: 'support' }, 'Hello');
  const messages = [{ role: 'user', content: 'I want to return something' }] as const;
  const parts = host.reply({ bot: 'support', sessionId, messages });
  await parts.next();
  const deletion = host.deleteSession(sessionId);
  await Array.fromAsync(parts);
  await deletion;
  expect(await host.listSessions()).toEqual([]);
  expect((await say(host, { bot: 'support', sessionId }, 'alex.morgan@example.com')).text).not.toContain('order number');
});

test('a client without a session id goes on with its own conversation', async () => {
  const host = open();
  const first = await say(host, { bot: 'support' }, 'I want to return something');
  const second = await say(host, { bot: 'support' }, 'I want to return something', first.text, 'alex.morgan@example.com');
  expect(second.sessionId).toBe(first.sessionId);
  expect(second.text).toContain('postcode');
});

test('a session that is called by its id is never found by what was said in it', async () => {
  const host = open();
  const named = await say(host, { bot: 'support', sessionId: 'kitchen' }, 'I want to return something');
  const stranger = await say(host, { bot: 'support' }, 'I want to return something', named.text, 'alex.morgan@example.com');
  expect(stranger.sessionId).not.toBe('kitchen');
  expect((await host.readSession('kitchen')).length).toBe(2);
});
