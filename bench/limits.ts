/** Ends a measurement, so that what was started for it is removed. */
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort(new Error(signal)));

/** Aborts when the process is told to end, or after so many minutes. */
export function within(minutes: number): AbortSignal {
  return AbortSignal.any([interrupted.signal, AbortSignal.timeout(minutes * 60_000)]);
}
