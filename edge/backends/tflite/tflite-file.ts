/**
 * Checks the skeleton of a `.tflite` file before native code reads it: LiteRT trusts every offset in it, and a file that was cut or
 * damaged ends the process. Layout: `tflite/schema/schema.fbs` (TensorFlow Lite schema 3) in the FlatBuffers binary format.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { EdgeError, systemErrorCode } from '#edge/core/errors.ts';

const IDENTIFIER = 'TFL3';
const PAGE_BYTES = 4096;

/** Indexes of the fields that are followed. */
const MODEL = { operatorCodes: 1, subgraphs: 2, buffers: 4, signatures: 7 } as const;
const SUBGRAPH = { tensors: 0, inputs: 1, outputs: 2, operators: 3 } as const;
const TENSOR = { shape: 0, buffer: 2, name: 3 } as const;
const OPERATOR = { code: 0, inputs: 1, outputs: 2 } as const;
const BUFFER = { data: 0, offset: 1, size: 2 } as const;
const SIGNATURE = { inputs: 0, outputs: 1, key: 2, subgraph: 4 } as const;
const SIGNATURE_TENSOR = { name: 0, index: 1 } as const;

/**
 * @throws EdgeError `E_MODEL_NOT_STORED` when there is no such file, `E_MODEL_CORRUPT` when it is no TFLite model or not a whole one.
 */
export function checkModelFile(path: string, what: string): void {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    throw new EdgeError('E_MODEL_NOT_STORED', { what, expected: `file ${path}`, found: systemErrorCode(error) ?? 'none', cause: error });
  }
  try {
    checkModel(new FlatbufferReader(file, what));
  } finally {
    closeSync(file);
  }
}

function checkModel(reader: FlatbufferReader): void {
  const found = reader.size < 8 ? '' : reader.text(4, 4);
  if (found !== IDENTIFIER) throw reader.corrupt(`a TFLite file (identifier ${IDENTIFIER})`, describeStart(reader));
  const model = reader.follow(0);
  const codes = reader.tables(model, MODEL.operatorCodes).length;
  const buffers = reader.tables(model, MODEL.buffers);
  for (const buffer of buffers) checkBuffer(reader, buffer);
  const subgraphs = reader.tables(model, MODEL.subgraphs);
  reader.insist(subgraphs.length > 0, 'no graph');
  const tensorCounts = subgraphs.map((subgraph) => checkSubgraph(reader, subgraph, codes, buffers.length));
  for (const signature of reader.tables(model, MODEL.signatures)) checkSignature(reader, signature, tensorCounts);
}

function checkBuffer(reader: FlatbufferReader, buffer: number): void {
  reader.vector(buffer, BUFFER.data, 1);
  const size = reader.number(buffer, BUFFER.size, 8);
  // Data of files above 2 GB stands behind the flatbuffer.
  if (size > 0) reader.requireBytes(reader.number(buffer, BUFFER.offset, 8), size);
}

/** Returns the number of tensors. */
function checkSubgraph(reader: FlatbufferReader, subgraph: number, codes: number, buffers: number): number {
  const tensors = reader.tables(subgraph, SUBGRAPH.tensors);
  for (const tensor of tensors) {
    reader.vector(tensor, TENSOR.shape, 4);
    reader.vector(tensor, TENSOR.name, 1);
    reader.insist(reader.number(tensor, TENSOR.buffer, 4) < Math.max(1, buffers), 'a tensor without its buffer');
  }
  checkIndexes(reader, subgraph, SUBGRAPH, tensors.length);
  for (const operator of reader.tables(subgraph, SUBGRAPH.operators)) {
    reader.insist(reader.number(operator, OPERATOR.code, 4) < codes, 'an operator without its code');
    checkIndexes(reader, operator, OPERATOR, tensors.length);
  }
  return tensors.length;
}

function checkSignature(reader: FlatbufferReader, signature: number, tensorCounts: readonly number[]): void {
  reader.vector(signature, SIGNATURE.key, 1);
  const tensors = tensorCounts[reader.number(signature, SIGNATURE.subgraph, 4)];
  reader.insist(tensors !== undefined, 'a signature without its graph');
  for (const field of [SIGNATURE.inputs, SIGNATURE.outputs]) {
    for (const entry of reader.tables(signature, field)) {
      reader.vector(entry, SIGNATURE_TENSOR.name, 1);
      reader.insist(reader.number(entry, SIGNATURE_TENSOR.index, 4) < (tensors ?? 0), 'a signature without its tensor');
    }
  }
}

/** Inputs and outputs must name tensors there are; -1 stands for an optional one that is left out. */
function checkIndexes(
  reader: FlatbufferReader,
  table: number,
  fields: { readonly inputs: number; readonly outputs: number },
  count: number,
): void {
  for (const field of [fields.inputs, fields.outputs]) {
    const { start, length } = reader.vector(table, field, 4);
    for (let index = 0; index < length; index++) {
      const tensor = reader.signed(start + 4 * index);
      reader.insist(tensor >= -1 && tensor < count, 'a graph without one of its tensors');
    }
  }
}

function describeStart(reader: FlatbufferReader): string {
  if (reader.size === 0) return 'an empty file';
  const start = reader.text(0, Math.min(64, reader.size));
  if (/^\s*(<!doctype|<html|<\?xml)/i.test(start)) return 'a web page';
  if (start.startsWith('version https://git-lfs')) return 'a Git LFS pointer';
  return 'another kind of file';
}

/** Reads tables and vectors of a FlatBuffers file page by page. */
class FlatbufferReader {
  readonly size: number;
  readonly #file: number;
  readonly #what: string;
  readonly #pages = new Map<number, Buffer>();

  constructor(file: number, what: string) {
    this.#file = file;
    this.#what = what;
    this.size = fstatSync(file).size;
  }

  /** Where the offset at `position` points. */
  follow(position: number): number {
    return position + this.#bytes(position, 4).readUInt32LE();
  }

  /** A number field of 4 or 8 bytes; 0 when the table leaves it out. */
  number(table: number, field: number, bytes: 4 | 8): number {
    const position = this.#field(table, field);
    if (position === undefined) return 0;
    const value = this.#bytes(position, bytes);
    return bytes === 4 ? value.readUInt32LE() : Number(value.readBigUInt64LE());
  }

  signed(position: number): number {
    return this.#bytes(position, 4).readInt32LE();
  }

  /** A vector or string field whose elements have the given size; empty when the table leaves it out. */
  vector(table: number, field: number, elementBytes: number): { readonly start: number; readonly length: number } {
    const position = this.#field(table, field);
    if (position === undefined) return { start: 0, length: 0 };
    const vector = this.follow(position);
    const length = this.#bytes(vector, 4).readUInt32LE();
    this.requireBytes(vector + 4, length * elementBytes);
    return { start: vector + 4, length };
  }

  /** The tables of a vector field. */
  tables(table: number, field: number): number[] {
    const { start, length } = this.vector(table, field, 4);
    return Array.from({ length }, (_, index) => this.follow(start + 4 * index));
  }

  text(position: number, bytes: number): string {
    return this.#bytes(position, bytes).toString('latin1');
  }

  /** @throws EdgeError `E_MODEL_CORRUPT` when the file does not have these bytes. */
  requireBytes(position: number, bytes: number): void {
    this.insist(position >= 0 && position + bytes <= this.size, `something beyond the end of its ${this.size} bytes`);
  }

  /** @throws EdgeError `E_MODEL_CORRUPT` naming the problem, unless the condition holds. */
  insist(condition: boolean, problem: string): void {
    if (!condition) throw this.corrupt('a whole TFLite file', problem);
  }

  corrupt(expected: string, found: string): EdgeError {
    return new EdgeError('E_MODEL_CORRUPT', { what: this.#what, expected, found });
  }

  /** Where a field of a table stands; the table begins with the distance back to its list of field offsets. */
  #field(table: number, field: number): number | undefined {
    const list = table - this.signed(table);
    const listBytes = this.#bytes(list, 2).readUInt16LE();
    const entry = 4 + 2 * field;
    if (entry + 2 > listBytes) return undefined;
    const offset = this.#bytes(list + entry, 2).readUInt16LE();
    return offset === 0 ? undefined : table + offset;
  }

  #bytes(position: number, length: number): Buffer {
    this.requireBytes(position, length);
    const page = Math.floor(position / PAGE_BYTES);
    const start = position - page * PAGE_BYTES;
    if (start + length <= PAGE_BYTES) return this.#page(page).subarray(start, start + length);
    return Buffer.concat([this.#page(page).subarray(start), this.#page(page + 1)]).subarray(0, length);
  }

  #page(index: number): Buffer {
    let page = this.#pages.get(index);
    if (!page) {
      page = Buffer.alloc(PAGE_BYTES);
      readSync(this.#file, page, 0, PAGE_BYTES, index * PAGE_BYTES);
      this.#pages.set(index, page);
    }
    return page;
  }
}
