import { signal } from '@preact/signals';
import type { BotInfo, SessionInfo } from '#edge/contracts/bot.ts';
import type { DeviceApi } from '../api/device-api.ts';
import { DeviceError } from '../api/device-error.ts';
import type { ModelEntry } from '../api/wire.ts';

/** What the device offers: bots, chat models, remembered conversations. */
export class Library {
  readonly bots = signal<readonly BotInfo[]>([]);
  readonly models = signal<readonly ModelEntry[]>([]);
  readonly sessions = signal<readonly SessionInfo[]>([]);
  /** True while the device has not answered which bots it has: asking for them starts them. */
  readonly starting = signal(false);
  /** Why bots or models could not be read, until they were. */
  readonly error = signal<DeviceError | undefined>(undefined);
  /** What went wrong with the remembered conversations; empty when nothing did. */
  readonly problem = signal('');
  readonly #api: DeviceApi;

  constructor(api: DeviceApi) {
    this.#api = api;
  }

  /** Reads all of it; without bots the models can still be used, and the other way round. */
  async load(): Promise<void> {
    this.starting.value = true;
    const listing = this.#api.listBots().finally(() => {
      this.starting.value = false;
    });
    const [bots, models] = await Promise.allSettled([listing, this.#api.listChatModels()]);
    if (bots.status === 'fulfilled') this.bots.value = bots.value;
    if (models.status === 'fulfilled') this.models.value = models.value;
    const failed = [bots, models].find((result) => result.status === 'rejected');
    this.error.value = failed && DeviceError.from(failed.reason);
    await this.refreshSessions();
  }

  async refreshSessions(): Promise<void> {
    await this.attempt(async () => {
      const sessions = await this.#api.listSessions();
      this.sessions.value = [...sessions].sort((a, b) => b.updatedAt.localeCompare(a.updatedAt));
    });
  }

  async deleteSession(id: string): Promise<void> {
    await this.attempt(async () => {
      await this.#api.deleteSession(id);
      this.sessions.value = this.sessions.value.filter((session) => session.id !== id);
    });
  }

  /** Does something with a remembered conversation; a failure is shown beside the list. */
  async attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.problem.value = '';
    } catch (error) {
      this.problem.value = DeviceError.from(error).message;
    }
  }

  /** The name a reader knows it by; a bot that the device has not told of yet goes by the name of the product. */
  nameOf(target: string): string {
    const bot = this.botOf(target);
    if (bot) return bot.name;
    if (target.startsWith('bot/')) return 'Nearside';
    const model = this.models.value.find((entry) => entry.id === target);
    return model?.nearside.name ?? target;
  }

  botOf(target: string): BotInfo | undefined {
    return this.bots.value.find((bot) => `bot/${bot.id}` === target);
  }
}
