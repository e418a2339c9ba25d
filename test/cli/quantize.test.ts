/** A variant made by hand, over its whole life on the command line. The encoder's GGUF comes out of the checkout. */
import { expect, it } from 'vitest';
import { makeHome } from '#test/support/home.ts';
import { nearside } from '#test/support/run.ts';

const home = makeHome({ models: false });
const MODEL = 'e5-small-v2';

const variantsOf = async (command: string): Promise<string[]> => {
  const { stdout } = await nearside([...command.split(' '), '--json'], { home });
  return (JSON.parse(stdout) as { variants: { id: string }[] }).variants.map(({ id }) => id);
};

it.each([
  [['--to', 'Q9'], 2, /Q9.*BF16, F16, Q8_0/],
  [[], 2, /--to <type>/],
  [['--to', 'q6_k'], 1, /E_MODEL_NOT_STORED.*q8_0[\s\S]*nearside pull e5-small-v2 --variant q8_0/],
  [['--to', 'Q8_0'], 1, /E_UNSUPPORTED.*ready-made/],
])('quantize %j is refused', async (args, exit, message) => {
  const { code, stderr } = await nearside(['quantize', MODEL, ...args], { home });
  expect(stderr).toMatch(message);
  expect(code).toBe(exit);
});

it('is made, shown, found and removed', { timeout: 240_000 }, async () => {
  expect((await nearside(['pull', MODEL, '--variant', 'q8_0'], { home })).code).toBe(0);
  const { code, stdout, stderr } = await nearside(['quantize', MODEL, '--to', 'q6_k', '--json'], { home });
  expect(stderr).toMatch(/quantising e5-small-v2 to Q6_K/);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    model: MODEL,
    variant: 'q6_k',
    source: 'derived:q8_0>Q6_K',
    kept: { measure: 'cosine', source: 1, derived: expect.closeTo(1, 2) },
  });
  expect(await variantsOf(`show ${MODEL}`)).toContain('q6_k');
  expect((await nearside(['path', MODEL, '--variant', 'q6_k'], { home })).stdout).toMatch(/blobs\/sha256-/);
  expect((await nearside(['show', MODEL], { home })).stdout).toContain('made on this device');
  const again = await nearside(['quantize', MODEL, '--to', 'Q6_K'], { home });
  expect(again.stderr).toMatch(/e5-small-v2\/q6_k is in the store .*mean cosine 0\.99/);
  const lost = await nearside(['quantize', MODEL, '--to', 'Q4_0', '--json'], { home });
  expect(lost.code).toBe(1);
  expect(JSON.parse(lost.stdout)).toMatchObject({ error: { code: 'E_QUALITY_LOST', details: { measure: 'cosine' } } });
  expect((await nearside(['rm', MODEL, '--variant', 'q6_k'], { home })).stderr).toMatch(/^e5-small-v2\/q6_k removed, /);
  expect(await variantsOf(`show ${MODEL}`)).toEqual(['int8', 'int8-tflite', 'q8_0']);
});
