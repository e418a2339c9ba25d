import type { DocumentInfo } from '#edge/contracts/bot.ts';
import { useChat } from './context.ts';
import { Loaded } from './loaded.tsx';
import { Modal } from './modal.tsx';

/** What the question-answering bot has read, and how to give it more. */
export function DocumentsDialog({ onClose }: { readonly onClose: () => void }) {
  const { api } = useChat();
  return (
    <Modal title="Documents" onClose={onClose}>
      <p>Answers are quoted from these. Add files, folders or web pages on the device with:</p>
      <pre class="command">
        <code>npm run nearside -- docs add FOLDER</code>
      </pre>
      <p class="muted">Markdown, text, HTML, PDF, Word and JSON lines are read.</p>
      <Loaded load={() => api.listDocuments()}>{(documents) => <DocumentList documents={documents} />}</Loaded>
    </Modal>
  );
}

function DocumentList({ documents }: { readonly documents: readonly DocumentInfo[] }) {
  if (documents.length === 0) return <p class="muted">None yet.</p>;
  return (
    <ul class="documents" aria-label={`${documents.length} documents`}>
      {documents.map((document) => (
        <li key={document.id}>
          <strong>{document.title || document.source}</strong>
          <span class="path">{document.source}</span>
          <span class="muted">
            {document.chunks} {document.chunks === 1 ? 'passage' : 'passages'}, {document.characters.toLocaleString('en')} characters
          </span>
        </li>
      ))}
    </ul>
  );
}
