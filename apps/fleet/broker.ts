import { createServer, type Server, type Socket } from 'node:net';
import { Aedes } from 'aedes';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';

export interface BrokerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly log: Logger;
}

/**
 * The embedded MQTT 3.1.1 broker: for one device, for trying out, for tests. It keeps nothing on disk, which loses
 * nothing: rows leave an outbox only when the collector has committed them.
 */
export class EmbeddedBroker {
  readonly #options: BrokerOptions;
  readonly #sockets = new Set<Socket>();
  #broker: Aedes | undefined;
  #server: Server | undefined;
  #url: string | undefined;

  constructor(options: BrokerOptions) {
    this.#options = options;
  }

  /** `mqtt://host:port` where a client on this machine reaches it. */
  get url(): string {
    if (!this.#url) throw new EdgeError('E_INTERNAL', { what: 'the embedded broker has not started' });
    return this.#url;
  }

  /** @throws EdgeError `E_PORT_IN_USE`, or `E_CONFIG_INVALID` for an address this machine does not have. */
  async start(): Promise<void> {
    const { host, port, log } = this.#options;
    const broker = await Aedes.createBroker();
    broker.on('clientError', (client, error) => log.debug('mqtt client failed', { client: client.id, found: error.message }));
    broker.on('connectionError', (_client, error) => log.debug('mqtt connection refused', { found: error.message }));
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      broker.handle(socket);
    });
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen({ host, port }, resolve);
      });
    } catch (error) {
      broker.close();
      throw listenError(error, host, port);
    }
    this.#broker = broker;
    this.#server = server;
    const address = server.address();
    const actual = typeof address === 'object' && address ? address.port : port;
    const reachable = ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host;
    this.#url = `mqtt://${reachable.includes(':') ? `[${reachable}]` : reachable}:${actual}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const broker = this.#broker;
    const server = this.#server;
    this.#broker = this.#server = undefined;
    if (broker) await new Promise<void>((resolve) => broker.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    if (server) await new Promise<void>((resolve) => server.close(() => resolve()));
  }
}

function listenError(error: unknown, host: string, port: number): EdgeError {
  const found = String(systemErrorCode(error));
  if (found === 'EADDRINUSE') {
    return new EdgeError('E_PORT_IN_USE', {
      what: `the MQTT broker cannot listen on ${host}:${port}`,
      expected: 'a free port',
      found: 'one in use',
      hint: 'Stop the other program, or set fleet.mqttPort (NEARSIDE_FLEET_MQTT_PORT) to another port; 0 takes a free one.',
      cause: error,
    });
  }
  return new EdgeError('E_CONFIG_INVALID', {
    what: `the MQTT broker cannot listen on ${host}:${port}`,
    expected: 'an address of this machine',
    found,
    cause: error,
  });
}
