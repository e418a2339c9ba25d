/** The questions that `nearside doctor` asks; each answers with what was found and, when it is not well, how to mend it. */
import { accessSync, constants, existsSync } from 'node:fs';
import { mkdir, statfs } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openModelStore } from '#apps/device/device.ts';
import { findRunningDevice } from '#apps/device/home.ts';
import { openRuntime } from '#apps/device/open-runtime.ts';
import type { Config } from '#edge/config/schema.ts';
import { EdgeError, ERROR_CODES, systemErrorCode } from '#edge/core/errors.ts';
import { formatBytes } from '#edge/core/format.ts';
import type { Logger } from '#edge/core/log.ts';
import { unverifiedParts } from '#edge/hardware/verified.ts';
import type { EdgeRuntime } from '#edge/runtime/edge-runtime.ts';
import { checkEngines } from './doctor-engines.ts';
import type { Finding } from './finding.ts';
import { withoutCredentials } from './terminal.ts';

/** A check's own finding, or several with names of their own. */
type Answer = Omit<Finding, 'check'> | { readonly findings: readonly Finding[] };

/** Ports that IANA gives to MQTT, without and with TLS. */
const MQTT_PORTS: Readonly<Record<string, number>> = { 'mqtt:': 1883, 'mqtts:': 8883 };
const BROKER_MS = 3000;
const NODE_MAJOR = 24;
const LOW_DISK_BYTES = 1024 ** 3;
const LOW_MEMORY_BYTES = 512 * 1024 ** 2;

/** Runs every check; one that throws becomes a finding. */
export async function runChecks(config: Config, log: Logger): Promise<readonly Finding[]> {
  const checks: readonly [string, () => Promise<Answer>][] = [
    ['node', async () => checkNode()],
    ['home folder', () => checkHome(config)],
    ['disk', () => checkDisk(config)],
    ['models', async () => checkModels(config, log)],
    ['engines', () => withRuntime(config, log, async (runtime) => ({ findings: await checkEngines(runtime, config) }))],
    ['hardware', () => checkHardware(config, log)],
    ['memory', () => checkMemory(config, log)],
    ['port', () => checkPort(config)],
    ['web chat', async () => checkWebChat()],
    ['model sources', async () => checkTools(config)],
    ['telemetry', () => checkTelemetry(config)],
  ];
  const findings: Finding[] = [];
  for (const [check, run] of checks) {
    try {
      const found = await run();
      if ('findings' in found) findings.push(...found.findings);
      else findings.push({ check, ...found });
    } catch (error) {
      const coded = EdgeError.from(error, `${check} could not be checked`);
      findings.push({ check, level: 'fail', found: `${coded.code}: ${coded.message}`, hint: coded.hint });
    }
  }
  return findings;
}

function checkNode(): Omit<Finding, 'check'> {
  const found = `Node ${process.versions.node}, ${process.platform}-${process.arch}`;
  if (Number(process.versions.node.split('.')[0]) === NODE_MAJOR) return { level: 'ok', found };
  return { level: 'fail', found, hint: `Start through "npm start" or "npm run nearside", which use the pinned Node ${NODE_MAJOR}.` };
}

async function checkHome(config: Config): Promise<Omit<Finding, 'check'>> {
  try {
    await mkdir(config.home, { recursive: true });
    accessSync(config.home, constants.R_OK | constants.W_OK);
  } catch (error) {
    throw unusableHome(config, error);
  }
  const running = findRunningDevice(config.paths);
  return { level: 'ok', found: `${config.home}${running ? `, used by the device at ${running.url ?? `process ${running.pid}`}` : ''}` };
}

function unusableHome({ home }: Config, cause: unknown): EdgeError {
  const found = systemErrorCode(cause) ?? String(cause);
  return new EdgeError('E_HOME_UNUSABLE', { what: `cannot use ${home}`, expected: 'a folder that can be written', found, cause });
}

async function checkDisk(config: Config): Promise<Omit<Finding, 'check'>> {
  const stats = await statfs(config.home).catch((error: unknown) => {
    throw unusableHome(config, error);
  });
  const free = stats.bavail * stats.bsize;
  if (free >= LOW_DISK_BYTES) return { level: 'ok', found: `${formatBytes(free)} free` };
  return {
    level: 'warn',
    found: `${formatBytes(free)} free`,
    hint: 'Models and telemetry may not fit: free some space, or choose another home folder with --home.',
  };
}

function checkModels(config: Config, log: Logger): Omit<Finding, 'check'> {
  const store = openModelStore(config, log);
  const missing = [...new Set(Object.values(config.runtime.models))].filter((id) => !store.find(id));
  const found = `${store.list().length} in ${config.paths.store}`;
  if (missing.length === 0) return { level: 'ok', found };
  return { level: 'warn', found: `${found}; missing: ${missing.join(', ')}`, hint: `Run "nearside pull ${missing.join(' ')}".` };
}

async function checkHardware(config: Config, log: Logger): Promise<Omit<Finding, 'check'>> {
  const device = await withRuntime(config, log, (runtime) => runtime.device());
  const { board, cpu, accelerators, thermal } = device;
  const parts = [board.name, cpu.model, `${cpu.usableCores} of ${cpu.logicalCores} cores`, ...accelerators.map(({ name }) => name)];
  const unverified = unverifiedParts(device);
  const note = unverified.length > 0 ? ` (this project has not run on ${unverified.join(', ')} yet)` : '';
  const found = `${[...new Set(parts)].filter((part) => part !== '').join(', ')}${note}`;
  const problem = accelerators.find((accelerator) => accelerator.problem !== undefined)?.problem;
  if (thermal.throttled)
    return { level: 'warn', found, hint: 'The processor is slowed down by heat or weak power: cool it, or use a stronger supply.' };
  return problem === undefined ? { level: 'ok', found } : { level: 'warn', found, hint: problem };
}

async function checkMemory(config: Config, log: Logger): Promise<Omit<Finding, 'check'>> {
  const { memory } = await withRuntime(config, log, (runtime) => runtime.device());
  const found = `${formatBytes(memory.availableBytes)} of ${formatBytes(memory.totalBytes)} available${memory.limitBytes ? `, limit ${formatBytes(memory.limitBytes)}` : ''}`;
  if (memory.availableBytes >= LOW_MEMORY_BYTES) return { level: 'ok', found };
  return { level: 'warn', found, hint: 'Close other programs, or use smaller models.' };
}

async function withRuntime<T>(config: Config, log: Logger, use: (runtime: EdgeRuntime) => Promise<T>): Promise<T> {
  await using opened = openRuntime(config, log);
  return await use(opened.runtime);
}

async function checkPort(config: Config): Promise<Omit<Finding, 'check'>> {
  const { host, port } = config.serve;
  const running = findRunningDevice(config.paths);
  if (running?.url) return { level: 'ok', found: `the device listens at ${running.url}` };
  const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
    const probe = createServer().once('error', resolve);
    probe.listen(port, host, () => probe.close(() => resolve(undefined)));
  });
  if (!error) return { level: 'ok', found: `${host}:${port} is free` };
  return {
    level: 'fail',
    found: `${host}:${port}: ${error.code}`,
    hint: 'Stop the program that uses it, or choose another port with --port.',
  };
}

function checkWebChat(): Omit<Finding, 'check'> {
  const page = fileURLToPath(new URL('../web/dist/index.html', import.meta.url));
  return existsSync(page)
    ? { level: 'ok', found: 'built' }
    : { level: 'warn', found: 'not built', hint: 'Run "npm start", which builds it.' };
}

/** Tools are optional: each one opens another place that models can come from. */
function checkTools(config: Config): Omit<Finding, 'check'> {
  const folders = (config.environment.PATH ?? '').split(delimiter);
  const has = (names: readonly string[]): boolean => names.some((name) => folders.some((folder) => existsSync(join(folder, name))));
  const tools = { pypi: has(['pip', 'pip3', 'python3']), maven: has(['mvn']), npm: has(['npm']) };
  const found = `hub at ${config.store.hubUrl}; ${Object.entries(tools)
    .map(([name, there]) => `${name} ${there ? 'yes' : 'no'}`)
    .join(', ')}`;
  return { level: 'ok', found };
}

async function checkTelemetry(config: Config): Promise<Omit<Finding, 'check'>> {
  const { enabled, mqttUrl } = config.telemetry;
  if (!enabled) return { level: 'ok', found: 'switched off' };
  if (mqttUrl === 'local') return { level: 'ok', found: `collector on this device, ${config.paths.fleet}` };
  const found = `broker ${withoutCredentials(mqttUrl)}`;
  const problem = await connectionProblem(mqttUrl);
  if (problem === undefined) return { level: 'ok', found };
  return { level: 'warn', found: `${found}: ${problem}`, hint: ERROR_CODES.E_BROKER_UNREACHABLE.hint };
}

/** Why no connection can be made to the host of a broker URL; `undefined` when one can. */
function connectionProblem(mqttUrl: string): Promise<string | undefined> {
  const url = URL.parse(mqttUrl);
  if (!url || !Object.hasOwn(MQTT_PORTS, url.protocol)) return Promise.resolve('not an mqtt:// or mqtts:// URL');
  return new Promise((resolve) => {
    const socket = connect({ host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port) || MQTT_PORTS[url.protocol] || 0 });
    const end = (problem?: string): void => {
      socket.destroy();
      resolve(problem);
    };
    socket.setTimeout(BROKER_MS, () => end('no answer'));
    socket.once('connect', () => end());
    socket.once('error', (error: NodeJS.ErrnoException) => end(error.code ?? error.message));
  });
}
