/** A program that only loads an encoder with ONNX Runtime and embeds: what an engine child is compared with. Prints its memory in bytes. */
import type { LoadSpec } from '#edge/contracts/backend.ts';
import { PASSAGE } from './embedding.ts';
import { openOnnxPeer } from './onnx-peer.ts';

const embed = await openOnnxPeer(JSON.parse(process.argv[2] ?? '') as LoadSpec);
for (let count = 0; count < 20; count++) await embed([PASSAGE]);
process.stdout.write(String(process.memoryUsage.rss()));
