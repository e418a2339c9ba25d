/** Builds the configuration: defaults < `config.json` in the home folder < `NEARSIDE_*` environment < overrides of the command line. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';
import { deepFreeze } from '#edge/core/freeze.ts';
import { describeIssue } from '#edge/core/schema-issue.ts';
import { type Config, type ConfigFile, configSchema } from './schema.ts';

export interface LoadOptions {
  /** Value of `--home`. */
  readonly home?: string | undefined;
  /** Settings of the command line, the strongest. */
  readonly overrides?: ConfigFile;
  /** Defaults to this process's environment; the only place of the project that reads it. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly platform?: NodeJS.Platform;
}

/**
 * Loads, validates and freezes the configuration.
 * @throws EdgeError `E_CONFIG_INVALID` with every problem in one message.
 */
export function loadConfig(options: LoadOptions = {}): Config {
  const environment = options.environment ?? process.env;
  // A variable that is empty is none: the folder one happens to stand in would become the home.
  const home = resolve(options.home ?? (environment.NEARSIDE_HOME || defaultHome(options.platform ?? process.platform, environment)));
  const file = join(home, 'config.json');
  const merged = merge(merge(readConfigFile(file), settingsFromEnvironment(environment)), options.overrides ?? {});
  const parsed = configSchema.safeParse(merged, { reportInput: true });
  const misnamed = unknownVariables(environment).map((name) => `${name}: there is no such setting`);
  if (!parsed.success || misnamed.length > 0) {
    const invalid = (parsed.error?.issues ?? []).map(describeIssue);
    const problems = [...invalid, ...misnamed];
    throw new EdgeError('E_CONFIG_INVALID', {
      what: `invalid settings (${file}, NEARSIDE_* environment, command line)`,
      found: problems.join('; '),
      details: { problems },
    });
  }
  const data = join(home, 'data');
  return deepFreeze({
    ...parsed.data,
    home,
    paths: {
      store: resolve(home, parsed.data.store.directory ?? 'models'),
      data,
      outbox: join(data, 'outbox.db'),
      calibration: join(data, 'calibration.db'),
      knowledge: join(data, 'knowledge.db'),
      sessions: join(data, 'sessions.db'),
      fleet: resolve(home, parsed.data.fleet.database ?? join('data', 'fleet.db')),
      run: join(home, 'run'),
    },
    environment: { ...environment, ...variablesOf(options.overrides ?? {}), NEARSIDE_HOME: home },
  });
}

/** Variables with our prefix that are no settings: where the home folder is, where a caller stood, where test data lies. */
const OTHER_VARIABLES = ['NEARSIDE_HOME', 'NEARSIDE_CALLER_DIR', 'NEARSIDE_EVAL_DATA'];

/** Misspelt ones would otherwise be ignored without a word. */
function unknownVariables(environment: Readonly<Record<string, string | undefined>>): readonly string[] {
  const known = new Set([...OTHER_VARIABLES, ...describeSettings().map(({ variable }) => variable)]);
  return Object.keys(environment).filter((name) => name.startsWith('NEARSIDE_') && !known.has(name));
}

/** The platform's folder for application data. */
export function defaultHome(platform: NodeJS.Platform, environment: Readonly<Record<string, string | undefined>>): string {
  const user = environment.HOME ?? homedir();
  if (platform === 'darwin') return join(user, 'Library', 'Application Support', 'Nearside');
  if (platform === 'win32') return join(environment.LOCALAPPDATA ?? join(user, 'AppData', 'Local'), 'Nearside');
  return join(environment.XDG_DATA_HOME ?? join(user, '.local', 'share'), 'nearside');
}

/** One setting as `nearside config` shows it. */
export interface SettingDescription {
  readonly path: string;
  /** `NEARSIDE_SERVE_PORT` sets `serve.port`. */
  readonly variable: string;
  readonly meaning: string;
  readonly schema: z.ZodType;
}

/** Walks the schema: every leaf setting with its variable and meaning. */
export function describeSettings(): readonly SettingDescription[] {
  const walk = (schema: z.ZodType, path: readonly string[]): SettingDescription[] => {
    const object = unwrap(schema);
    if (object instanceof z.ZodObject) {
      return Object.entries(object.shape).flatMap(([key, inner]) => walk(inner as z.ZodType, [...path, key]));
    }
    const variable = `NEARSIDE_${path.map((word) => word.replace(/([A-Z])/g, '_$1').toUpperCase()).join('_')}`;
    return [{ path: path.join('.'), variable, meaning: schema.description ?? '', schema }];
  };
  return walk(configSchema, []);
}

function unwrap(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodPrefault || schema instanceof z.ZodDefault || schema instanceof z.ZodOptional
    ? unwrap(schema.unwrap() as z.ZodType)
    : schema;
}

function settingsFromEnvironment(environment: Readonly<Record<string, string | undefined>>): ConfigFile {
  const settings: Record<string, unknown> = {};
  for (const { path, variable, schema } of describeSettings()) {
    const text = environment[variable];
    if (text === undefined || text === '') continue;
    const keys = path.split('.');
    let target = settings;
    for (const key of keys.slice(0, -1)) {
      target[key] ??= {};
      target = target[key] as Record<string, unknown>;
    }
    target[keys.at(-1) as string] = parseVariable(text, unwrap(schema));
  }
  return settings as ConfigFile;
}

/** The overrides as variables, so that a child process that loads its own configuration gets the same. */
function variablesOf(overrides: ConfigFile): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const { path, variable } of describeSettings()) {
    const value = path.split('.').reduce<unknown>((object, key) => (object as Record<string, unknown> | undefined)?.[key], overrides);
    if (value !== undefined) variables[variable] = Array.isArray(value) ? value.join(',') : String(value);
  }
  return variables;
}

function parseVariable(text: string, schema: z.ZodType): unknown {
  if (schema instanceof z.ZodNumber) return Number.isNaN(Number(text)) ? text : Number(text);
  if (schema instanceof z.ZodBoolean) return text === 'true' || text === '1' ? true : text === 'false' || text === '0' ? false : text;
  if (schema instanceof z.ZodArray) return text.split(',').map((item) => item.trim());
  return text;
}

function readConfigFile(file: string): ConfigFile {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return {};
    throw new EdgeError('E_HOME_UNUSABLE', { what: `cannot read ${file}`, cause: error, found: String(systemErrorCode(error)) });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new EdgeError('E_CONFIG_INVALID', { what: `${file} is not JSON`, found: (error as Error).message, cause: error });
  }
  if (isPlain(json)) return json;
  throw new EdgeError('E_CONFIG_INVALID', { what: `cannot use ${file}`, expected: 'a JSON object', found: text.trim().slice(0, 40) });
}

function merge(base: ConfigFile, over: ConfigFile): ConfigFile {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue;
    const inner = result[key];
    result[key] = isPlain(inner) && isPlain(value) ? merge(inner, value) : value;
  }
  return result as ConfigFile;
}

function isPlain(value: unknown): value is ConfigFile {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
