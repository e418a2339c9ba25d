/**
 * Damages 64-bit little-endian ELF libraries as a wrong system would: what the dynamic linker misses is then really missing. Layout: System V
 * ABI, "Object Files".
 */

/** The library with one string of its dynamic string table replaced by another of the same length, such as the name of a version. */
export function withLinkerString(library: Buffer, from: string, to: string): Buffer {
  if (from.length !== to.length) throw new TypeError(`${from} and ${to} differ in length`);
  const { dynstr } = dynamicSections(library);
  const at = library.indexOf(`\0${from}\0`, dynstr.offset, 'latin1');
  if (at < 0 || at > dynstr.offset + dynstr.size) throw new TypeError(`the library does not ask for ${from}`);
  const damaged = Buffer.from(library);
  damaged.write(to, at + 1, 'latin1');
  return damaged;
}

/** The library with an illegal instruction where a function that it exports begins: `ud2` on x64, `udf #0` on arm64. */
export function withIllegalInstruction(library: Buffer, name: string): Buffer {
  const { dynsym, dynstr } = dynamicSections(library);
  for (let at = dynsym.offset; at < dynsym.offset + dynsym.size; at += SYMBOL_BYTES) {
    const start = dynstr.offset + library.readUInt32LE(at);
    if (library.toString('latin1', start, start + name.length + 1) !== `${name}\0`) continue;
    const damaged = Buffer.from(library);
    damaged.set(process.arch === 'arm64' ? [0, 0, 0, 0] : [0x0f, 0x0b], fileOffset(library, library.readBigUInt64LE(at + 8)));
    return damaged;
  }
  throw new TypeError(`the library exports no ${name}`);
}

interface Section {
  readonly offset: number;
  readonly size: number;
}

const SYMBOL_BYTES = 24;
const SECTION_TYPE = { dynsym: 11, strtab: 3 } as const;
const LOADED_SEGMENT = 1;

function dynamicSections(library: Buffer): { readonly dynsym: Section; readonly dynstr: Section } {
  const table = Number(library.readBigUInt64LE(0x28));
  const entryBytes = library.readUInt16LE(0x3a);
  const section = (index: number) => {
    const at = table + index * entryBytes;
    const [offset, size] = [library.readBigUInt64LE(at + 0x18), library.readBigUInt64LE(at + 0x20)].map(Number) as [number, number];
    return { type: library.readUInt32LE(at + 4), offset, size, link: library.readUInt32LE(at + 0x28) };
  };
  for (let index = 0; index < library.readUInt16LE(0x3c); index++) {
    const dynsym = section(index);
    if (dynsym.type !== SECTION_TYPE.dynsym) continue;
    const dynstr = section(dynsym.link);
    if (dynstr.type === SECTION_TYPE.strtab) return { dynsym, dynstr };
  }
  throw new TypeError('the library has no dynamic symbols');
}

/** Where the byte at an address of the loaded library stands in its file. */
function fileOffset(library: Buffer, address: bigint): number {
  const table = Number(library.readBigUInt64LE(0x20));
  const entryBytes = library.readUInt16LE(0x36);
  for (let index = 0; index < library.readUInt16LE(0x38); index++) {
    const at = table + index * entryBytes;
    const start = library.readBigUInt64LE(at + 0x10);
    const isInside = address >= start && address < start + library.readBigUInt64LE(at + 0x20);
    if (library.readUInt32LE(at) === LOADED_SEGMENT && isInside) return Number(library.readBigUInt64LE(at + 8) + address - start);
  }
  throw new TypeError(`no segment of the library holds address ${address}`);
}
