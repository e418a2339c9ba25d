/** Commands that talk to a running device: here its endpoint alone, with bots that the test plays. */
import { spawn } from 'node:child_process';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { HomeLease } from '#apps/device/home.ts';
import type { CallOptions } from '#edge/contracts/backend.ts';
import type { BotRequest } from '#edge/contracts/bot.ts';
import type { ReplyPart } from '#edge/contracts/parts.ts';
import { throwIfAborted } from '#edge/core/abort.ts';
import { sleep } from '#edge/core/clock.ts';
import { listen } from '#edge/serve/listen.ts';
import { makeEndpoint, ScriptedBots, SETTINGS } from '#test/serve/harness.ts';
import { makeHome } from '#test/support/home.ts';
import { nearside, ROOT } from '#test/support/run.ts';

/** A home folder that a device at this URL holds. */
function homeOf(url: string): Disposable & { readonly home: string } {
  const home = makeHome({ models: false });
  const lease = HomeLease.take({ home, run: join(home, 'run'), data: join(home, 'data') });
  lease.publish({ pid: process.pid, url, version: '0', startedAt: new Date().toISOString() });
  return { home, [Symbol.dispose]: () => lease[Symbol.dispose]() };
}

/** A device whose streams break off after their first event, as when its process is killed. */
async function startBreaking(firstEvent: string): Promise<AsyncDisposable & { readonly url: string }> {
  const breakOff = (response: ServerResponse): void => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(firstEvent, () => response.destroy());
  };
  const server = createServer((request, response) => void request.resume().on('end', () => breakOff(response)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  };
}

it.each([
  [['ask', 'qa', 'why?'], 'data: {"choices":[{"delta":{"content":"Be"},"finish_reason":null}]}\n\n'],
  [['docs', 'add', 'notes'], 'data: {"type":"progress","progress":{"label":"reading","done":1,"total":9,"unit":"documents"}}\n\n'],
  [['docs', 'reindex'], 'data: {"label":"embedding","done":1,"total":9,"unit":"chunks"}\n\n'],
])('%j on a device that ends in the middle fails with a code and a hint, not as a bug', async (args, event) => {
  await using device = await startBreaking(event);
  using taken = homeOf(device.url);
  const { code, stderr } = await nearside(args, { home: taken.home });
  expect(stderr).toMatch(/error E_SHUTTING_DOWN: the device at http:\S+ went away/);
  expect(stderr).not.toMatch(/\n\s+at /);
  expect(code).toBe(1);
});

/** Bots whose answers last until somebody stops them. */
class EndlessBots extends ScriptedBots {
  stopped = 0;

  override async *reply(request: BotRequest, { signal }: CallOptions = {}): AsyncGenerator<ReplyPart> {
    try {
      yield { type: 'text-start' };
      for (;;) {
        yield { type: 'text-delta', text: `${request.bot} ` };
        await sleep(20);
        throwIfAborted(signal, 'the answer');
      }
    } finally {
      this.stopped++;
    }
  }
}

it.runIf(process.platform === 'linux')('chat on a terminal: Ctrl-C stops the answer and ends with 130', async () => {
  const bots = new EndlessBots();
  const listener = await listen(makeEndpoint({ bots }).app, SETTINGS);
  using taken = homeOf(listener.url);
  const terminal = openTerminal(['chat', 'qa'], taken.home);
  await expect.poll(terminal.text, { timeout: 20_000 }).toContain('> ');
  terminal.type('Hello?\r');
  await expect.poll(terminal.text, { timeout: 20_000 }).toContain('qa qa');
  terminal.type('\x03');
  expect(await terminal.ended).toBe(130);
  await expect.poll(() => bots.stopped).toBe(1);
  expect(terminal.text()).not.toContain('error');
  await listener.drain(0);
});

it.runIf(process.platform === 'linux')('chat on a terminal: Ctrl-D during an answer ends it after the answer', async () => {
  const listener = await listen(
    makeEndpoint({
      bots: new (class extends ScriptedBots {
        override async *reply(request: BotRequest): AsyncGenerator<ReplyPart> {
          yield { type: 'text-delta', text: 'Wait, ' };
          await sleep(1000);
          yield* super.reply(request);
        }
      })(),
    }).app,
    SETTINGS,
  );
  using taken = homeOf(listener.url);
  const terminal = openTerminal(['chat', 'qa'], taken.home);
  await expect.poll(terminal.text, { timeout: 20_000 }).toContain('> ');
  terminal.type('Hello?\r');
  await expect.poll(terminal.text, { timeout: 20_000 }).toContain('Wait, ');
  terminal.type('\x04');
  expect(await terminal.ended).toBe(0);
  expect(terminal.text()).toContain('Within thirty days [1].');
  expect(terminal.text()).not.toContain('error');
  await listener.drain(0);
});

/** Runs `nearside` on a pseudo-terminal, which `script` of util-linux makes. */
function openTerminal(args: readonly string[], home: string) {
  const command = [process.execPath, join(ROOT, 'apps/cli/main.ts'), ...args].join(' ');
  const child = spawn('script', ['-qefc', command, '/dev/null'], {
    cwd: ROOT,
    env: { ...process.env, NEARSIDE_HOME: home },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { ended, text: () => text, type: (keys: string) => child.stdin.write(keys) };
}
