import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect } from 'preact/hooks';
import { DeviceError } from '../api/device-error.ts';
import { ErrorCard } from './error-card.tsx';

interface LoadedProps<T> {
  readonly load: () => Promise<T>;
  readonly children: (value: T) => ComponentChildren;
}

/** Shows what a call brings, or why it failed with the way to try again. */
export function Loaded<T>({ load, children }: LoadedProps<T>) {
  const value = useSignal<T | undefined>(undefined);
  const error = useSignal<DeviceError | undefined>(undefined);
  const run = async (): Promise<void> => {
    try {
      value.value = await load();
      error.value = undefined;
    } catch (failure) {
      error.value = DeviceError.from(failure);
    }
  };
  useEffect(() => void run(), []);
  if (error.value) return <ErrorCard error={error.value} onRetry={() => void run()} />;
  return <>{value.value === undefined ? <p class="muted">Reading …</p> : children(value.value)}</>;
}
