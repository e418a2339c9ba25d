// Adds to package-lock.json the optional packages of other platforms that the registry used for `npm install`
// did not serve. Without an entry `npm ci` refuses the lockfile; with one it skips the package by os/cpu/libc.
// Run after every `npm install` that changes the lockfile:  node scripts/complete-lockfile.mjs
import { readFileSync, writeFileSync } from 'node:fs';

const OPERATING_SYSTEMS = {
  linux: 'linux',
  mac: 'darwin',
  darwin: 'darwin',
  win: 'win32',
  win32: 'win32',
  android: 'android',
  freebsd: 'freebsd',
  openharmony: 'openharmony',
};
const ARCHITECTURES = ['x64', 'arm64', 'arm', 'armv7l', 'riscv64', 'ppc64', 's390x', 'ia32', 'loong64'];
const lockUrl = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(lockUrl, 'utf8'));
const added = [];

for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (lock.packages[`${path}/node_modules/${name}`] || lock.packages[`node_modules/${name}`]) continue;
    const words = name.split('/').pop().split('-');
    const os = words.map((word) => OPERATING_SYSTEMS[word]).find(Boolean);
    const cpu = words.find((word) => ARCHITECTURES.includes(word));
    if (!os || !cpu || !/^\d/.test(version)) {
      process.stderr.write(`${name}@${version}: cannot tell its platform from its name; add its lockfile entry by hand\n`);
      process.exitCode = 1;
      continue;
    }
    lock.packages[`node_modules/${name}`] = {
      version,
      cpu: [cpu === 'armv7l' ? 'arm' : cpu],
      ...(entry.dev ? { dev: true } : {}),
      ...(os === 'linux' ? { libc: [words.some((word) => word.startsWith('musl')) ? 'musl' : 'glibc'] } : {}),
      optional: true,
      os: [os],
    };
    added.push(`${name}@${version}`);
  }
}

const [root, ...rest] = Object.keys(lock.packages);
lock.packages = Object.fromEntries([root, ...rest.sort()].map((key) => [key, lock.packages[key]]));
writeFileSync(lockUrl, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(added.length ? `added ${added.length}: ${added.join(', ')}\n` : 'nothing to add\n');
