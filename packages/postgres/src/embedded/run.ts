import { spawn } from 'node:child_process'
import type { OsUser } from './os-user.ts'

export interface Finished {
  /** Exit status; null when a signal ended it or it could not be started. */
  readonly status: number | null
  /** Both outputs in the order of their arrival, or why it could not be started. */
  readonly output: string
}

/** Runs a program to its end as `user`, without a shell. Never rejects. */
export function run(
  program: string,
  args: readonly string[],
  options: { user?: OsUser | undefined; cwd?: string } = {},
) {
  return new Promise<Finished>((resolve) => {
    const { user, cwd = '/' } = options
    let output = ''
    const child = spawn(program, args, {
      cwd: process.platform === 'win32' ? undefined : cwd,
      env: serverEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
      windowsHide: true,
      ...(user && { uid: user.uid, gid: user.gid }),
    })
    child.stdout.on('data', (data: Buffer) => (output += data.toString()))
    child.stderr.on('data', (data: Buffer) => (output += data.toString()))
    child.on('error', (error) => resolve({ status: null, output: error.message }))
    child.on('close', (status) => resolve({ status, output }))
  })
}

/**
 * English messages, and of the caller's variables only what programs need to run: PG* would reach into initdb and the
 * server, and who reads /proc/PID/environ of a server that stays must find no secret there.
 */
export function serverEnvironment(): NodeJS.ProcessEnv {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'TEMP', 'LD_LIBRARY_PATH', 'TZ', 'SystemRoot']
  const variables = kept.map((name) => [name, process.env[name]]).filter(([, value]) => value !== undefined)
  return { ...Object.fromEntries(variables), LC_ALL: 'C' }
}
