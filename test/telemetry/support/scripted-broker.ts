import { createServer, type Socket } from 'node:net';

/** MQTT control packet types (MQTT 5.0, section 2.1.2). */
const CONNECT = 1;
const PUBLISH = 3;
const SUBSCRIBE = 8;

/** A peer that speaks just enough MQTT 5 to show what a client has on the wire unconfirmed. */
export interface ScriptedBroker extends AsyncDisposable {
  readonly url: string;
  /** PUBLISH packets that came, and the most that were unconfirmed at once. */
  readonly seen: { published: number; unconfirmed: number; mostUnconfirmed: number };
}

/** Announces this Receive Maximum and confirms each PUBLISH after `confirmAfterMs`. */
export async function startScriptedBroker(receiveMaximum: number, confirmAfterMs: number): Promise<ScriptedBroker> {
  const seen = { published: 0, unconfirmed: 0, mostUnconfirmed: 0 };
  const sockets = new Set<Socket>();
  const answer = (socket: Socket, type: number, flags: number, body: Buffer): void => {
    if (type === CONNECT) socket.write(Buffer.from([0x20, 6, 0, 0, 3, 0x21, receiveMaximum >> 8, receiveMaximum & 255]));
    if (type === SUBSCRIBE) socket.write(Buffer.from([0x90, 4, body[0] ?? 0, body[1] ?? 0, 0, 1]));
    if (type === PUBLISH && (flags & 0b110) !== 0) {
      const topicLength = body.readUInt16BE(0);
      const id = body.subarray(2 + topicLength, 4 + topicLength);
      seen.published++;
      seen.mostUnconfirmed = Math.max(seen.mostUnconfirmed, ++seen.unconfirmed);
      setTimeout(() => {
        seen.unconfirmed--;
        socket.write(Buffer.concat([Buffer.from([0x40, 2]), id]));
      }, confirmAfterMs);
    }
  };
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    let rest: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      for (let packet = readPacket(rest); packet; packet = readPacket(rest)) {
        rest = rest.subarray(packet.end);
        answer(socket, packet.head >> 4, packet.head & 15, packet.body);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    seen,
    url: `mqtt://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Section 2.1.4: the remaining length is a variable byte integer. */
function readPacket(bytes: Buffer): { head: number; body: Buffer; end: number } | undefined {
  let length = 0;
  for (let at = 1; at <= 4; at++) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    length += (byte & 127) * 128 ** (at - 1);
    if (byte < 128) {
      const end = at + 1 + length;
      return end <= bytes.length ? { head: bytes[0] ?? 0, body: bytes.subarray(at + 1, end), end } : undefined;
    }
  }
  return undefined;
}
