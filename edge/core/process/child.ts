/**
 * A child process that starts on demand, is watched, and may be restarted: the one way Nearside runs native engines,
 * the agent host and the local fleet collector, so that none of them can take the device down.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { EdgeError } from '../errors.ts';
import { type Logger, silentLogger } from '../log.ts';
import { backoffMs } from '../retry.ts';
import { createRpcPeer, type RpcHandlers, type RpcMethods, type RpcPeer } from './rpc.ts';

export const CHILD_STATES = ['stopped', 'starting', 'ready', 'backoff'] as const;
export type ChildState = (typeof CHILD_STATES)[number];

/** How a child ended. */
export interface ChildExit {
  readonly pid: number;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** False when {@link SupervisedChild.stop} asked for it. */
  readonly unexpected: boolean;
  /** Last lines of its stderr, at most 4,000 characters. */
  readonly stderrTail: string;
}

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
  /** Resident memory above which the child is replaced once it is idle; 0 never. Defaults to 0. */
  readonly maxResidentBytes?: number;
  readonly onExit?: (exit: ChildExit) => void;
  readonly log?: Logger;
}

interface Heartbeat {
  readonly beat: true;
  readonly residentBytes: number;
}

const STABLE_AFTER_MS = 60_000;
const MAX_FAST_CRASHES = 5;

export class SupervisedChild<Remote extends RpcMethods, Local extends RpcMethods = Record<never, never>> {
  readonly #options: ChildOptions<Local>;
  readonly #log: Logger;
  #child: ChildProcess | undefined;
  #peer: RpcPeer<Remote> | undefined;
  #starting: Promise<RpcPeer<Remote>> | undefined;
  #exited: Promise<void> = Promise.resolve();
  #stopping = false;
  #crashes = 0;
  #fastCrashes = 0;
  #retryAt = 0;
  #startedAt = 0;
  #lastBeatAt = 0;
  #residentBytes = 0;
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
    return Date.now() < this.#retryAt ? 'backoff' : 'stopped';
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
   * @throws EdgeError `E_ENGINE_BACKOFF` after repeated crashes, `E_ENGINE_CRASHED` when it dies.
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
    this.#idleSince = Date.now();
  }

  /** Starts the child unless it runs; callers that come meanwhile share the start. */
  start(): Promise<RpcPeer<Remote>> {
    if (this.#peer) return Promise.resolve(this.#peer);
    this.#starting ??= this.#spawn().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  /** Asks the child to end, and kills it after the deadline. Safe to call again. */
  async stop(deadlineMs = 3000): Promise<void> {
    const child = this.#child;
    if (!child) return;
    this.#stopping = true;
    if (child.connected) child.disconnect();
    const timer = setTimeout(() => child.kill('SIGKILL'), deadlineMs);
    await this.#exited;
    clearTimeout(timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #spawn(): Promise<RpcPeer<Remote>> {
    const waitMs = this.#retryAt - Date.now();
    if (waitMs > 0) {
      throw new EdgeError('E_ENGINE_BACKOFF', {
        what: `${this.#options.name} crashed ${this.#fastCrashes} times in a row`,
        found: `${Math.ceil(waitMs / 1000)} s left until its next start`,
        details: { retryAfterMs: waitMs },
      });
    }
    await this.#exited;
    this.#stopping = false;
    const { name, entry, args = [], env, handlers, startTimeoutMs = 20_000 } = this.#options;
    const child = fork(entry, [...args], {
      env: { ...env },
      execArgv: ['--disable-warning=ExperimentalWarning'],
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    this.#child = child;
    this.#startedAt = this.#lastBeatAt = this.#idleSince = Date.now();
    const stderr = tailOf(child, this.#log);
    const peer = createRpcPeer<Remote, Local>((message) => child.send(message as object), handlers);

    this.#exited = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#onExit(peer, { pid: child.pid ?? 0, code, signal, unexpected: !this.#stopping, stderrTail: stderr() });
        resolve();
      });
    });
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(
          new EdgeError('E_ENGINE_HUNG', {
            what: `${name} did not start`,
            expected: `a first heartbeat within ${startTimeoutMs} ms`,
            found: 'none',
          }),
        );
      }, startTimeoutMs);
      child.once('error', (error) => reject(new EdgeError('E_ENGINE_CRASHED', { what: `${name} could not be started`, cause: error })));
      child.once('exit', (code, signal) => {
        clearTimeout(timer);
        reject(crashError(name, code, signal, stderr()));
      });
      child.on('message', (message: unknown) => {
        if (isHeartbeat(message)) {
          this.#lastBeatAt = Date.now();
          this.#residentBytes = message.residentBytes;
          clearTimeout(timer);
          resolve();
        } else {
          peer.receive(message);
        }
      });
    });
    this.#peer = peer;
    this.#watch = setInterval(() => this.#check(), 1000);
    this.#watch.unref();
    this.#log.debug('child started', { pid: child.pid });
    return peer;
  }

  #check(): void {
    const { hangAfterMs = 60_000, idleStopMs = 0, maxResidentBytes = 0 } = this.#options;
    const now = Date.now();
    if (now - this.#lastBeatAt > hangAfterMs) {
      this.#log.error('child hung', { silentMs: now - this.#lastBeatAt });
      this.#peer?.close(
        new EdgeError('E_ENGINE_HUNG', {
          what: `${this.#options.name} gave no sign of life`,
          found: `silence for ${now - this.#lastBeatAt} ms`,
        }),
      );
      this.#child?.kill('SIGKILL');
    } else if (this.#active === 0 && idleStopMs > 0 && now - this.#idleSince > idleStopMs) {
      this.#log.debug('child stopped: idle');
      void this.stop();
    } else if (this.#active === 0 && maxResidentBytes > 0 && this.#residentBytes > maxResidentBytes) {
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
      this.#fastCrashes = Date.now() - this.#startedAt > STABLE_AFTER_MS ? 1 : this.#fastCrashes + 1;
      if (this.#fastCrashes >= MAX_FAST_CRASHES) {
        this.#retryAt = Date.now() + backoffMs(this.#fastCrashes - MAX_FAST_CRASHES, { initialMs: 2000, maxMs: 60_000 });
      }
      this.#log.error('child crashed', { pid: exit.pid, code: exit.code, signal: exit.signal, stderr: exit.stderrTail.slice(-400) });
    }
    peer.close(
      exit.unexpected
        ? crashError(this.#options.name, exit.code, exit.signal, exit.stderrTail)
        : new EdgeError('E_SHUTTING_DOWN', { what: `${this.#options.name} was stopped` }),
    );
    this.#options.onExit?.(exit);
  }
}

function isHeartbeat(message: unknown): message is Heartbeat {
  return typeof message === 'object' && message !== null && 'beat' in message;
}

function crashError(name: string, code: number | null, signal: NodeJS.Signals | null, stderr: string): EdgeError {
  return new EdgeError('E_ENGINE_CRASHED', {
    what: `${name} ended while it was needed`,
    expected: 'a running process',
    found: signal ? `killed by ${signal}` : `exit code ${code}`,
    details: { code, signal, stderr: stderr.slice(-1000) },
  });
}

/** Keeps the last output of the child for crash reports; its lines go to the log at debug level. */
function tailOf(child: ChildProcess, log: Logger): () => string {
  let tail = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    tail = (tail + text).slice(-4000);
    log.debug('child wrote', { text: text.trimEnd().slice(0, 2000) });
  });
  child.stdout?.setEncoding('utf8').on('data', (text: string) => log.debug('child wrote', { text: text.trimEnd().slice(0, 2000) }));
  return () => tail.trim();
}
