import { describe, expect, it } from 'vitest';
import { EdgeError } from '#edge/core/errors.ts';
import { createRpcPeer, type RpcHandlers, type RpcPeer } from '#edge/core/process/rpc.ts';
import { expectCode } from '#test/support/expect-code.ts';

type Methods = {
  readonly add: { readonly params: readonly [number, number]; readonly result: number };
  readonly wait: { readonly params: undefined; readonly result: string };
  readonly count: { readonly params: number; readonly item: number };
};

type Nothing = Record<never, never>;

interface Pair {
  readonly client: RpcPeer<Methods>;
  readonly server: RpcPeer<Nothing>;
  readonly sent: { rpc: string; items?: unknown[] }[];
}

const standard: RpcHandlers<Methods> = {
  add: async ([a, b]) => a + b,
  wait: (_params, { signal }) =>
    new Promise((resolve) => signal.addEventListener('abort', () => resolve(`aborted: ${signal.reason.code}`))),
  count: async function* (to) {
    for (let i = 1; i <= to; i++) yield i;
  },
};

/** Two peers whose messages are cloned, as a channel between processes would do. */
function connect(handlers: RpcHandlers<Methods> = standard): Pair {
  const sent: Pair['sent'] = [];
  const server: RpcPeer<Nothing> = createRpcPeer<Nothing, Methods>((message) => {
    sent.push(message as Pair['sent'][number]);
    setImmediate(() => client.receive(structuredClone(message)));
  }, handlers);
  const client: RpcPeer<Methods> = createRpcPeer<Methods, Nothing>((message) => {
    setImmediate(() => server.receive(structuredClone(message)));
  }, {});
  return { client, server, sent };
}

describe('the call protocol', () => {
  it('matches answers to calls, whatever their order', async () => {
    const { client } = connect({ ...standard, add: async ([a, b]) => new Promise((resolve) => setTimeout(() => resolve(a + b), a)) });
    expect(await Promise.all([client.call('add', [30, 1]), client.call('add', [1, 1]), client.call('add', [10, 1])])).toEqual([31, 2, 11]);
  });

  it('sends many items of a stream in few messages', async () => {
    const { client, sent } = connect();
    expect(await Array.fromAsync(client.stream('count', 500))).toHaveLength(500);
    const batches = sent.filter((message) => message.rpc === 'items');
    expect(batches.length).toBeLessThan(20);
    expect(batches.flatMap((batch) => batch.items)).toHaveLength(500);
  });

  it('delivers what a stream said before it failed', async () => {
    const { client } = connect({
      ...standard,
      count: async function* () {
        yield 1;
        yield 2;
        throw new EdgeError('E_BUSY', { what: 'no more' });
      },
    });
    const seen: number[] = [];
    const reading = (async () => {
      for await (const item of client.stream('count', 3)) seen.push(item);
    })();
    await expectCode(reading, 'E_BUSY');
    expect(seen).toEqual([1, 2]);
  });

  it('refuses unknown methods, inherited names too', async () => {
    const { client } = connect();
    for (const method of ['none', 'toString', '__proto__']) await expectCode(client.call(method as 'add', [1, 1]), 'E_INTERNAL');
  });

  it('aborts the handlers of the other side when it closes', async () => {
    let outcome: Promise<string> | undefined;
    const { client, server } = connect({
      ...standard,
      wait: (params, context) => {
        outcome = standard.wait(params, context) as Promise<string>;
        return outcome;
      },
    });
    client.call('wait', undefined).catch(() => undefined);
    await expect.poll(() => outcome !== undefined).toBe(true);
    server.close(new EdgeError('E_SHUTTING_DOWN', { what: 'test' }));
    expect(await outcome).toBe('aborted: E_SHUTTING_DOWN');
  });

  it('fails all calls in flight and all later ones when it closes, and settles each', async () => {
    const { client } = connect();
    const settled: string[] = [];
    const waiting = client.call('wait', undefined, { onSettled: () => settled.push('wait') });
    const outcome = expectCode(waiting, 'E_ENGINE_CRASHED');
    client.close(new EdgeError('E_ENGINE_CRASHED', { what: 'test' }));
    await outcome;
    await expectCode(client.call('add', [1, 1], { onSettled: () => settled.push('add') }), 'E_ENGINE_CRASHED');
    await expectCode(Array.fromAsync(client.stream('count', 1)), 'E_ENGINE_CRASHED');
    expect(settled).toEqual(['wait', 'add']);
  });

  it('settles a call that was aborted before it was sent', async () => {
    const { client } = connect();
    let settled = 0;
    await expectCode(client.call('add', [1, 1], { signal: AbortSignal.abort(), onSettled: () => settled++ }), 'E_CANCELLED');
    expect(settled).toBe(1);
  });

  it('passes the reason of a cancellation on', async () => {
    const reasons: unknown[] = [];
    const { client } = connect({
      ...standard,
      wait: async (params, context) => {
        reasons.push(await standard.wait(params, context));
        return 'done';
      },
    });
    const controller = new AbortController();
    const call = client.call('wait', undefined, { signal: controller.signal });
    setTimeout(() => controller.abort(new EdgeError('E_DEADLINE', { what: 'test' })), 20);
    await expectCode(call, 'E_DEADLINE');
    await expect.poll(() => reasons).toEqual(['aborted: E_DEADLINE']);
  });

  it('gives no more of a stream after a cancellation, even when all of it is here already', async () => {
    const { client, sent } = connect();
    const controller = new AbortController();
    const seen: number[] = [];
    const reading = (async () => {
      for await (const item of client.stream('count', 5, { signal: controller.signal })) {
        seen.push(item);
        await expect.poll(() => sent.at(-1)?.rpc).toBe('end');
        await new Promise((resolve) => setTimeout(resolve, 20));
        controller.abort();
      }
    })();
    await expectCode(reading, 'E_CANCELLED');
    expect(seen).toEqual([1]);
  });

  it('ignores foreign and late messages', () => {
    const { client } = connect();
    for (const message of [null, 'text', 7, {}, { beat: true }]) expect(client.receive(message)).toBe(false);
    for (const rpc of ['end', 'fail', 'items', 'cancel'] as const) {
      expect(client.receive({ rpc, id: 99, items: [1], error: { code: 'E_BUSY', message: 'late' } })).toBe(true);
    }
  });

  it('says that the channel is gone when it cannot send', async () => {
    const client = createRpcPeer<Methods, Nothing>(() => {
      throw new TypeError('closed');
    }, {});
    await expectCode(client.call('add', [1, 1]), 'E_ENGINE_CRASHED');
  });
});
