import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readlinkSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { openModelStore } from '#apps/device/device.ts';
import { loadConfig } from '#edge/config/load.ts';
import { silentLogger } from '#edge/core/log.ts';
import { regretOf, spreadOf } from '../../scripts/benchmarks/figures.ts';
import { freshHome, newDevice } from '../../scripts/benchmarks/fresh-home.ts';

describe('regretOf', () => {
  const candidates = [
    { id: 'a', callSeconds: [1, 9, 1.1] },
    { id: 'b', callSeconds: [1, 1, 1] },
    { id: 'never measured', callSeconds: [] },
  ];

  it('compares medians, so that one disturbed round counts for nothing', () => {
    const { best, regret } = regretOf('a', candidates) ?? {};
    expect(best).toBe('b');
    expect(regret).toBeCloseTo(0.1);
  });

  it('is none for the best', () => expect(regretOf('b', candidates)).toEqual({ best: 'b', regret: 0 }));

  it('is unknown for what was not measured', () => {
    expect(regretOf('never measured', candidates)).toBeUndefined();
    expect(regretOf('unheard of', candidates)).toBeUndefined();
  });
});

describe('spreadOf', () => {
  it('takes half as far off as double', () => {
    const ratios = [
      { id: 'high', ratio: 1.9 },
      { id: 'low', ratio: 0.5 },
      { id: 'right', ratio: 1 },
    ];
    expect(spreadOf(ratios)).toEqual({ min: 0.5, median: 1, max: 1.9, worst: { id: 'low', ratio: 0.5 } });
  });
});

describe('home folders for benchmarks', () => {
  const original = loadConfig();
  const variantsIn = (config: typeof original): readonly string[] =>
    openModelStore(config, silentLogger)
      .list()
      .map(({ model, variant }) => `${model}@${variant}`);

  it('have the models of the real one, forget what was measured, and leave the models alone when they go', () => {
    using home = freshHome(original);
    expect(home.config.home).not.toBe(original.home);
    expect(readlinkSync(home.config.paths.store)).toBe(original.paths.store);
    expect(variantsIn(home.config)).toEqual(variantsIn(original));
    expect(existsSync(home.config.paths.calibration)).toBe(false);
    home[Symbol.dispose]();
    expect(existsSync(home.config.home)).toBe(false);
    expect(lstatSync(original.paths.store).isDirectory()).toBe(true);
  });

  it('of a new device lack what a device makes by itself, which the real one keeps', () => {
    const before = variantsIn(original);
    const derived = openModelStore(original, silentLogger)
      .list()
      .filter(({ kept }) => kept)
      .map(({ model, variant }) => `${model}@${variant}`);
    using device = newDevice(original);
    expect(variantsIn(device.config)).toEqual(before.filter((each) => !derived.includes(each)));
    const store = openModelStore(device.config, silentLogger);
    for (const { files } of store.list()) for (const path of Object.values(files)) expect(statSync(path).size).toBeGreaterThan(0);
    device[Symbol.dispose]();
    expect(variantsIn(original)).toEqual(before);
  });
});

describe('scripts/bench', () => {
  const bench = fileURLToPath(new URL('../../scripts/bench', import.meta.url));

  it('names its parts', () => {
    const { status, stdout } = spawnSync(bench, ['--help'], { encoding: 'utf8' });
    expect(status).toBe(0);
    for (const part of ['generate', 'embed', 'device', 'choice', 'first-plan']) expect(stdout).toMatch(new RegExp(`^ {2}${part} `, 'm'));
  });

  it('refuses a part that it does not have', () => {
    const { status, stdout, stderr } = spawnSync(bench, ['choise'], { encoding: 'utf8' });
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
    expect(stderr).toContain('choise');
  });
});
