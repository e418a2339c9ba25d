import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeHome } from '#test/support/home.ts';
import { nearside, run } from '#test/support/run.ts';

const empty = makeHome({ models: false });
const home = makeHome({ models: true });

describe.concurrent('help', () => {
  it('teaches the first steps and the exit codes', async () => {
    const { code, stdout } = await nearside(['--help'], { home });
    expect(code).toBe(0);
    for (const text of ['nearside start', 'nearside ask qa', 'nearside docs add', 'nearside plan', 'nearside doctor', 'Exit codes'])
      expect(stdout).toContain(text);
  });

  it.each([
    ['ask'],
    ['chat'],
    ['docs', 'add'],
    ['pull'],
    ['list'],
    ['show'],
    ['rm'],
    ['verify'],
    ['path'],
    ['quantize'],
    ['plan'],
    ['telemetry', 'status'],
    ['fleet', 'devices'],
    ['config'],
    ['doctor'],
    ['start'],
  ])('describes %s %s', async (...words) => {
    const { code, stdout } = await nearside([...words, '--help'], { home });
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: nearside ${words.join(' ')}`);
  });
});

describe.concurrent('a wrong command line', () => {
  it.each([
    [['fly'], /unknown command 'fly'/],
    [['ask'], /missing required argument/],
    [['list', '--everything'], /unknown option '--everything'/],
    [['pull'], /E_USAGE.*nothing to pull/],
    [['plan', 'dance'], /E_USAGE.*there is no task "dance"/],
    [['docs', 'add', 'x.jsonl', '--format', 'jsonl'], /E_USAGE.*--text FIELD/],
    [['start', '--port', 'eighty'], /E_USAGE.*--port/],
  ])('%j exits with 2 and says what was wrong', async (args, message) => {
    const { code, stderr } = await nearside(args, { home: empty });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(code).toBe(2);
  });
});

it('ends quietly when the reader of its output has seen enough', async () => {
  const command = `"${process.execPath}" apps/cli/main.ts list --all --json | true`;
  const { stderr } = await run('bash', ['-c', `set -o pipefail; ${command}`], { env: { NEARSIDE_HOME: empty } });
  expect(stderr).toBe('');
});

describe.concurrent('coded errors', () => {
  it.each([
    [['show', 'no-such-model'], 'E_MODEL_UNKNOWN'],
    [['path', 'qwen3-4b'], 'E_MODEL_NOT_STORED'],
    [['ask', 'oracle', 'why?'], 'E_BOT_UNKNOWN'],
    [['fleet', 'devices'], 'E_NOT_FOUND'],
  ])('%j fails with %s, a hint and no stack', async (args, errorCode) => {
    const { code, stderr } = await nearside(args, { home: empty });
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`^error ${errorCode}: .+\\n {2}[A-Z].+`, 'm'));
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('come as JSON on stdout with --json', async () => {
    const { stdout } = await nearside(['show', 'no-such-model', '--json'], { home: empty });
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'E_MODEL_UNKNOWN', hint: expect.any(String), status: 404 } });
  });

  it('name every invalid setting at once', async () => {
    const { code, stderr } = await nearside(['list'], { home: empty, env: { NEARSIDE_SERVE_PORT: 'x', NEARSIDE_LOG_LEVEL: 'loud' } });
    expect(code).toBe(1);
    expect(stderr).toMatch(/E_CONFIG_INVALID.*serve\.port.*log\.level/);
  });

  it('say when the home folder is a file', async () => {
    const file = join(empty, 'a-file');
    writeFileSync(file, '');
    const { code, stderr } = await nearside(['telemetry', 'status'], { home: join(file, 'home') });
    expect(code).toBe(1);
    expect(stderr).toMatch(/E_HOME_UNUSABLE/);
  });
});

describe.concurrent('data commands', () => {
  it('list the store, and the catalog with --all', async () => {
    const listed = JSON.parse((await nearside(['list', '--json'], { home })).stdout) as { models: { id: string }[] };
    expect(listed.models.map((model) => model.id)).toEqual(
      expect.arrayContaining(['smollm2-135m-instruct', 'e5-small-v2', 'bge-small-en-v1.5']),
    );
    const all = JSON.parse((await nearside(['list', '--all', '--json'], { home: empty })).stdout) as {
      models: { id: string; variants: { stored: boolean }[] }[];
    };
    expect(all.models.length).toBeGreaterThan(15);
    expect(all.models.every((model) => model.variants.every((variant) => !variant.stored))).toBe(true);
    expect((await nearside(['list'], { home: empty })).stderr).toContain('nearside pull --defaults');
  });

  it('show where the weights of a model lie', async () => {
    const { stdout } = await nearside(['path', 'e5-small-v2'], { home });
    expect(stdout.trim()).toMatch(/blobs\/sha256-7d9092cb/);
    const json = await nearside(['path', 'e5-small-v2', '--json'], { home });
    expect(JSON.parse(json.stdout)).toEqual({ model: 'e5-small-v2', path: stdout.trim() });
  });

  it('verify hashes every file of the store', async () => {
    const { code, stdout } = await nearside(['verify', 'e5-small-v2', '--json'], { home });
    expect(code).toBe(0);
    const { results } = JSON.parse(stdout) as { results: { variant: string; file: string; state: string }[] };
    expect(results.filter((result) => result.variant === 'int8').map((result) => result.file)).toEqual(['model.onnx', 'tokenizer.json']);
    expect(results.every((result) => result.state === 'ok')).toBe(true);
  });

  it('plan explains the choice for one task, and for all', async () => {
    const one = JSON.parse((await nearside(['plan', 'generate', '--json'], { home })).stdout);
    expect(one).toMatchObject({
      task: 'generate',
      profile: 'latency',
      chosen: { model: 'smollm2-135m-instruct', backend: 'llama' },
      device: { cpu: { usableCores: expect.any(Number) } },
    });
    expect(one.because).toMatch(/smollm2-135m-instruct.+llama\.cpp.+threads?/);
    const all = JSON.parse((await nearside(['plan', '--json'], { home })).stdout);
    expect(all.plans.map((plan: { task: string; chosen?: { backend: string } }) => [plan.task, plan.chosen?.backend])).toEqual([
      ['generate', 'llama'],
      ['embed', expect.stringMatching(/^(onnx|tflite)$/)],
      ['classify', 'onnx'],
    ]);
  });

  it('plan says why nothing can run where no model is stored', async () => {
    const { stdout } = await nearside(['plan', 'generate', '--json'], { home: empty });
    const plan = JSON.parse(stdout);
    expect(plan.chosen).toBeUndefined();
    expect(plan.candidates[0].reasons).toEqual(expect.arrayContaining([expect.objectContaining({ code: 'not-downloaded' })]));
  });

  it('config lists settings with their meaning, and never a secret; nor does doctor', async () => {
    const env = { NEARSIDE_SERVE_KEYS: 'a-very-secret-key-0123', NEARSIDE_TELEMETRY_MQTT_URL: 'mqtt://me:hush-hush@127.0.0.1:9/x' };
    const { stdout } = await nearside(['config', '--json'], { home, env });
    const doctor = await nearside(['doctor'], { home, env });
    expect(stdout + doctor.stdout).not.toMatch(/a-very-secret-key-0123|hush-hush/);
    expect(stdout).toContain('mqtt://127.0.0.1:9/x');
    expect(doctor.stdout).toMatch(/warn {2}telemetry .*mqtt:\/\/127\.0\.0\.1:9/);
    const { settings } = JSON.parse(stdout) as { settings: { path: string; meaning: string; value?: unknown }[] };
    expect(settings.find((setting) => setting.path === 'serve.keys')?.value).toBe('(secret)');
    expect(settings.find((setting) => setting.path === 'runtime.contextTokens')?.value).toBe(2048);
    expect(settings.find((setting) => setting.path === 'serve.port')).toMatchObject({ value: 8765, variable: 'NEARSIDE_SERVE_PORT' });
  });

  it('doctor finds what is missing, and says how to mend it', async () => {
    const { stdout } = await nearside(['doctor', '--json'], { home: empty, env: { NEARSIDE_SERVE_PORT: '0' } });
    const report = JSON.parse(stdout) as { node: string; findings: { check: string; level: string; hint?: string }[] };
    expect(report.findings.find((finding) => finding.check === 'models')).toMatchObject({
      level: 'warn',
      hint: expect.stringContaining('nearside pull'),
    });
    expect(report.findings.find((finding) => finding.check === 'node')).toMatchObject({ level: 'ok' });
    // Before the first fetch every model of the catalog is a "faster engine" than none.
    expect(report.findings.filter((finding) => finding.check === 'faster engine')).toEqual([]);
  });

  it.skipIf(process.platform !== 'linux')('doctor says so when nothing can be written to the home, and checks the rest', async () => {
    // Nobody can make folders there, root included.
    const { stdout } = await nearside(['doctor', '--json'], { home: '/sys/nearside', env: { NEARSIDE_SERVE_PORT: '0' } });
    const { findings } = JSON.parse(stdout) as { findings: readonly { check: string; found: string }[] };
    expect(findings.find(({ check }) => check === 'home folder')?.found).toMatch(
      /^E_HOME_UNUSABLE: .*a folder that can be written, found E/,
    );
    expect(JSON.stringify(findings)).not.toContain('E_INTERNAL');
  });

  it('telemetry status keeps the identity on a device that never ran', async () => {
    const fresh = makeHome({ models: false });
    mkdirSync(fresh, { recursive: true });
    const { stdout } = await nearside(['telemetry', 'status', '--json'], { home: fresh });
    const ledger = JSON.parse(stdout);
    expect(ledger.produced).toBe(ledger.stored + ledger.dropped + ledger.pending);
  });
});
