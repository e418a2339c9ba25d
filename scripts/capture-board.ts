/**
 * Records this machine as a board of `test/fixtures/boards`: `node scripts/capture-board.ts FOLDER`. Needs Node 24 and this
 * checkout, no installation. Only what the probes read is kept, without serial numbers, addresses and names.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { probeDevice } from '../edge/hardware/device-profile.ts';
import { findEnergyMeter } from '../edge/hardware/energy.ts';
import { probeLoad } from '../edge/hardware/load.ts';
import { systemIo } from '../edge/hardware/probe-io.ts';
import { recordingIo } from './board-recording.ts';

const { positionals } = parseArgs({ allowPositionals: true });
const [folder] = positionals;
if (folder === undefined || positionals.length > 1) {
  process.stderr.write('usage: node scripts/capture-board.ts FOLDER\n');
  process.exit(1);
}

const recorder = recordingIo(systemIo());
const profile = await probeDevice(recorder.io);
await probeLoad(recorder.io, profile.cpu.logicalCores);
await findEnergyMeter(recorder.io);
const { board, root, commands } = await recorder.files();
const { evidence: _evidence, fingerprint: _fingerprint, disk: _disk, accelerators, ...facts } = profile;
const device = { ...facts, accelerators: accelerators.map(({ evidence: _own, ...accelerator }) => accelerator) };

write('board.json', `${JSON.stringify(board, null, 2)}\n`);
write('expected.json', `${JSON.stringify({ device }, null, 2)}\n`);
for (const [path, text] of root) write(join('root', path), text);
for (const [name, text] of commands) write(join('commands', name), text);
process.stdout.write(
  `${root.size} files and ${commands.size} commands recorded in ${folder}.\nRead them before you give them away: what the script did not know as private is still there.\n`,
);

function write(path: string, text: string): void {
  const target = join(folder ?? '.', path);
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, text, { flag: 'wx' });
}
