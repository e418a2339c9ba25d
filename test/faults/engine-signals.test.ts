/** Engines with real models that are killed by every signal native code dies of, while they load, work and rest. */
import { afterEach, describe, expect, it } from 'vitest';
import { classifyFailure } from '#edge/backends/classify-failure.ts';
import type { EngineHost } from '#edge/backends/engine-host.ts';
import { storedEncoderSpec } from '#test/backends/onnx/fixtures.ts';
import { collect } from '#test/contract/backend.contract.ts';
import { EngineHosts, signalEngine } from '#test/support/engine-hosts.ts';
import { expectCode } from '#test/support/expect-code.ts';
import { smollmSpec } from '#test/support/llama-spec.ts';

const hosts = new EngineHosts();
afterEach(() => hosts[Symbol.asyncDispose]());

// A host counts crashes that follow one another quickly, and the fifth makes it wait: so four signals each.
const SIGNALS: readonly NodeJS.Signals[] = ['SIGILL', 'SIGSEGV', 'SIGBUS', 'SIGABRT'];
const QUESTION = 'How long may I keep the tent?';
const PASSAGES = Array.from({ length: 64 }, (_, i) => `Passage ${i}: an opened tent can be returned within thirty days of its delivery.`);

const embed = async (host: EngineHost, texts = [QUESTION]) =>
  (await host.embed({ model: 'e5-small-v2', texts, purpose: 'passage' })).vectors.map((vector) => [...vector]);
const generate = async (host: EngineHost) =>
  (await collect(host.generate({ model: 'smollm2', prompt: QUESTION, maxTokens: 4, sampling: { temperature: 0 } }))).text;

describe.skipIf(process.platform === 'win32')('an engine killed by a signal (Windows has none)', { timeout: 120_000 }, () => {
  it.each([
    ['e5-small-v2 on onnx', () => storedEncoderSpec('e5-small-v2'), embed],
    ['smollm2-135m-instruct on llama', smollmSpec, generate],
  ])('while it rests: the next call is answered as before (%s)', async (_what, spec, call) => {
    const { host, crashes } = hosts.open({ spec: spec() });
    const before = await call(host);
    for (const [index, signal] of SIGNALS.entries()) {
      await host.load();
      signalEngine(host, signal);
      expect(await call(host)).toEqual(before);
      await expect.poll(() => crashes.length).toBe(index + 1);
      const { exit } = crashes[index] as (typeof crashes)[number];
      expect(exit).toMatchObject({ signal, unexpected: true, error: { code: 'E_ENGINE_CRASHED' } });
      expect(classifyFailure(exit.error)).toMatchObject({ code: 'probe-crashed', detail: expect.stringContaining(signal) });
    }
  });

  it('while it embeds: the call is answered whole, by a new process', async () => {
    const { host, crashes } = hosts.open({ spec: storedEncoderSpec('e5-small-v2') });
    const before = await embed(host, PASSAGES);
    const call = embed(host, PASSAGES);
    setTimeout(() => signalEngine(host, 'SIGSEGV'), 50);
    expect(await call).toEqual(before);
    expect(crashes).toHaveLength(1);
  });

  it('while it writes: what was written arrived, the rest is an error, the next call is answered', async () => {
    const { host, crashes } = hosts.open({ spec: smollmSpec() });
    let text = '';
    const reading = (async () => {
      for await (const part of host.generate({ model: 'smollm2', prompt: QUESTION, maxTokens: 500 })) {
        if (part.type !== 'text-delta') continue;
        if (text === '') signalEngine(host, 'SIGSEGV');
        text += part.text;
      }
    })();
    const error = await expectCode(reading, 'E_ENGINE_CRASHED');
    expect(error.message).toContain('SIGSEGV');
    expect(text).not.toBe('');
    expect(await generate(host)).not.toBe('');
    expect(crashes).toHaveLength(1);
  });

  it.each(SIGNALS)('by %s while it loads: the load fails with a code, the next one works', async (signal) => {
    const { host, crashes } = hosts.open({ spec: storedEncoderSpec('e5-small-v2') });
    const error = await expectCode(host.load({ onProgress: ({ done }) => done === 1 && signalEngine(host, signal) }), 'E_ENGINE_CRASHED');
    expect(classifyFailure(error)).toMatchObject({ code: 'probe-crashed', detail: expect.stringContaining(signal) });
    expect(crashes).toHaveLength(1);
    expect(await embed(host)).toHaveLength(1);
  });
});

describe.skipIf(process.platform === 'win32')('an engine that stands still (Windows has no SIGSTOP)', { timeout: 120_000 }, () => {
  const open = () => hosts.open({ spec: storedEncoderSpec('e5-small-v2'), hangAfterMs: 8000 });

  it('under a call is ended for its silence; the next call is answered', async () => {
    const { host, crashes } = open();
    await host.load();
    signalEngine(host, 'SIGSTOP');
    const error = await expectCode(embed(host), 'E_ENGINE_HUNG');
    expect(classifyFailure(error)).toMatchObject({ code: 'probe-crashed', detail: expect.stringContaining('no sign of life') });
    await expect.poll(() => crashes.length).toBe(1);
    expect(crashes[0]?.exit.error.code).toBe('E_ENGINE_HUNG');
    expect(await embed(host)).toHaveLength(1);
  });

  it('while it rests is replaced before anybody calls', async () => {
    const { host, crashes } = open();
    await host.load();
    signalEngine(host, 'SIGSTOP');
    await expect.poll(() => crashes.length, { timeout: 30_000 }).toBe(1);
    expect(await embed(host)).toHaveLength(1);
  });

  it('while it loads fails the load; the next one works', async () => {
    const { host, crashes } = open();
    await expectCode(host.load({ onProgress: ({ done }) => done === 1 && signalEngine(host, 'SIGSTOP') }), 'E_ENGINE_HUNG');
    await expect.poll(() => crashes.length).toBe(1);
    expect(await embed(host)).toHaveLength(1);
  });
});
