import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { defaultHome, describeSettings, loadConfig } from '#edge/config/load.ts';

let home: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'nearside-config-'));
});

describe('configuration', () => {
  it('has a default for everything, and keeps all state in the home folder', () => {
    const config = loadConfig({ home, environment: {} });
    expect(config.serve).toMatchObject({ host: '127.0.0.1', port: 8765, keys: [] });
    expect(config.paths.store).toBe(join(home, 'models'));
    expect(config.paths.outbox.startsWith(home)).toBe(true);
  });

  it('takes an empty NEARSIDE_HOME for none', () => {
    const environment = { NEARSIDE_HOME: '', XDG_DATA_HOME: home };
    expect(loadConfig({ environment, platform: 'linux' }).home).toBe(join(home, 'nearside'));
  });

  it('lets the command line win over the environment, that over the file, that over the defaults', () => {
    writeFileSync(join(home, 'config.json'), JSON.stringify({ serve: { port: 1, host: '0.0.0.0' }, log: { level: 'warn' } }));
    const environment = { NEARSIDE_SERVE_PORT: '2', NEARSIDE_LOG_LEVEL: 'error' };
    const config = loadConfig({ home, environment, overrides: { serve: { port: 3 } } });
    expect(config.serve.port).toBe(3);
    expect(config.log.level).toBe('error');
    expect(config.serve.host).toBe('0.0.0.0');
    expect(config.serve.maxBodyBytes).toBe(4 * 1024 * 1024);
  });

  it('hands overrides to child processes through the environment', () => {
    const parent = loadConfig({
      home,
      environment: {},
      overrides: { serve: { port: 0 }, telemetry: { enabled: false }, runtime: { models: { embed: 'all-minilm-l6-v2' } } },
    });
    const child = loadConfig({ environment: parent.environment });
    expect(child).toMatchObject({
      home,
      serve: { port: 0 },
      telemetry: { enabled: false },
      runtime: { models: { embed: 'all-minilm-l6-v2' } },
    });
  });

  it('is frozen', () => {
    const config = loadConfig({ home, environment: {} });
    expect(() => {
      (config.serve as { port: number }).port = 1;
    }).toThrow(TypeError);
  });

  it('names every problem in one error', () => {
    const environment = { NEARSIDE_SERVE_PORT: 'eighty', NEARSIDE_LOG_LEVEL: 'loud', NEARSIDE_SERVE_KEYS: 'short' };
    expect(() => loadConfig({ home, environment })).toThrow(
      expect.objectContaining({
        code: 'E_CONFIG_INVALID',
        details: {
          problems: [expect.stringContaining('serve.port'), expect.stringContaining('serve.keys'), expect.stringContaining('log.level')],
        },
      }),
    );
  });

  it('refuses a variable that sets nothing, so that a typing error is not lost', () => {
    expect(() => loadConfig({ home, environment: { NEARSIDE_SERVR_PORT: '1' } })).toThrow(
      expect.objectContaining({
        code: 'E_CONFIG_INVALID',
        message: expect.stringContaining('NEARSIDE_SERVR_PORT: there is no such setting'),
      }),
    );
  });

  it('refuses a setting it does not know, and a file that is not JSON', () => {
    writeFileSync(join(home, 'config.json'), JSON.stringify({ serve: { prot: 1 } }));
    expect(() => loadConfig({ home, environment: {} })).toThrow(
      expect.objectContaining({ code: 'E_CONFIG_INVALID', message: expect.stringContaining('prot') }),
    );
    writeFileSync(join(home, 'config.json'), '{');
    expect(() => loadConfig({ home, environment: {} })).toThrow(
      expect.objectContaining({ code: 'E_CONFIG_INVALID', message: expect.stringContaining('not JSON') }),
    );
  });

  it.each(['null', '[{"serve":{"port":1}}]', '"serve"', '7'])('refuses a file that holds no object: %s', (text) => {
    writeFileSync(join(home, 'config.json'), text);
    expect(() => loadConfig({ home, environment: {} })).toThrow(
      expect.objectContaining({ code: 'E_CONFIG_INVALID', message: expect.stringContaining('expected a JSON object') }),
    );
  });

  it('says when the home folder cannot be read', () => {
    mkdirSync(join(home, 'config.json'));
    expect(() => loadConfig({ home, environment: {} })).toThrow(expect.objectContaining({ code: 'E_HOME_UNUSABLE' }));
  });

  it('describes every setting in a sentence, under a variable of its own', () => {
    const settings = describeSettings();
    expect(settings.length).toBeGreaterThan(30);
    expect(new Set(settings.map((setting) => setting.variable)).size).toBe(settings.length);
    expect(settings.find((setting) => setting.path === 'serve.maxBodyBytes')?.variable).toBe('NEARSIDE_SERVE_MAX_BODY_BYTES');
    expect(settings.filter((setting) => !/^[A-Z].*\.$/.test(setting.meaning)).map((setting) => setting.path)).toEqual([]);
  });
});

describe('default home folder', () => {
  it('is the one of the platform', () => {
    expect(defaultHome('linux', { HOME: '/home/a' })).toBe('/home/a/.local/share/nearside');
    expect(defaultHome('linux', { HOME: '/home/a', XDG_DATA_HOME: '/data' })).toBe('/data/nearside');
    expect(defaultHome('darwin', { HOME: '/Users/a' })).toBe('/Users/a/Library/Application Support/Nearside');
  });
});
