// Words of the bootstrap: to stderr, so that `npm run -s nearside -- ... --json` keeps stdout for data.
export function say(text) {
  process.stderr.write(`nearside  ${text}\n`);
}

export function fail(text) {
  process.stderr.write(`nearside  error: ${text}\n`);
}

/** Tells that a step begins and how it ended; when a person watches, also how long it has run, each second. */
export function ticking(label) {
  const start = Date.now();
  const seconds = () => Math.round((Date.now() - start) / 1000);
  const person = process.stderr.isTTY;
  if (person) process.stderr.write(`nearside  ${label} ...`);
  else say(`${label} ...`);
  const timer = person ? setInterval(() => process.stderr.write(`\rnearside  ${label} ... ${seconds()} s`), 1000) : undefined;
  return (result = 'done') => {
    clearInterval(timer);
    if (person) process.stderr.write(`\rnearside  ${label} ... ${result} (${seconds()} s)\n`);
    else say(`${label}: ${result} (${seconds()} s)`);
  };
}
