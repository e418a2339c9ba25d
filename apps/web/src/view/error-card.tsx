import type { DeviceError } from '../api/device-error.ts';
import { useChat } from './context.ts';
import { Icon } from './icons.tsx';

/** A failure: what happened, how to mend it, its code, and the way to try again. */
export function ErrorCard({ error, onRetry }: { readonly error: DeviceError; readonly onRetry?: () => void }) {
  return (
    <div class="error-card">
      <Icon name="alert" />
      <div>
        <p class="error-message">{error.message}</p>
        <p class="error-hint">{error.hint}</p>
        {error.code === 'E_UNAUTHORIZED' ? <KeyForm onSaved={onRetry} /> : null}
        <p class="error-foot">
          <code>{error.code}</code>
          {onRetry ? (
            <button type="button" class="button" onClick={onRetry}>
              <Icon name="retry" />
              Retry
            </button>
          ) : null}
        </p>
      </div>
    </div>
  );
}

function KeyForm({ onSaved }: { readonly onSaved: (() => void) | undefined }) {
  const { api } = useChat();
  return (
    <form
      class="key-form"
      onSubmit={(event) => {
        event.preventDefault();
        api.setKey(String(new FormData(event.currentTarget).get('key') ?? '').trim());
        onSaved?.();
      }}
    >
      <label for="api-key">API key of this device, kept in this browser</label>
      <input id="api-key" name="key" type="password" autocomplete="off" required />
      <button type="submit" class="button">
        Use key
      </button>
    </form>
  );
}
