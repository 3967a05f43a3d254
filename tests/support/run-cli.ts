import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { bundled } from './bundled.ts'

const main = new URL('../../packages/cli/src/main.ts', import.meta.url)

export interface CliRun {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CliOptions {
  readonly cwd?: string
  readonly env?: Readonly<Record<string, string>>
  /** Sends a signal as soon as stderr says this, or this has come. */
  readonly signal?: { readonly name: NodeJS.Signals; readonly when: RegExp | Promise<unknown> }
}

/** Runs the real command in a process of its own, without a terminal and without DATABASE_URL of this process. */
export async function runCli(args: readonly string[], { cwd, env, signal }: CliOptions = {}): Promise<CliRun> {
  const { DATABASE_URL: _, ...inherited } = process.env
  const child = spawn(process.execPath, [await bundled(main), ...args], {
    cwd: cwd ?? process.cwd(),
    env: { ...inherited, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  let isSent = false
  if (signal?.when instanceof Promise) void signal.when.finally(() => child.kill(signal.name))
  child.stdout.on('data', (piece: Buffer) => (stdout += piece.toString()))
  child.stderr.on('data', (piece: Buffer) => {
    stderr += piece.toString()
    if (!(signal?.when instanceof RegExp) || isSent || !signal.when.test(stderr)) return
    isSent = true
    child.kill(signal.name)
  })
  return await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}

/** Runs the command with --json on a database: its answer, which is one line. */
export async function runCliJson(args: readonly string[], url: string, cwd?: string) {
  const options = { env: { DATABASE_URL: url }, ...(cwd === undefined ? {} : { cwd }) }
  const { code, stdout, stderr } = await runCli([...args, '--json'], options)
  assert.equal(stdout.trim().split('\n').length, 1, `more than one line on stdout: ${stdout}\n${stderr}`)
  return { code, answer: JSON.parse(stdout), stdout, stderr }
}
