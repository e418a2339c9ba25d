import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Ledger } from '#edge/contracts/telemetry.ts';
import { sleep } from '#edge/core/clock.ts';
import { createLogger, type Logger } from '#edge/core/log.ts';

/** A folder that is removed when its test ends. */
export function tempFolder(): Disposable & { readonly path: string; file(name: string): string } {
  const path = mkdtempSync(join(tmpdir(), 'nearside-test-'));
  return { path, file: (name) => join(path, name), [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** A logger and the lines it got. */
export function capturedLog(): { readonly log: Logger; readonly lines: string[]; readonly text: () => string } {
  const lines: string[] = [];
  return { lines, text: () => lines.join(''), log: createLogger({ level: 'debug', format: 'json', write: (line) => lines.push(line) }) };
}

/** Waits until `condition` holds; fails after 20 s naming `what`. */
export async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 20_000;
  while (!(await condition())) {
    if (Date.now() > end) expect.fail(`waited 20 s for: ${what}`);
    await sleep(20);
  }
}

/** `produced = stored + dropped + pending`, in total and in each lane, and the reasons add up. */
export function expectIdentity(ledger: Omit<Ledger, 'tenant' | 'device' | 'boot'>): void {
  expect(ledger.produced).toBe(ledger.stored + ledger.dropped + ledger.pending);
  for (const lane of Object.values(ledger.lanes)) expect(lane.produced).toBe(lane.stored + lane.dropped + lane.pending);
  expect(Object.values(ledger.droppedByReason).reduce((sum, count) => sum + count, 0)).toBe(ledger.dropped);
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return typeof address === 'object' && address ? address.port : 0;
}

/** A real Mosquitto on a free port; `kill` ends it without a word, `start` brings it back on the same port. */
export interface Mosquitto extends AsyncDisposable {
  readonly url: string;
  start(): Promise<void>;
  kill(): Promise<void>;
}

export async function startMosquitto(folder: string, settings: readonly string[] = []): Promise<Mosquitto> {
  const binary = ['/usr/sbin/mosquitto', '/usr/bin/mosquitto', '/opt/homebrew/sbin/mosquitto', '/usr/local/sbin/mosquitto'].find((path) =>
    existsSync(path),
  );
  if (!binary) return expect.fail('this test needs a real MQTT broker: install it with "apt-get install mosquitto", as .ci/run does');
  const port = await freePort();
  const config = join(folder, 'mosquitto.conf');
  writeFileSync(
    config,
    [`listener ${port} 127.0.0.1`, 'allow_anonymous true', 'persistence false', 'set_tcp_nodelay true', ...settings, ''].join('\n'),
  );
  let process: ChildProcess | undefined;
  const broker: Mosquitto = {
    url: `mqtt://127.0.0.1:${port}`,
    async start() {
      process = spawn(binary, ['-c', config, '-v'], { stdio: ['ignore', 'ignore', 'pipe'] });
      let output = '';
      process.stderr?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
      await until('Mosquitto to run', () => {
        if (process?.exitCode !== null) expect.fail(`Mosquitto ended: ${output}`);
        return /mosquitto version \S+ running/.test(output);
      });
    },
    kill: () => endProcess(process),
    [Symbol.asyncDispose]: () => endProcess(process),
  };
  await broker.start();
  return broker;
}

/** `kill -9`, and waits for the end. */
export async function endProcess(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exited;
}

/** Runs a TypeScript module of the tests in a process of its own; `lines` grows with what it prints. */
export function runModule(
  path: string,
  args: readonly string[],
): { readonly child: ChildProcess; readonly lines: string[]; readonly errors: () => string } {
  const child = spawn(process.execPath, [path, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  const lines: string[] = [];
  let rest = '';
  let errors = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors += text;
  });
  return { child, lines, errors: () => errors };
}
