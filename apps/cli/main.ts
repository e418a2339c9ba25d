#!/usr/bin/env node
/** Entry of `nearside`. Commands are imported when they are called, so that help comes at once. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { TASKS } from '#edge/contracts/model.ts';
import { PLAN_PROFILES } from '#edge/contracts/plan.ts';
import { QUANTIZATION_FACTS, QUANTIZATIONS, type Quantization } from '#edge/contracts/quantize.ts';
import { VERSION } from './context.ts';

const json = (): Option => new Option('--json', 'print JSON on stdout');

const program = new Command('nearside')
  .description(
    'Turns this machine into an AI endpoint: models, three chatbots, an OpenAI-compatible API, telemetry that accounts for every event.',
  )
  .version(VERSION)
  .option('--home <dir>', 'folder of all state (or NEARSIDE_HOME)')
  .option('--verbose', 'log in detail')
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .showHelpAfterError('(add --help to see how the command is used)')
  .addHelpText(
    'after',
    `
First steps:
  $ nearside start                                    fetch the default models and serve on http://127.0.0.1:8765
  $ nearside ask qa "How do I return a tent?"         ask the documents
  $ nearside docs add ./manuals                       teach it your own
  $ nearside plan                                     see which engine runs what here, and why
  $ nearside doctor                                   see what is wrong, and how to mend it

Exit codes: 0 done, 1 failed (a coded error on stderr), 2 wrong command line, 130 interrupted.
Settings: nearside config lists each one, with its variable and meaning.`,
  );

program
  .command('start')
  .description('start the device: fetches missing default models, then serves until Ctrl-C')
  .option('--port <number>', 'HTTP port, 0 for a free one', parseInteger)
  .option('--host <address>', 'address to listen on; anything but loopback needs keys')
  .addHelpText('after', '\nExample:\n  $ nearside start --port 9000')
  .action(async (...args) => (await import('./commands/start.ts')).start(...args));

program
  .command('ask <bot> <question...>')
  .description('ask a bot (qa, recommend, support) one question')
  .option('--session <id>', 'continue a conversation')
  .addOption(json())
  .addHelpText(
    'after',
    '\nExamples:\n  $ nearside ask qa "How long do I have to return an opened tent?"\n  $ nearside ask recommend "waterproof jacket for men under 120" --json',
  )
  .action(async (...args) => (await import('./commands/ask.ts')).ask(...args));

program
  .command('chat [bot]')
  .description('talk to a bot, line by line (default: qa)')
  .option('--session <id>', 'continue a conversation')
  .action(async (...args) => (await import('./commands/ask.ts')).chat(...args));

const docs = program.command('docs').description('documents that the QA bot answers from');
docs
  .command('add <path...>')
  .description('read files, folders or URLs: Markdown, text, HTML, PDF, DOCX, JSON lines')
  .addOption(
    new Option('--format <format>', 'how to read them')
      .choices(['auto', 'markdown', 'text', 'html', 'pdf', 'docx', 'jsonl'])
      .default('auto'),
  )
  .option('--text <field>', 'JSON lines: field that holds the text')
  .option('--id <field>', 'JSON lines: field that holds the id')
  .option('--title <field>', 'JSON lines: field that holds the title')
  .addOption(json())
  .addHelpText(
    'after',
    '\nExamples:\n  $ nearside docs add handbook.pdf notes/\n  $ nearside docs add faq.jsonl --format jsonl --text answer --title question',
  )
  .action(async (...args) => (await import('./commands/docs.ts')).addDocuments(...args));
docs
  .command('list')
  .description('list the documents')
  .addOption(json())
  .action(async (...args) => (await import('./commands/docs.ts')).listDocuments(...args));
docs
  .command('rm <document...>')
  .description('remove documents, by id or source')
  .addOption(json())
  .action(async (...args) => (await import('./commands/docs.ts')).removeDocuments(...args));
docs
  .command('reindex')
  .description('make all vectors anew, after a change of the embedding model')
  .addOption(json())
  .action(async (...args) => (await import('./commands/docs.ts')).reindexDocuments(...args));

program
  .command('pull [model...]')
  .description('fetch models into the store')
  .option('--defaults', 'all default models')
  .option('--variant <id>', 'a certain variant')
  .addOption(json())
  .action(async (...args) => (await import('./commands/models.ts')).pull(...args));
program
  .command('list')
  .description('list the models of the store')
  .option('--all', 'the whole catalog')
  .addOption(json())
  .action(async (...args) => (await import('./commands/models.ts')).list(...args));
program
  .command('show <model>')
  .description('show the card of a model')
  .addOption(json())
  .action(async (...args) => (await import('./commands/models.ts')).show(...args));
program
  .command('rm <model>')
  .description('remove a model from the store')
  .option('--variant <id>', 'a certain variant')
  .addOption(json())
  .action(async (...args) => (await import('./commands/models.ts')).remove(...args));
program
  .command('quantize <model>')
  .description('make a stored GGUF model in another quantisation, and keep it if it loses at most 1 % perplexity')
  .requiredOption('--to <type>', 'quantisation to make', parseQuantization)
  .addOption(json())
  .addHelpText(
    'after',
    `
Types, with their bits a weight:
${QUANTIZATIONS.map((type) => `  ${type.padEnd(6)}  ${QUANTIZATION_FACTS[type].bits.toFixed(1).padStart(4)}  ${QUANTIZATION_FACTS[type].use}`).join('\n')}

Needs no compiler and no network. The result must be within 1 % of its source's perplexity on a fixed text.

Example:
  $ nearside quantize smollm2-135m-instruct --to Q8_0`,
  )
  .action(async (...args) => (await import('./commands/quantize.ts')).quantize(...args));
program
  .command('verify [model]')
  .description('hash the files of the store anew')
  .addOption(json())
  .action(async (...args) => (await import('./commands/models.ts')).verify(...args));
program
  .command('path <model>')
  .description('print where the weights of a model lie')
  .option('--variant <id>', 'a certain variant')
  .addOption(json())
  .action(async (...args) => (await import('./commands/models.ts')).path(...args));

program
  .command('plan')
  .description('explain which engine runs a task or a model here, why the others do not, and whether it fits the memory')
  .argument(
    '[subject]',
    `a task (${TASKS.join(', ')}), MODEL or MODEL:VARIANT, a file, an address, or hf:OWNER/NAME/PATH; all tasks with a default model when left out`,
  )
  .option('--context <tokens>', 'context that must fit', parseInteger)
  .addOption(new Option('--profile <profile>', 'what to favour').choices(PLAN_PROFILES))
  .option('--all', 'candidates of models that are not downloaded, too')
  .addOption(json())
  .addHelpText(
    'after',
    '\nOf a file that is in no catalog only the header is read, also of one on a server.\n\nExamples:\n  $ nearside plan generate --profile quality\n  $ nearside plan qwen3-4b --context 8192\n  $ nearside plan ./model.gguf\n  $ nearside plan hf:Qwen/Qwen3-0.6B-GGUF/Qwen3-0.6B-Q8_0.gguf',
  )
  .action(async (...args) => (await import('./commands/plan.ts')).plan(...args));

program
  .command('tune')
  .description('build llama.cpp for exactly this processor (or its CUDA GPU), and keep it if it measures faster')
  .option('--undo', 'remove what was built')
  .addOption(json())
  .addHelpText(
    'after',
    '\nNeeds a C++ compiler, cmake and git, no network. Takes minutes to an hour, at the lowest priority.\n\nExamples:\n  $ nearside tune\n  $ nearside tune --undo',
  )
  .action(async (...args) => (await import('./commands/tune.ts')).tune(...args));

program
  .command('bench')
  .description('measure every way to run a task, and remember it for the choice')
  .argument('[task or model]', `one of ${TASKS.join(', ')}, or a model; everything stored when left out`)
  .addOption(json())
  .addHelpText(
    'after',
    `
Every stored variant runs on every engine that can, with several numbers of threads, about two seconds each; keep the machine
quiet meanwhile, for what other programs disturb is shown as not measured. A llama-bench on the PATH is measured as a peer.

Examples:
  $ nearside bench embed
  $ nearside bench smollm2-135m-instruct --json`,
  )
  .action(async (...args) => (await import('./commands/bench.ts')).bench(...args));

const telemetry = program.command('telemetry').description('what the device recorded about itself');
telemetry
  .command('status')
  .description('the ledger: produced = stored + dropped + pending')
  .addOption(json())
  .action(async (...args) => (await import('./commands/telemetry.ts')).status(...args));

const fleet = program.command('fleet').description('the collector: devices that reported here');
fleet
  .command('devices')
  .description('list the devices seen')
  .addOption(json())
  .action(async (...args) => (await import('./commands/telemetry.ts')).devices(...args));

program
  .command('config')
  .description('list every setting with its value, variable and meaning')
  .addOption(json())
  .action(async (...args) => (await import('./commands/config.ts')).showConfig(...args));

program
  .command('doctor')
  .description('check this device, and say how to mend what is wrong')
  .addOption(json())
  .action(async (...args) => (await import('./commands/doctor.ts')).doctor(...args));

for (const command of [docs, telemetry, fleet, ...docs.commands, ...telemetry.commands, ...fleet.commands, ...program.commands]) {
  command
    .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
    .showHelpAfterError('(add --help to see how the command is used)');
}

process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader of a pipe, such as `head`, may have seen enough.
  if (error.code === 'EPIPE') process.exit();
  throw error;
});

await program.parseAsync();

function parseQuantization(text: string): Quantization {
  const found = QUANTIZATIONS.find((type) => type === text.toUpperCase());
  if (!found) throw new InvalidArgumentError(`Allowed are ${QUANTIZATIONS.join(', ')}.`);
  return found;
}

function parseInteger(text: string): number {
  return Number(text);
}
