import { describeSettings } from '#edge/config/load.ts';
import { action } from '../context.ts';
import { paint, print, printJson } from '../terminal.ts';

const SECRET = /token|password|keys/i;

/** `nearside config`: every setting; secrets are never shown. */
export const showConfig = action(async ({ config, json }) => {
  const rows = describeSettings().map(({ path, variable, meaning }) => {
    const value = path.split('.').reduce<unknown>((object, key) => (object as Record<string, unknown> | undefined)?.[key], config);
    return { path, variable, meaning, value: SECRET.test(path) && value !== undefined && String(value) !== '' ? '(secret)' : value };
  });
  if (json) return printJson({ home: config.home, settings: rows });
  print(`home folder: ${config.home}\nsettings file: ${config.home}/config.json\n`);
  for (const { path, variable, meaning, value } of rows) {
    print(`${paint('bold', path)} = ${JSON.stringify(value) ?? '(not set)'}\n    ${meaning}\n    ${variable}`);
  }
});
