import { openModelStore } from '#apps/device/device.ts';
import type { ModelCard, StoredVariant } from '#edge/contracts/model.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { formatBytes } from '#edge/core/format.ts';
import { pullDefaults } from '#edge/store/extra-variants.ts';
import { sourceOfMade } from '#edge/store/made-variants.ts';
import { action } from '../context.ts';
import { print, printJson, progressReporter, say, table } from '../terminal.ts';

const weightsBytes = (card: ModelCard): number => card.variants[0]?.files.reduce((sum, file) => sum + file.bytes, 0) ?? 0;

/** `nearside pull`. */
export const pull = action(
  async ({ config, log, json, signal }, models: readonly string[], options: { defaults?: boolean; variant?: string }) => {
    const store = openModelStore(config, log);
    const defaults = options.defaults ? store.catalog.defaults().map((card) => card.id) : [];
    if (models.length + defaults.length === 0)
      throw new EdgeError('E_USAGE', {
        what: 'nothing to pull',
        expected: 'a model id or --defaults',
        hint: 'See "nearside list --all" for the catalog.',
      });
    const progress = progressReporter();
    const pulled: StoredVariant[] = [];
    try {
      for (const id of models) {
        const there = store.find(id, options.variant);
        pulled.push(
          there ??
            (await store.pull(id, { onProgress: progress.onProgress, signal, ...(options.variant ? { variant: options.variant } : {}) })),
        );
      }
      for (const id of defaults) pulled.push(...(await pullDefaults(store, id, { onProgress: progress.onProgress, signal, log })));
    } finally {
      progress.end();
    }
    if (json) printJson({ models: pulled });
    else for (const entry of pulled) say(`${entry.model}/${entry.variant} is in the store (${formatBytes(entry.bytes)})`);
  },
);

/** `nearside list`. */
export const list = action(async ({ config, log, json }, options: { all?: boolean }) => {
  const store = openModelStore(config, log);
  const stored = store.list();
  const cards = store.catalog.cards.filter((card) => options.all || stored.some((entry) => entry.model === card.id));
  const rows = cards.map((card) => ({
    id: card.id,
    task: card.task,
    parameters: card.parameters,
    licence: card.licence,
    contextTokens: card.contextTokens,
    variants: card.variants.map((variant) => ({
      id: variant.id,
      format: variant.format,
      bytes: variant.files.reduce((sum, file) => sum + file.bytes, 0),
      stored: stored.some((entry) => entry.model === card.id && entry.variant === variant.id),
    })),
    recommendedMemoryBytes: card.recommendedMemoryBytes,
    verified: card.verified,
  }));
  if (json) return printJson({ directory: config.paths.store, models: rows });
  if (rows.length === 0)
    return say('The store is empty: "nearside pull --defaults" fetches the default models, "nearside list --all" shows the catalog.');
  print(
    table(
      [
        ['MODEL', 'TASK', 'SIZE', 'MEMORY', 'STORED', 'LICENCE'],
        ...cards.map((card, i) => [
          card.id,
          card.task,
          formatBytes(weightsBytes(card)),
          formatBytes(card.recommendedMemoryBytes),
          rows[i]?.variants
            .filter((variant) => variant.stored)
            .map((variant) => variant.id)
            .join(' ') || '-',
          card.licence,
        ]),
      ],
      [2, 3],
    ),
  );
});

/** `nearside show`. */
export const show = action(async ({ config, log, json }, id: string) => {
  const store = openModelStore(config, log);
  const card = store.catalog.get(id);
  const stored = store.list().filter((entry) => entry.model === id);
  if (json) return printJson({ ...card, stored });
  print(`${card.name} (${card.id})${card.verified ? '' : '  - unverified: nobody of the project ran it yet'}`);
  print(card.notes);
  print(
    table([
      ['task', card.task],
      ['parameters', `${(card.parameters / 1e6).toFixed(0)} M`],
      ['context', `${card.contextTokens} tokens`],
      ['licence', card.licence],
      ['memory', formatBytes(card.recommendedMemoryBytes)],
      ['page', card.homepage],
    ]),
  );
  for (const variant of card.variants) {
    const isStored = stored.some((entry) => entry.variant === variant.id);
    print(`\nvariant ${variant.id}: ${variant.format} ${variant.quantisation}${isStored ? ', in the store' : ''}`);
    print(
      table(
        variant.files.map((file) => [
          `  ${file.role}`,
          formatBytes(file.bytes),
          file.sha256 ?? (sourceOfMade(variant) ? 'made on this device' : 'hash not pinned yet'),
          file.sources.map((source) => source.kind).join(' > '),
        ]),
        [1],
      ),
    );
  }
});

/** `nearside rm`. */
export const remove = action(async ({ config, log, json }, id: string, options: { variant?: string }) => {
  const store = openModelStore(config, log);
  store.catalog.get(id);
  const result = await store.remove(id, options.variant);
  if (json) return printJson(result);
  say(`${options.variant === undefined ? id : `${id}/${options.variant}`} removed, ${formatBytes(result.freedBytes)} free again`);
});

/** `nearside verify`: fails when a file is not what it should be. */
export const verify = action(async ({ config, log, json, signal }, id: string | undefined) => {
  const store = openModelStore(config, log);
  const progress = progressReporter();
  const results = await store.verify(id, { onProgress: progress.onProgress, signal }).finally(progress.end);
  if (json) printJson({ results });
  else if (results.length === 0) say('The store is empty: nothing to verify.');
  else
    print(
      table([
        ['MODEL', 'VARIANT', 'FILE', 'RESULT'],
        ...results.map((result) => [result.model, result.variant, result.file, result.state]),
      ]),
    );
  if (results.some((result) => result.state !== 'ok')) process.exitCode = 1;
});

/** `nearside path`. */
export const path = action(async ({ config, log, json }, id: string, options: { variant?: string }) => {
  const weights = openModelStore(config, log).pathOf(id, options.variant);
  if (json) return printJson({ model: id, path: weights });
  print(weights);
});
