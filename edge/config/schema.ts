/** Every setting, with its default and a sentence. `nearside config` prints this; nothing else documents settings. */
import { z } from 'zod';
import { PLAN_PROFILES } from '#edge/contracts/plan.ts';

const port = z.number().int().min(0).max(65_535);

const serve = z
  .strictObject({
    host: z.string().default('127.0.0.1').describe('Address to listen on. Anything but loopback needs keys.'),
    port: port.default(8765).describe('HTTP port; 0 takes a free one.'),
    keys: z
      .array(z.string().min(16))
      .default([])
      .describe('API keys that may call the endpoint, 16 characters or more. None are needed on loopback.'),
    allowedHosts: z.array(z.string()).default([]).describe('Host names, besides loopback ones, that a request may name.'),
    allowedOrigins: z.array(z.string()).default([]).describe('Origins of other web pages that may call the endpoint.'),
    maxBodyBytes: z
      .number()
      .int()
      .positive()
      .default(4 * 1024 * 1024)
      .describe('Largest request body in bytes.'),
  })
  .prefault({});

const store = z
  .strictObject({
    directory: z.string().optional().describe('Folder of the model files. Defaults to models/ in the home folder.'),
    hubUrl: z.url().default('https://huggingface.co').describe('Base URL of the model hub; set it to use a mirror.'),
    hubToken: z.string().optional().describe('Token for models that need a login.'),
    timeoutMs: z.number().int().positive().default(8000).describe('Time after which a silent source is given up for the next one, in ms.'),
  })
  .prefault({});

const runtime = z
  .strictObject({
    profile: z.enum(PLAN_PROFILES).default('latency').describe('What the choice of engine favours: latency, quality or battery.'),
    threads: z.number().int().min(0).default(0).describe('Threads an engine uses, at most one for each core; 0 lets the planner choose.'),
    memoryBytes: z.number().int().min(0).default(0).describe('Memory all engines together may use; 0 takes 60 % of what is available.'),
    contextTokens: z.number().int().min(256).default(2048).describe('Context of a generator in tokens.'),
    calibration: z
      .enum(['auto', 'off'])
      .default('auto')
      .describe(
        'Whether engines are measured, while the device has nothing else to do, so that the choice rests on numbers of this device.',
      ),
    idleUnloadMs: z.number().int().min(0).default(600_000).describe('An engine without work for this long is unloaded, in ms; 0 never.'),
    deadlineMs: z.number().int().positive().default(300_000).describe('Longest time one model call may take, in ms.'),
    models: z
      .strictObject({
        generate: z.string().default('smollm2-135m-instruct').describe('Model for chat.'),
        embed: z.string().default('e5-small-v2').describe('Model for retrieval.'),
        classify: z.string().default('bge-small-en-v1.5').describe('Model for intents.'),
      })
      .prefault({}),
  })
  .prefault({});

const agent = z
  .strictObject({
    start: z
      .enum(['on-demand', 'eager'])
      .default('on-demand')
      .describe('Whether the bots start with the first question or with the device.'),
    idleStopMs: z.number().int().min(0).default(900_000).describe('The bots stop after this long without a question, in ms; 0 never.'),
    strictness: z.enum(['strict', 'balanced', 'helpful']).default('balanced').describe('How sure the QA bot must be before it answers.'),
  })
  .prefault({});

const telemetry = z
  .strictObject({
    enabled: z.boolean().default(true).describe('Whether numbers about requests are recorded. Prompts and answers never are.'),
    tenant: z
      .string()
      .regex(/^[\w-]{1,64}$/)
      .default('default')
      .describe('Tenant in the MQTT topics.'),
    device: z
      .string()
      .regex(/^[\w-]{1,64}$/)
      .optional()
      .describe('Name of this device in the fleet. Defaults to one made from the host name at the first start.'),
    mqttUrl: z
      .string()
      .default('local')
      .describe('MQTT broker of the fleet (mqtt:// or mqtts://), or "local" for a collector on this device.'),
    username: z.string().optional().describe('MQTT user name.'),
    password: z.string().optional().describe('MQTT password.'),
    outboxBytes: z
      .number()
      .int()
      .min(1024 * 1024)
      .default(64 * 1024 * 1024)
      .describe('Most bytes that unsent events may take on disk.'),
    flushMs: z.number().int().positive().default(2000).describe('Metrics and traces are sent this often, in ms.'),
  })
  .prefault({});

const fleet = z
  .strictObject({
    mqttPort: port.default(8766).describe('Port of the embedded MQTT broker; 0 takes a free one.'),
    mqttHost: z.string().default('127.0.0.1').describe('Address the embedded broker listens on.'),
    database: z.string().optional().describe('SQLite file of the collector. Defaults to fleet.db in the home folder.'),
  })
  .prefault({});

const log = z
  .strictObject({
    level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info').describe('Least level that is written.'),
    format: z.enum(['pretty', 'json']).default('pretty').describe('Lines for people, or one JSON object a line.'),
  })
  .prefault({});

/** The whole configuration, as `config.json` in the home folder may hold it. */
export const configSchema = z.strictObject({ serve, store, runtime, agent, telemetry, fleet, log });

export type ConfigFile = z.input<typeof configSchema>;
export type Settings = z.output<typeof configSchema>;

/** Validated settings and the places they imply; frozen. */
export interface Config extends Settings {
  /** Absolute path of the folder that holds all state. */
  readonly home: string;
  readonly paths: {
    readonly store: string;
    /** Databases: outbox, documents, sessions ... */
    readonly data: string;
    readonly outbox: string;
    /** How engines ran on this device, and which failed. */
    readonly calibration: string;
    readonly knowledge: string;
    readonly sessions: string;
    readonly fleet: string;
    /** Lock and run file of the running device. */
    readonly run: string;
  };
  /** What child processes get as their environment. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}
