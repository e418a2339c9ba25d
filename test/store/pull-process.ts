/** Pulls one model in a process of its own: `pull-process.ts DIRECTORY CATALOG HUB MODEL`. Prints what came of it as JSON. */
import { silentLogger } from '#edge/core/log.ts';
import { loadCatalog } from '#edge/store/catalog.ts';
import { ModelStore } from '#edge/store/model-store.ts';

const [directory = '', catalog = '', hubUrl = '', model = ''] = process.argv.slice(2);
const store = new ModelStore({
  directory,
  catalog: loadCatalog(catalog),
  settings: { hubUrl, timeoutMs: 5000 },
  environment: {},
  log: silentLogger,
});
const labels = new Set<string>();
const { sha256 } = await store.pull(model, { onProgress: ({ label }) => labels.add(label) });
process.stdout.write(JSON.stringify({ sha256, labels: [...labels] }));
