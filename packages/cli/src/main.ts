#!/usr/bin/env node
import { once } from 'node:events'
import { createInterface } from 'node:readline/promises'
import { UsageError } from '@imhotep/base'
import { CommanderError } from 'commander'
import { commands } from './commands/index.ts'
import type { Context } from './context.ts'
import { describeFailure, failureText } from './output/failure.ts'
import { failureJson, outcomeJson } from './output/json.ts'
import { createPage } from './output/page.ts'
import { createProgress } from './output/progress.ts'
import { redact } from './output/redact.ts'
import { createProgram, type Call } from './program.ts'
import { toolVersion } from './project/tool-version.ts'
import { targetText } from './target/target.ts'

const argv = process.argv.slice(2)
const json = argv.includes('--json')
const colours = process.stdout.isTTY && !process.env['NO_COLOR']
// In a clone of the repository there is no `imhotep` on the path: `npm run imhotep --` stands for it.
const program = process.env['npm_lifecycle_event'] === undefined ? 'imhotep' : 'npm run imhotep --'
const page = createPage((text) => process.stdout.write(redact(text)), { colours, program })
const progress = createProgress(process.stderr)
const stop = new AbortController()
/** What shells expect of a process that SIGTERM ended. */
const EXIT_TERMINATED = 143
let exitCode = 0

process.on('SIGINT', () => {
  if (stop.signal.aborted) process.exit(130)
  progress.clear()
  process.stderr.write('stopping (Ctrl-C again leaves at once) ...\n')
  stop.abort()
})
process.on('SIGTERM', () => {
  if (stop.signal.aborted) process.exit(EXIT_TERMINATED)
  stop.abort()
  // Who sent it follows with SIGKILL after ten seconds or so, and what does not listen would go on until then.
  setTimeout(() => process.exit(EXIT_TERMINATED), 8_000).unref()
})
// Who reads no further (`| head`) does not stop the work.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error
  })
}

async function runCommand({ command, args, options }: Call): Promise<void> {
  const context: Context = {
    cwd: process.cwd(),
    env: process.env,
    args,
    options,
    signal: stop.signal,
    announce: (target) => {
      progress.clear()
      const text = `imhotep ${command.name}: ${targetText(target)}`
      if (command.printsDocument?.(options)) process.stderr.write(`${text}\n`)
      else if (!json) page.line(text)
    },
    progress: progress.say,
    show: (print) => {
      progress.clear()
      if (process.stdout.isTTY) process.stdout.write('\u001b[2J\u001b[H')
      print(page)
    },
    confirm,
  }
  const outcome = await command.run(context)
  progress.clear()
  if (json) process.stdout.write(outcomeJson(command.name, outcome))
  else await command.print(outcome.data, page)
  exitCode = outcome.ok ? 0 : 1
}

async function confirm(question: string): Promise<boolean | null> {
  if (json || !process.stdin.isTTY || !process.stderr.isTTY) return null
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  // The terminal is ours meanwhile: Ctrl-C arrives here and not as a signal, Ctrl-D closes it and is a no.
  terminal.on('SIGINT', () => process.kill(process.pid, 'SIGINT'))
  const closed = once(terminal, 'close').then(() => '')
  try {
    const answer = await Promise.race([terminal.question(`${question} [y/N] `, { signal: stop.signal }), closed])
    return /^y(es)?$/i.test(answer.trim())
  } catch (error) {
    if (stop.signal.aborted) throw error
    return false
  } finally {
    terminal.close()
  }
}

function reportFailure(thrown: unknown): void {
  const error = thrown instanceof CommanderError ? toUsageError(thrown) : thrown
  if (error === null) return
  progress.clear()
  const failure = describeFailure(error, stop.signal.aborted)
  if (json) process.stdout.write(failureJson(commandName(), failure))
  else process.stderr.write(failureText(failure))
  if (argv.includes('--verbose') && error instanceof Error) process.stderr.write(`${redact(stackOf(error))}\n`)
  exitCode = failure.exitCode
}

/** Null for what commander throws to end after --help and --version. */
function toUsageError(error: CommanderError): UsageError | null {
  if (error.exitCode === 0) return null
  if (error.code === 'commander.help') return new UsageError('no command given', { hint: 'see: imhotep --help' })
  const [message = '', suggestion] = error.message.replace(/^error: /, '').split('\n')
  const known = commands.find(({ name }) => name === commandName())
  const help = known === undefined ? 'see: imhotep --help' : `see: imhotep ${known.name} --help`
  const meant = /Did you mean (.*)\?/.exec(suggestion ?? '')?.[1]
  return new UsageError(message, { hint: meant === undefined ? help : `did you mean '${meant}'? ${help}` })
}

function commandName(): string {
  const typed = argv.find((word) => !word.startsWith('-')) ?? ''
  return commands.find(({ name, aliases }) => name === typed || aliases?.includes(typed) === true)?.name ?? typed
}

/** The stack with every cause behind it; statements and parameters of a database error are not part of it. */
function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by: ${stackOf(error.cause)}` : ''
  return `${error.stack ?? error.message}${cause}`
}

const parser = createProgram(commands, {
  version: toolVersion(),
  write: (text) => process.stdout.write(text),
  onCall: runCommand,
})

try {
  await parser.parseAsync(argv, { from: 'user' })
} catch (error) {
  reportFailure(error)
}
// Everything is printed before the process ends, and nothing that was left open keeps it alive.
process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)))
