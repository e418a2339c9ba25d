import type { EngineStatus } from '#edge/contracts/runtime.ts';
import type { Ledger } from '#edge/contracts/telemetry.ts';
import { useChat } from './context.ts';
import { formatBytes } from './format.ts';
import { Loaded } from './loaded.tsx';
import { Modal } from './modal.tsx';

/** The engines that run now, and the account of every event. */
export function DeviceDialog({ onClose }: { readonly onClose: () => void }) {
  const { api } = useChat();
  return (
    <Modal title="This device" onClose={onClose}>
      <h3>Engines</h3>
      <Loaded load={() => api.listEngines()}>{(engines) => <EngineList engines={engines} />}</Loaded>
      <h3>Telemetry</h3>
      <p class="muted">Counts and durations only: no question, answer or document is in it.</p>
      <Loaded load={() => api.readLedger()}>{(ledger) => <LedgerTable ledger={ledger} />}</Loaded>
    </Modal>
  );
}

function EngineList({ engines }: { readonly engines: readonly EngineStatus[] }) {
  if (engines.length === 0) return <p class="muted">None is loaded: each starts when it is first needed.</p>;
  return (
    <ul class="engines">
      {engines.map((engine) => (
        <li key={`${engine.model}/${engine.variant}/${engine.pid}`}>
          <strong>{engine.model}</strong>
          <span class="muted">
            {engine.variant} on {engine.backend}/{engine.provider}, {engine.threads} threads, {formatBytes(engine.residentBytes)} in memory
            {engine.crashes > 0 ? `, ${engine.crashes} crashes` : ''}
          </span>
        </li>
      ))}
    </ul>
  );
}

const COUNTS = ['produced', 'stored', 'dropped', 'pending'] as const;

function LedgerTable({ ledger }: { readonly ledger: Ledger }) {
  return (
    <dl class="counts">
      {COUNTS.map((name) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{ledger[name].toLocaleString('en')}</dd>
        </div>
      ))}
    </dl>
  );
}
