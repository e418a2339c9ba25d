import { describeSettings } from '#edge/config/load.ts';
import { action } from '../context.ts';
import { paint, print, printJson, withoutCredentials } from '../terminal.ts';

const SECRETS: readonly string[] = ['serve.keys', 'store.hubToken', 'telemetry.password'];

function shown(path: string, value: unknown): unknown {
  if (SECRETS.includes(path) && value !== undefined && String(value) !== '') return '(secret)';
  return typeof value === 'string' ? withoutCredentials(value) : value;
}

/** `nearside config`: every setting; secrets are never shown. */
export const showConfig = action(async ({ config, json }) => {
  const rows = describeSettings().map(({ path, variable, meaning }) => {
    const value = path.split('.').reduce<unknown>((object, key) => (object as Record<string, unknown> | undefined)?.[key], config);
    return { path, variable, meaning, value: shown(path, value) };
  });
  if (json) return printJson({ home: config.home, settings: rows });
  print(`home folder: ${config.home}\nsettings file: ${config.home}/config.json\n`);
  for (const { path, variable, meaning, value } of rows) {
    print(`${paint('bold', path)} = ${JSON.stringify(value) ?? '(not set)'}\n    ${meaning}\n    ${variable}`);
  }
});
