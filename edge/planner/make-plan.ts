import type { LoadSpec } from '#edge/contracts/backend.ts';
import type { ModelCard } from '#edge/contracts/model.ts';
import type { Candidate, Plan } from '#edge/contracts/plan.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { deepFreeze } from '#edge/core/freeze.ts';
import { isOnCpu } from './binaries.ts';
import { rank } from './choose.ts';
import { explainChoice } from './explain.ts';
import { contextOf, listCandidates, localBuildsOf, SEQUENCES, serves } from './list-candidates.ts';
import { memoryBudget } from './memory-budget.ts';
import type { PlanInput } from './plan-input.ts';

/** Age of a failure at which its candidate is tried again when nothing else can run: a device that answers seldom beats one that never does. */
const LAST_RESORT_MS = 60_000;

/**
 * Chooses how to run a task on a device. Pure: equal input gives an equal plan, whatever the order of its lists.
 * A plan without `chosen` is an answer too; its candidates say why.
 * @throws EdgeError `E_MODEL_UNKNOWN` when `input.model` is not among the cards, `E_UNSUPPORTED` when it does not serve the task
 */
export function makePlan(input: PlanInput): Plan {
  requireModel(input);
  const plan = planWith(input);
  if (plan.chosen) return plan;
  const recent = input.quarantined.filter(({ sinceMs }) => sinceMs === undefined || input.nowMs - sinceMs < LAST_RESORT_MS);
  if (recent.length === input.quarantined.length) return plan;
  const lastResort = planWith({ ...input, quarantined: recent });
  if (!lastResort.chosen) return plan;
  return deepFreeze({ ...lastResort, because: `Nothing else can run, so what failed before is tried again: ${lastResort.because}` });
}

function planWith(input: PlanInput): Plan {
  const budgetBytes = memoryBudget(input.device, input.settings, input.engineMemory);
  const candidates = rank(listCandidates(input, budgetBytes), input);
  const runnable = candidates.filter(({ reasons }) => reasons.length === 0);
  const [chosen, ...fallbacks] = runnable;
  return deepFreeze({
    task: input.task,
    profile: input.profile,
    ...(chosen ? { chosen, loadSpec: loadSpecOf(chosen, input) } : {}),
    because: explainChoice(candidates, budgetBytes, input),
    candidates,
    fallbacks: fallbacks.map(({ id }) => id),
    budgetBytes,
  });
}

/**
 * What an engine needs to load a candidate of this input's plan, without the files.
 * @throws EdgeError `E_MODEL_UNKNOWN` when the candidate is not of this input's cards
 */
export function loadSpecOf(candidate: Candidate, input: PlanInput): Omit<LoadSpec, 'stored'> {
  const card = cardOf(candidate.model, input);
  const build = localBuildsOf(candidate.backend, input).find(({ provider }) => provider === candidate.provider);
  return {
    backend: candidate.backend,
    provider: candidate.provider,
    threads: candidate.threads,
    contextTokens: contextOf(card, input),
    sequences: SEQUENCES,
    // The output layer counts as one more.
    gpuLayers: candidate.backend === 'llama' && !isOnCpu(candidate.provider) ? card.architecture.layers + 1 : 0,
    ...(build ? { localBuild: build.folder } : {}),
    ...(card.embedding ? { embedding: { ...card.embedding } } : {}),
  };
}

function requireModel(input: PlanInput): void {
  if (input.model === undefined) return;
  const card = cardOf(input.model, input);
  if (serves(card, input.task)) return;
  throw new EdgeError('E_UNSUPPORTED', {
    what: `cannot plan ${input.task} with model "${card.id}"`,
    expected: `a model that serves ${input.task}`,
    found: `a model for ${card.task}`,
  });
}

function cardOf(model: string, input: PlanInput): ModelCard {
  const card = input.cards.find(({ id }) => id === model);
  if (card) return card;
  throw new EdgeError('E_MODEL_UNKNOWN', {
    what: `cannot plan with model "${model}"`,
    expected: 'a model of the catalog',
    found: `none of that name among ${input.cards.length}`,
  });
}
