/** The child's side of {@link SupervisedChild}. */
import { EdgeError } from '../errors.ts';
import { createRpcPeer, type RpcHandlers, type RpcMethods, type RpcPeer } from './rpc.ts';

const HEARTBEAT_MS = 1000;
/** Time `onDisconnect` may take; nobody else ends a child whose parent was killed. */
const END_MS = 5000;

/**
 * Connects this process to the parent that forked it: serves `handlers`, sends heartbeats, and ends the process after
 * `onDisconnect` when the parent goes away or stops it.
 * @throws EdgeError `E_USAGE` when the process was not forked by a parent.
 */
export function connectParent<Remote extends RpcMethods, Local extends RpcMethods>(
  handlers: RpcHandlers<Local>,
  onDisconnect: () => Promise<void>,
): RpcPeer<Remote> {
  const send = process.send?.bind(process);
  if (!send)
    throw new EdgeError('E_USAGE', {
      what: 'this program runs as a child of Nearside',
      expected: 'an IPC channel',
      found: 'none',
      hint: 'Start "npm start" or "nearside" instead.',
    });
  // A message that the parent did not live to read fails here before the channel is known to be gone; that is no crash of this process.
  const post = (message: unknown): void => void send(message, undefined, undefined, () => undefined);
  const peer = createRpcPeer<Remote, Local>(post, handlers);
  process.on('message', (message) => peer.receive(message));
  const beat = (): void => {
    if (process.connected) post({ beat: true, residentBytes: process.memoryUsage.rss() });
  };
  const timer = setInterval(beat, HEARTBEAT_MS);
  process.once('disconnect', () => {
    clearInterval(timer);
    peer.close(new EdgeError('E_SHUTTING_DOWN', { what: 'the parent process went away' }));
    setTimeout(() => process.exit(1), END_MS);
    void onDisconnect().finally(() => process.exit(0));
  });
  // A terminal sends Ctrl-C to the whole process group, a service manager SIGTERM; the parent decides when its children end.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => undefined);
  beat();
  return peer;
}
