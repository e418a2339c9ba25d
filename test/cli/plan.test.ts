import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeHome } from '#test/support/home.ts';
import { storedVariant } from '#test/support/models.ts';
import { nearside, ROOT } from '#test/support/run.ts';
import { generatorFile } from '../store/gguf-file.ts';
import { HubServer } from '../store/hub-server.ts';

const MIB = 1024 * 1024;
const home = makeHome({ models: true });
const folder = mkdtempSync(join(tmpdir(), 'nearside-plan-'));
const hub = new HubServer();
beforeAll(() => hub.start());
afterAll(() => hub[Symbol.asyncDispose]());

/** The plan as JSON, on a device with so many bytes for engines. */
async function plan(args: readonly string[], memoryBytes?: number): Promise<ReturnType<typeof JSON.parse>> {
  const { stdout } = await nearside(['plan', ...args, '--json'], { home, env: environment(memoryBytes) });
  return JSON.parse(stdout);
}

async function planText(args: readonly string[], memoryBytes?: number): Promise<string> {
  return (await nearside(['plan', ...args], { home, env: environment(memoryBytes) })).stdout;
}

function environment(memoryBytes: number | undefined): Record<string, string> {
  return {
    NEARSIDE_STORE_HUB_URL: hub.url,
    NEARSIDE_STORE_HUB_TOKEN: 'hf_secret',
    ...(memoryBytes === undefined ? {} : { NEARSIDE_RUNTIME_MEMORY_BYTES: String(memoryBytes) }),
  };
}

describe('of a task', () => {
  it('is the plan with the device and nothing else', async () => {
    const keys = ['because', 'budgetBytes', 'candidates', 'chosen', 'device', 'fallbacks', 'loadSpec', 'profile', 'task'];
    expect(Object.keys(await plan(['generate'])).toSorted()).toEqual(keys);
  });

  it('follows the profile that is named', async () => {
    expect((await plan(['embed', '--profile', 'quality'])).profile).toBe('quality');
  });
});

describe('of a model of the catalog', () => {
  it('has no other model in it, and adds its memory up', async () => {
    const made = await plan(['smollm2-135m-instruct', '--context', '1024']);
    expect(new Set(made.candidates.map(({ model }: { model: string }) => model))).toEqual(new Set(['smollm2-135m-instruct']));
    expect(made.fit).toMatchObject({ candidate: made.chosen.id, contextTokens: 1024, fits: true });
    const { weightsBytes, kvBytes, computeBytes, runtimeBytes, totalBytes } = made.fit.memory;
    expect(kvBytes).toBe(1024 * 23_040);
    expect(totalBytes).toBe(weightsBytes + kvBytes + computeBytes + runtimeBytes);
  });

  it('says which context would fit, and that one does', async () => {
    const args = ['smollm2-135m-instruct:q4_1', '--context'];
    const made = await plan([...args, '8192'], 400 * MIB);
    expect(made.fit).toMatchObject({ fits: false, variant: 'q4_1' });
    expect(made.chosen).toBeUndefined();
    const fitting: number = made.fit.instead.contextTokens;
    expect(fitting).toBeGreaterThan(256);
    expect((await plan([...args, `${fitting}`], 400 * MIB)).fit.fits).toBe(true);
    expect((await plan([...args, `${fitting + 256}`], 400 * MIB)).fit.fits).toBe(false);
    expect(await planText([...args, '8192'], 400 * MIB)).toMatch(
      /q4_1 does not fit with context 8,192: .+ = weights .+ \+ cache 180.0 MiB .+; context \d,\d{3} fits/,
    );
  });

  it('names a quantisation when no context would help', async () => {
    const made = await plan(['llama-3.2-1b-instruct:q8_0', '--context', '2048'], 1400 * MIB);
    expect(made.fit.instead.contextTokens).toBeUndefined();
    expect(made.fit.instead.quantisation).toMatch(/^Q[4-6]_/);
  });

  it('says for which context it was trained', async () => {
    expect(await planText(['smollm2-135m-instruct', '--context', '32768'])).toMatch(/was trained for a context of 8,192, not of 32,768/);
  });
});

describe('of a file', () => {
  const weights = storedVariant('smollm2-135m-instruct').files.weights as string;

  it('reads its header and plans it like a model of the store', async () => {
    const made = await plan([weights, '--context', '2048']);
    expect(made.chosen).toMatchObject({ backend: 'llama', downloaded: true, variant: 'q4_1' });
    expect(made.header).toMatchObject({ parameters: 134_515_008, quantisation: 'Q4_1' });
    expect(made.fit).toMatchObject({ fits: true, memory: { weightsBytes: made.header.fileBytes, kvBytes: 2048 * 23_040 } });
  });

  it('is found from the folder of the caller, in any format', async () => {
    const { stdout } = await nearside(['plan', 'e5-small-v2-int8.tflite'], {
      home,
      env: { NEARSIDE_CALLER_DIR: join(ROOT, 'models/artifacts') },
    });
    expect(stdout).toMatch(/TFLite int8, 33\.4 M parameters at 8\.32 bits, ids int32\[1,512\]/);
    expect(stdout).toMatch(/nobody measured/);
  });

  it.each([
    ['page.gguf', '<html>Log in</html>', 'E_MODEL_FORMAT', /found a web page/],
    ['pointer.gguf', 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n', 'E_MODEL_FORMAT', /Git LFS pointer/],
    ['cut.gguf', generatorFile(4096).subarray(0, 2000), 'E_MODEL_CORRUPT', /where tensor "token_embd.weight" ends/],
  ])('that is none is refused: %s', async (name, content, errorCode, message) => {
    writeFileSync(join(folder, name), content);
    const { code, stderr } = await nearside(['plan', join(folder, name)], { home });
    expect(code).toBe(1);
    expect(stderr).toContain(`error ${errorCode}`);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('that is not there is told, and so is a name of nothing', async () => {
    expect((await nearside(['plan', 'no-such.gguf'], { home })).stderr).toMatch(/E_SOURCE_NOT_FOUND/);
    const { code, stderr } = await nearside(['plan', 'dance'], { home });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/no task "dance", and no model or file/)]);
  });
});

describe('of a file that is elsewhere', () => {
  const content = generatorFile(64 * MIB);

  it('reads its header by range, with the token, and says that it is not downloaded', async () => {
    hub.serve('/acme/tiny/resolve/main/tiny-f32.gguf', { content });
    const made = await plan(['hf:acme/tiny/tiny-f32.gguf', '--context', '512']);
    expect(made.chosen).toBeUndefined();
    expect(made.because).toMatch(/^Not downloaded \(64\.0 MiB at 127\.0\.0\.1:\d+\)\. Once it is here: tiny-f32/);
    expect(made.candidates[0]).toMatchObject({ downloaded: false, reasons: [{ code: 'not-downloaded' }] });
    expect(made.fit).toMatchObject({ fits: true, memory: { weightsBytes: content.length } });
    const seen = hub.requests.filter(({ path }) => path.includes('tiny-f32'));
    expect(seen.map(({ headers }) => [headers.range, headers.authorization])).toEqual([['bytes=0-65535', 'Bearer hf_secret']]);
  });

  it('is taken from any address, without the token of the hub', async () => {
    hub.serve('/files/tiny.gguf', { content });
    expect(await planText([`${hub.url}/files/tiny.gguf`])).toMatch(/Tiny: GGUF F32, 16\.8 M parameters at 32\.00 bits, llama, 2 layers/);
    expect(hub.requests.at(-1)?.headers.authorization).toBeUndefined();
    const { stderr } = await nearside(['plan', `${hub.url}/files/gone.gguf`], { home });
    expect(stderr).toMatch(/E_SOURCE_NOT_FOUND/);
  });
});

it.each([
  [['generate', '--context', 'many'], /a number of tokens/],
  [['--context', '512'], /a task, a model or a file/],
  [['hf:acme'], /hf:OWNER\/NAME\/PATH/],
  [['generate', '--profile', 'fast'], /latency, quality, battery/],
])('%j is a wrong command line', async (args, message) => {
  const { code, stderr } = await nearside(['plan', ...args], { home });
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
});
