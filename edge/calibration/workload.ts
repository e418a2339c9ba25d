/** The work that candidates are measured with, task by task: a warm-up, then rounds that each give one observation of every rate. */
import type { Task } from '#edge/contracts/model.ts';
import type { EngineSubject, Round } from './engine-subject.ts';
import { goldenInputs } from './golden-tensors.ts';
import { longestText, prepareEncoder } from './workload-encoder.ts';
import { prepareGenerator } from './workload-generator.ts';

/**
 * Warms an engine up, and finds out how much work makes a round.
 * @param budgetMs time that all rounds together should take; the sizes of a generator's rounds follow it
 * @throws EdgeError of the engine; `E_UNSUPPORTED` when it does not serve the task.
 */
export async function prepareWorkload(task: Task, subject: EngineSubject, budgetMs: number): Promise<Round> {
  const { engine, info, options } = subject;
  switch (task) {
    case 'generate':
      return await prepareGenerator(subject, budgetMs);
    case 'embed':
    case 'classify':
      return await prepareEncoder(async (text) => {
        const { promptTokens } = await engine.embed({ model: info.model, texts: [text], purpose: 'plain' }, options);
        return promptTokens;
      });
    case 'rerank':
      return await prepareEncoder(async (text) => {
        const { promptTokens } = await engine.score({ model: info.model, query: 'a', texts: [text] }, options);
        return promptTokens;
      });
    case 'tensor': {
      // Made once: filling a picture takes longer than finding a hand in it.
      const inputs = goldenInputs(info);
      const run = (): Promise<unknown> => engine.runTensors({ model: info.model, inputs }, options);
      await run();
      return async () => {
        const startedAt = performance.now();
        await run();
        return { runs: 1000 / (performance.now() - startedAt) };
      };
    }
  }
}

/**
 * Runs an encoder's longest input once, so that the memory it needs in operation is taken; other tasks have taken theirs.
 * @throws EdgeError of the engine.
 */
export async function fillMemory({ engine, info, options }: EngineSubject): Promise<void> {
  const text = longestText(info.contextTokens);
  if (info.features.includes('embed')) await engine.embed({ model: info.model, texts: [text], purpose: 'plain' }, options);
  else if (info.features.includes('score') && !info.features.includes('generate')) {
    await engine.score({ model: info.model, query: 'a', texts: [text] }, options);
  }
}
