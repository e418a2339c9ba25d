/** Entry of the agent host: a child of the device that holds LangChain, so that a device without bots stays small. */
import { loadConfig } from '#edge/config/load.ts';
import { createLogger } from '#edge/core/log.ts';
import { connectParent } from '#edge/core/process/parent.ts';
import { createRecorderClient, createRuntimeClient } from '#edge/runtime/runtime-client.ts';
import type { RuntimeMethods } from '#edge/runtime/runtime-methods.ts';
import { type AgentHost, openAgentHost } from './agent-host.ts';
import type { BotMethods } from './bot-methods.ts';

const config = loadConfig();
const log = createLogger({ level: config.log.level, format: 'json', write: (line) => void process.stderr.write(line) });

let opened: AgentHost | undefined;

/**
 * Opened by the first call, and again by the next one when that failed: a full disk or a damaged file is then the coded
 * error of a call, not the end of this process.
 */
function host(): AgentHost {
  if (!opened) {
    opened = openAgentHost({ config, runtime: createRuntimeClient(peer), recorder: createRecorderClient(peer, log), log });
    opened.start();
  }
  return opened;
}

const peer = connectParent<RuntimeMethods, BotMethods>(
  {
    listBots: async () => host().listBots(),
    reply: (request, context) => host().reply(request, context),
    addDocuments: (request, context) => host().addDocuments(request, context),
    listDocuments: async () => host().listDocuments(),
    removeDocuments: async (idsOrSources) => host().removeDocuments(idsOrSources),
    reindexDocuments: (_, context) => host().reindexDocuments(context),
    listSessions: async () => host().listSessions(),
    readSession: async (id) => host().readSession(id),
    deleteSession: async (id) => void (await host().deleteSession(id)),
    addFeedback: async (request) => void (await host().addFeedback(request)),
  },
  async () => opened?.[Symbol.asyncDispose](),
);
