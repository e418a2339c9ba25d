/**
 * A child process that starts on demand, is watched, and may be restarted: the one way Nearside runs native engines,
 * the agent host and the local fleet collector, so that none of them can take the device down.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { createInterface } from 'node:readline';
import { EdgeError } from '../errors.ts';
import { type LogFields, type Logger, silentLogger } from '../log.ts';
import { backoffMs } from '../retry.ts';
import { type ChildExit, countOomKills, crashError, startError } from './child-exit.ts';
import { createRpcPeer, type RpcHandlers, type RpcMethods, type RpcPeer } from './rpc.ts';

export const CHILD_STATES = ['stopped', 'starting', 'ready', 'backoff'] as const;
export type ChildState = (typeof CHILD_STATES)[number];

export interface ChildOptions<Local extends RpcMethods> {
  /** Name in logs and errors: `engine llama:smollm2-135m-instruct`. */
  readonly name: string;
  /** Absolute path of the entry module; it must call `connectParent` (see `parent.ts`). */
  readonly entry: string;
  readonly args?: readonly string[];
  /** The whole environment of the child; the composition root passes its own on. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What the child may call here. */
  readonly handlers: RpcHandlers<Local>;
  /** Time until the child must have connected. Defaults to 20 s. */
  readonly startTimeoutMs?: number;
  /** Without a heartbeat for this long the child is killed. Must exceed the longest native call. Defaults to 60 s. */
  readonly hangAfterMs?: number;
  /** Stops the child after this long without a call; 0 never. Defaults to 0. */
  readonly idleStopMs?: number;
  /**
   * Resident memory in bytes above which a child that has grown is replaced once it is idle; 0 never. One that was about as large after
   * its first call is left alone: its successor would be no smaller. Defaults to 0.
   */
  readonly maxResidentBytes?: number;
  readonly onExit?: (exit: ChildExit) => void;
  readonly log?: Logger;
}

interface Heartbeat {
  readonly beat: true;
  readonly residentBytes: number;
}

const WATCH_MS = 1000;
const STABLE_AFTER_MS = 60_000;
const MAX_FAST_CRASHES = 5;
/** Growth since the child's first call that makes a replacement worth its start. */
const RECYCLE_GROWTH = 1.5;
/** Time the last words of a dead child have to arrive; a process that it left behind may hold its stderr open. */
const LAST_WORDS_MS = 500;

export class SupervisedChild<Remote extends RpcMethods, Local extends RpcMethods = Record<never, never>> {
  readonly #options: ChildOptions<Local>;
  readonly #log: Logger;
  #child: ChildProcess | undefined;
  #peer: RpcPeer<Remote> | undefined;
  #starting: Promise<RpcPeer<Remote>> | undefined;
  #exited: Promise<void> = Promise.resolve();
  #stopping = false;
  #stops = 0;
  #crashes = 0;
  #fastCrashes = 0;
  #retryAt = 0;
  #startedAt = 0;
  /** Counted by the watch, not by a clock: neither a jump of the time nor a standstill of this process is the child's silence. */
  #silentMs = 0;
  #residentBytes = 0;
  #hasServed = false;
  /** Resident memory at the first heartbeat after its first call; 0 until then. */
  #settledBytes = 0;
  #killReason: EdgeError | undefined;
  #active = 0;
  #watch: NodeJS.Timeout | undefined;
  #idleSince = 0;

  constructor(options: ChildOptions<Local>) {
    this.#options = options;
    this.#log = (options.log ?? silentLogger).child({ child: options.name });
  }

  get state(): ChildState {
    if (this.#peer) return 'ready';
    if (this.#starting) return 'starting';
    return performance.now() < this.#retryAt ? 'backoff' : 'stopped';
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get residentBytes(): number {
    return this.#residentBytes;
  }

  /** Unexpected exits so far. */
  get crashes(): number {
    return this.#crashes;
  }

  /** Leases in flight. */
  get active(): number {
    return this.#active;
  }

  /**
   * Runs `use` with the connected child, which starts when it is not running; the child is not idle-stopped or
   * replaced meanwhile.
   * @throws EdgeError `E_ENGINE_BACKOFF` after repeated crashes, `E_ENGINE_CRASHED` or `E_MEMORY_BUDGET` when it dies.
   */
  async lease<T>(use: (peer: RpcPeer<Remote>) => Promise<T>): Promise<T> {
    this.#active++;
    try {
      return await use(await this.start());
    } finally {
      this.#release();
    }
  }

  /** Like {@link lease}, for a stream. */
  async *leaseStream<T>(use: (peer: RpcPeer<Remote>) => AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    this.#active++;
    try {
      yield* use(await this.start());
    } finally {
      this.#release();
    }
  }

  #release(): void {
    this.#active--;
    this.#hasServed = true;
    this.#idleSince = performance.now();
  }

  /** Starts the child unless it runs; callers that come meanwhile share the start. */
  start(): Promise<RpcPeer<Remote>> {
    if (this.#peer) return Promise.resolve(this.#peer);
    this.#starting ??= this.#spawn().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  /**
   * Asks the child to end, and kills it after the deadline. Calls in flight fail with `E_SHUTTING_DOWN`; a later call
   * starts the child again. Safe to call again.
   */
  async stop(deadlineMs = 3000): Promise<void> {
    this.#stops++;
    const child = this.#child;
    if (!child) return;
    this.#stopping = true;
    this.#peer?.close(this.#stoppedError());
    this.#peer = undefined;
    if (child.connected) child.disconnect();
    const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
    await this.#exited;
    clearTimeout(timer);
  }

  /** Ends the child at once, as a crash; calls in flight fail with `reason`. */
  kill(reason: EdgeError): void {
    this.#killReason = reason;
    this.#peer?.close(reason);
    this.#peer = undefined;
    this.#child?.kill('SIGKILL');
  }

  #stoppedError(): EdgeError {
    return new EdgeError('E_SHUTTING_DOWN', { what: `${this.#options.name} was stopped` });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #spawn(): Promise<RpcPeer<Remote>> {
    const waitMs = this.#retryAt - performance.now();
    if (waitMs > 0) {
      throw new EdgeError('E_ENGINE_BACKOFF', {
        what: `${this.#options.name} crashed ${this.#fastCrashes} times in a row`,
        found: `${Math.ceil(waitMs / 1000)} s left until its next start`,
        details: { retryAfterMs: waitMs },
      });
    }
    const stops = this.#stops;
    await this.#exited;
    if (stops !== this.#stops) throw this.#stoppedError();
    this.#stopping = false;
    const { name, handlers, startTimeoutMs = 20_000 } = this.#options;
    const child = this.#fork();
    this.#child = child;
    this.#startedAt = this.#idleSince = performance.now();
    this.#silentMs = this.#settledBytes = 0;
    this.#hasServed = false;
    this.#killReason = undefined;
    const stderr = tailOf(child, this.#log);
    const peer = createRpcPeer<Remote, Local>((message) => {
      // A dying child closes its channel before it exits; the exit tells the callers, so the failed send need not.
      child.send(message as object, (error) => error && this.#log.debug('message to child was lost', { error }));
    }, handlers);

    const ended = this.#endOf(child, stderr);
    this.#exited = ended.then((exit) => this.#onExit(peer, exit));
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        const reason = new EdgeError('E_ENGINE_HUNG', {
          what: `${name} did not start`,
          expected: `a first heartbeat within ${startTimeoutMs} ms`,
          found: 'none',
        });
        this.kill(reason);
        reject(reason);
      }, startTimeoutMs);
      child.on('error', (error) => {
        clearTimeout(timer);
        reject(startError(name, error));
      });
      void ended.then(({ error }) => {
        clearTimeout(timer);
        reject(error);
      });
      child.on('message', (message: unknown) => {
        if (isHeartbeat(message)) {
          this.#silentMs = 0;
          this.#residentBytes = message.residentBytes;
          if (this.#hasServed) this.#settledBytes ||= message.residentBytes;
          clearTimeout(timer);
          resolve();
        } else {
          peer.receive(message);
        }
      });
    });
    this.#peer = peer;
    this.#watch = setInterval(() => this.#check(), WATCH_MS);
    this.#watch.unref();
    this.#log.debug('child started', { pid: child.pid });
    return peer;
  }

  /** Resolves when the process is gone and what it wrote last has arrived. */
  #endOf(child: ChildProcess, stderr: () => string): Promise<ChildExit> {
    const oomKillsBefore = countOomKills();
    return new Promise((resolve) => {
      const onEnd = (code: number | null, signal: NodeJS.Signals | null): void => {
        const unexpected = !this.#stopping;
        const tell = (): void => {
          clearTimeout(timer);
          const exit = { pid: child.pid ?? 0, code, signal, unexpected, stderrTail: stderr() };
          const crash = (): EdgeError => this.#killReason ?? crashError(this.#options.name, exit, countOomKills() - oomKillsBefore);
          resolve({ ...exit, error: unexpected ? crash() : this.#stoppedError() });
        };
        const timer = setTimeout(tell, LAST_WORDS_MS);
        // Node.js emits no `close` for a child that it was disconnected from; nobody needs the last words of one that was asked to stop.
        if (unexpected) child.once('close', tell);
        else tell();
      };
      child.once('exit', onEnd);
      // A process that could not be made has an error instead of an exit.
      child.once('error', () => child.pid === undefined && onEnd(null, null));
    });
  }

  #fork(): ChildProcess {
    const { name, entry, args = [], env } = this.#options;
    try {
      return fork(entry, [...args], {
        env: { ...env },
        execArgv: ['--disable-warning=ExperimentalWarning'],
        serialization: 'advanced',
        stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      });
    } catch (error) {
      throw startError(name, error);
    }
  }

  #check(): void {
    const { hangAfterMs = 60_000, idleStopMs = 0, maxResidentBytes = 0 } = this.#options;
    this.#silentMs += WATCH_MS;
    if (this.#silentMs > hangAfterMs) {
      this.#log.error('child hung', { silentMs: this.#silentMs });
      this.kill(
        new EdgeError('E_ENGINE_HUNG', {
          what: `${this.#options.name} gave no sign of life`,
          found: `silence for ${this.#silentMs} ms`,
        }),
      );
    } else if (this.#active === 0 && idleStopMs > 0 && performance.now() - this.#idleSince > idleStopMs) {
      this.#log.debug('child stopped: idle');
      void this.stop();
    } else if (
      this.#active === 0 &&
      maxResidentBytes > 0 &&
      this.#settledBytes > 0 &&
      this.#residentBytes > Math.max(maxResidentBytes, RECYCLE_GROWTH * this.#settledBytes)
    ) {
      this.#log.info('child recycled: memory grew', { residentBytes: this.#residentBytes, maxResidentBytes });
      void this.stop();
    }
  }

  #onExit(peer: RpcPeer<Remote>, exit: ChildExit): void {
    clearInterval(this.#watch);
    this.#child = undefined;
    this.#peer = undefined;
    this.#residentBytes = 0;
    if (exit.unexpected) {
      this.#crashes++;
      this.#fastCrashes = performance.now() - this.#startedAt > STABLE_AFTER_MS ? 1 : this.#fastCrashes + 1;
      if (this.#fastCrashes >= MAX_FAST_CRASHES) {
        this.#retryAt = performance.now() + backoffMs(this.#fastCrashes - MAX_FAST_CRASHES, { initialMs: 2000, maxMs: 60_000 });
      }
      this.#log.error('child crashed', { pid: exit.pid, code: exit.code, signal: exit.signal, stderr: exit.stderrTail.slice(-400) });
    }
    peer.close(exit.error);
    this.#options.onExit?.(exit);
  }
}

function isHeartbeat(message: unknown): message is Heartbeat {
  return typeof message === 'object' && message !== null && 'beat' in message;
}

/**
 * Keeps the last output of the child for crash reports. Its own log lines (one JSON object each, see `createLogger`)
 * are logged again here with their level; anything else goes to the log at debug level.
 */
function tailOf(child: ChildProcess, log: Logger): () => string {
  let tail = '';
  const onLine = (line: string): void => {
    if (!relayLogLine(line, log)) log.debug('child wrote', { text: line.slice(0, 2000) });
  };
  if (child.stderr) {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      tail = (tail + text).slice(-4000);
    });
    createInterface({ input: child.stderr }).on('line', onLine);
  }
  if (child.stdout) createInterface({ input: child.stdout }).on('line', onLine);
  return () => tail.trim();
}

function relayLogLine(line: string, log: Logger): boolean {
  if (!line.startsWith('{"time":')) return false;
  try {
    const { time: _time, level, event, ...fields } = JSON.parse(line) as { time: string; level: string; event: string } & LogFields;
    if (level !== 'debug' && level !== 'info' && level !== 'warn' && level !== 'error') return false;
    log[level](event, fields);
    return true;
  } catch {
    return false; // Not one of ours, or torn by a crash: it is logged as it is.
  }
}
