import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { bytesOf, cardOf, failureOf, fileOf, StoreFixture, sha256Of } from './fixture.ts';
import { HubServer } from './hub-server.ts';

const MIB = 1024 * 1024;
const content = bytesOf(4 * MIB, 3);
const PATH = '/acme/model/resolve/main/model.gguf';

let hub: HubServer;
let fixture: StoreFixture;
const children: ChildProcess[] = [];
beforeEach(async () => {
  hub = new HubServer();
  await hub.start();
  hub.serve(PATH, { content, slowMs: 15 });
  fixture = new StoreFixture();
  fixture.addCard(cardOf('m', [fileOf(content, [{ kind: 'hf', repo: 'acme/model', path: 'model.gguf' }])]));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  fixture[Symbol.dispose]();
  await hub[Symbol.asyncDispose]();
});

const partialSize = (): number => {
  const path = join(fixture.directory, 'partial', 'm@q8_0', 'model.gguf.0.part');
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
};
const untilHalfDone = (): Promise<void> => vi.waitFor(() => expect(partialSize()).toBeGreaterThan(MIB), { timeout: 20_000, interval: 20 });

describe('many who ask for one model', () => {
  test('share one download, and all see its progress', async () => {
    const store = fixture.open({ hubUrl: hub.url });
    const seen = [0, 0, 0];
    const all = await Promise.all(seen.map((_, at) => store.pull('m', { onProgress: () => (seen[at] = (seen[at] ?? 0) + 1) })));
    expect(new Set(all.map(({ sha256 }) => sha256))).toEqual(new Set([sha256Of(content)]));
    expect(hub.requests).toHaveLength(1);
    expect(Math.min(...seen)).toBeGreaterThan(2);
  });

  test('one who leaves does not stop the others', async () => {
    const store = fixture.open({ hubUrl: hub.url });
    const controller = new AbortController();
    const leaving = failureOf(store.pull('m', { signal: controller.signal }));
    const staying = store.pull('m');
    await untilHalfDone();
    controller.abort();
    expect(await leaving).toMatchObject({ code: 'E_CANCELLED' });
    expect((await staying).sha256).toBe(sha256Of(content));
    expect(hub.requests).toHaveLength(1);
  });

  test('the last who leaves stops the download; the next pull goes on from there', async () => {
    const store = fixture.open({ hubUrl: hub.url });
    const controllers = [new AbortController(), new AbortController()];
    const leaving = controllers.map(({ signal }) => failureOf(store.pull('m', { signal })));
    await untilHalfDone();
    for (const controller of controllers) controller.abort();
    expect((await Promise.all(leaving)).map(({ code }) => code)).toEqual(['E_CANCELLED', 'E_CANCELLED']);
    await vi.waitFor(() => expect(hub.requests[0]?.aborted).toBe(true));
    const kept = partialSize();
    expect(kept).toBeGreaterThan(MIB);
    expect((await store.pull('m')).sha256).toBe(sha256Of(content));
    expect(hub.requests.at(-1)?.headers.range).toBe(`bytes=${kept}-`);
  });

  test('who comes already aborted starts nothing', async () => {
    expect(await failureOf(fixture.open({ hubUrl: hub.url }).pull('m', { signal: AbortSignal.abort() }))).toMatchObject({
      code: 'E_CANCELLED',
    });
    expect(hub.requests).toHaveLength(0);
  });

  test('a model cannot be removed while it is fetched', async () => {
    const store = fixture.open({ hubUrl: hub.url });
    const pulling = store.pull('m');
    await untilHalfDone();
    expect(await failureOf(store.remove('m'))).toMatchObject({ code: 'E_LOCKED' });
    expect((await pulling).sha256).toBe(sha256Of(content));
  });
});

describe('processes over one folder', () => {
  const start = (): { child: ChildProcess; output: Promise<string> } => {
    const script = fileURLToPath(new URL('./pull-process.ts', import.meta.url));
    const child = spawn(process.execPath, [script, fixture.directory, fixture.catalogFolder, hub.url, 'm'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()));
    return { child, output: new Promise((resolve) => child.once('close', () => resolve(text))) };
  };

  test('download once', async () => {
    const outputs = await Promise.all([start().output, start().output, start().output]);
    const results = outputs.map((text) => JSON.parse(text) as { sha256: string; labels: string[] });
    expect(results.map(({ sha256 }) => sha256)).toEqual(Array(3).fill(sha256Of(content)));
    expect(hub.requests).toHaveLength(1);
    expect(results.filter(({ labels }) => labels.some((label) => label.startsWith('waiting for another process')))).not.toHaveLength(0);
  });

  test('kill -9 in the middle leaves a lock that is free and bytes that are used', async () => {
    const { child, output } = start();
    await untilHalfDone();
    child.kill('SIGKILL');
    await output;
    const kept = partialSize();
    const store = fixture.open({ hubUrl: hub.url });
    expect(store.find('m')).toBeUndefined();
    expect((await store.pull('m')).sha256).toBe(sha256Of(content));
    expect(hub.requests.at(-1)?.headers.range).toBe(`bytes=${kept}-`);
    expect(readdirSync(join(fixture.directory, 'partial'))).toEqual([]);
  });

  test('what a killed pull left behind can be removed', async () => {
    const { child, output } = start();
    await untilHalfDone();
    child.kill('SIGKILL');
    await output;
    const store = fixture.open({ hubUrl: hub.url });
    expect((await store.remove('m')).freedBytes).toBeGreaterThan(MIB);
    expect(await store.bytesUsed()).toBe(0);
  });
});
