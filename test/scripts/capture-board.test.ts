import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { probeDevice } from '#edge/hardware/device-profile.ts';
import { boardNames, recordedIo, replayIo } from '#test/hardware/recorded-io.ts';
import { recordingIo, scrub } from '../../scripts/board-recording.ts';

const SCRIPT = fileURLToPath(new URL('../../scripts/capture-board.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'nearside-board-'));
afterAll(() => rmSync(folder, { recursive: true }));

describe('capture-board', () => {
  const board = join(folder, 'this-machine');
  const capture = (): ReturnType<typeof spawnSync> => spawnSync(process.execPath, [SCRIPT, board], { encoding: 'utf8' });

  it('records this machine so that its profile can be probed again', async () => {
    expect(capture()).toMatchObject({ status: 0, stderr: '', stdout: expect.stringContaining('files') });
    const [recorded, real] = await Promise.all([probeDevice(recordedIo(board)), probeDevice()]);
    expect(recorded).toMatchObject(JSON.parse(readFileSync(join(board, 'expected.json'), 'utf8')).device);
    expect(recorded.fingerprint).toBe(real.fingerprint);
    expect(recorded.cpu).toEqual(real.cpu);
    expect(recorded.accelerators).toEqual(real.accelerators);
    expect(recorded.libc).toEqual(real.libc);
  });

  it('keeps no name of this machine, and of the process only the CPUs it may use', () => {
    const files = readdirSync(board, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const texts = files.map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'utf8'));
    expect(texts.length).toBeGreaterThan(3);
    if (hostname() !== 'localhost') expect(texts.filter((text) => new RegExp(`(?<![\\w-])${hostname()}(?![\\w-])`).test(text))).toEqual([]);
    if (process.platform !== 'linux') return;
    const status = readFileSync(join(board, 'root/proc/self/status'), 'utf8').trim().split('\n');
    expect(status.map((line) => line.split(':')[0])).toEqual(['Cpus_allowed_list', 'Mems_allowed_list']);
  });

  it('overwrites nothing, and says how it is called', () => {
    expect(capture()).toMatchObject({ status: 1, stderr: expect.stringContaining('EEXIST') });
    const run = (): unknown => execFileSync(process.execPath, [SCRIPT], { encoding: 'utf8', stdio: 'pipe' });
    expect(run).toThrow('usage: node scripts/capture-board.ts FOLDER');
  });
});

it.each(boardNames())('records %s so that nothing of its profile is lost', async (board) => {
  const recorder = recordingIo(recordedIo(board));
  const before = await probeDevice(recorder.io);
  const again = await probeDevice(replayIo(await recorder.files()));
  expect(again).toEqual(before);
});

it('takes out what tells one machine from another', () => {
  expect(scrub('Hardware : BCM2835\nSerial\t\t: 10000000abcdef12\n')).toBe('Hardware : BCM2835\nSerial\t\t: 0\n');
  expect(scrub('GPU UUID: GPU-1b2c3d4e-aaaa-bbbb-cccc-0123456789ab')).toBe('GPU UUID: GPU-00000000-0000-0000-0000-000000000000');
  expect(scrub('/sys/class/power_supply/hid-dc:2c:26:0a:bb:cc-battery')).toBe('/sys/class/power_supply/hid-00-00-00-00-00-00-battery');
  expect(scrub(`0::/docker/${'4f'.repeat(32)}`)).toBe(`0::/docker/${'0'.repeat(32)}`);
  expect(scrub('{"PNPDeviceID":"PCI\\\\VEN_8086&REV_01\\\\3&11583659&0&10"}')).toBe('{"PNPDeviceID":"PCI\\\\VEN_8086&REV_01\\\\0"}');
  expect(scrub('(id=21430371)')).toBe('(id=0)');
  expect(scrub('flags : fpu avx2')).toBe('flags : fpu avx2');
});
