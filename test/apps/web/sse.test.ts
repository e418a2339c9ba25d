import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readEventData } from '#apps/web/src/api/sse.ts';

async function read(...pieces: readonly (string | Uint8Array)[]): Promise<string[]> {
  const encoder = new TextEncoder();
  const body = ReadableStream.from(pieces.map((piece) => (typeof piece === 'string' ? encoder.encode(piece) : piece)));
  return Array.fromAsync(readEventData(body as ReadableStream<Uint8Array>));
}

describe('server-sent events', () => {
  it('are read with any line end, over several data lines, without comments and names', async () => {
    expect(await read('data: a\n\ndata:b\r\n\r\n: still working\n\nevent: x\ndata: c\ndata: d\n\n')).toEqual(['a', 'b', 'c\nd']);
  });

  it('that the end cuts off are discarded', async () => {
    expect(await read('data: whole\n\ndata: half')).toEqual(['whole']);
  });

  it('are the same however the bytes are cut', async () => {
    const bytes = new TextEncoder().encode('data: {"text":"Zürich 東京 🏕"}\n\ndata: second\n\n');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: bytes.length })), async (cuts) => {
        const bounds = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
        const pieces = bounds.slice(1).map((end, index) => bytes.slice(bounds[index], end));
        expect(await read(...pieces)).toEqual(['{"text":"Zürich 東京 🏕"}', 'second']);
      }),
    );
  });

  it('let go of the connection when the reader stops early', async () => {
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode('data: x\n\n')),
      cancel: () => {
        cancelled = true;
      },
    });
    for await (const data of readEventData(body)) {
      expect(data).toBe('x');
      break;
    }
    expect(cancelled).toBe(true);
  });
});
