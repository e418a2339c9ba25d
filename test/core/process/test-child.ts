/** A child for the tests of supervision: does what each call asks. */
import { setTimeout as sleep } from 'node:timers/promises';
import { EdgeError } from '#edge/core/errors.ts';
import { connectParent } from '#edge/core/process/parent.ts';
import type { RpcPeer } from '#edge/core/process/rpc.ts';

export type TestChildMethods = {
  readonly echo: { readonly params: unknown; readonly result: unknown };
  readonly fail: { readonly params: string; readonly result: undefined };
  readonly exit: { readonly params: number; readonly result: undefined };
  readonly askParent: { readonly params: number; readonly result: number };
  readonly environment: { readonly params: string; readonly result: string | undefined };
  readonly write: { readonly params: string; readonly result: undefined };
  readonly sleep: { readonly params: number; readonly result: 'slept' | 'cancelled' };
  readonly count: { readonly params: { readonly to: number; readonly pauseMs: number }; readonly item: number };
};

export type TestParentMethods = {
  readonly double: { readonly params: number; readonly result: number };
};

if (process.argv.includes('--never-connect')) {
  setInterval(() => undefined, 1000);
} else {
  const parent: RpcPeer<TestParentMethods> = connectParent<TestParentMethods, TestChildMethods>(
    {
      echo: async (value) => value,
      fail: async (what) => {
        throw what === 'coded' ? new EdgeError('E_NOT_FOUND', { what, details: { here: 1 } }) : new TypeError(what);
      },
      exit: async (code) => {
        process.stderr.write('last words\n');
        process.exit(code);
      },
      askParent: (value) => parent.call('double', value),
      environment: async (name) => process.env[name],
      write: async (text) => {
        process.stdout.write(text);
        return undefined;
      },
      sleep: async (ms, { signal }) => {
        try {
          await sleep(ms, undefined, { signal });
          return 'slept';
        } catch {
          return 'cancelled';
        }
      },
      count: async function* ({ to, pauseMs }) {
        for (let i = 1; i <= to; i++) {
          if (pauseMs > 0) await sleep(pauseMs);
          yield i;
        }
      },
    },
    () => (process.argv.includes('--end-hangs') ? new Promise(() => setInterval(() => undefined, 1000)) : Promise.resolve()),
  );
}
