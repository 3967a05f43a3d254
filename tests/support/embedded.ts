import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbedded, stopEmbedded, type EmbeddedOptions } from '@imhotep/postgres'
import { bundled } from './bundled.ts'
import { testSettings, testVersion } from './server.ts'

const made: string[] = []
let template: Promise<string> | undefined

/** A directory that other users may enter; removed, its server stopped, by `removeDirectories`. */
export async function makeDirectory(options: { mode?: number } = {}): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'imhotep-embedded-'))
  await chmod(directory, options.mode ?? 0o755)
  made.push(directory)
  return directory
}

/** The directory of a server that was made and stopped before: spares each test the time of initdb. */
export async function makeStoppedServer(): Promise<string> {
  template ??= makeTemplate()
  const directory = await makeDirectory()
  copyFiles(join(await template, '.'), directory)
  return directory
}

/** `cp -a`, which keeps owners and modes. */
export function copyFiles(from: string, to: string): void {
  const { status, stderr } = spawnSync('cp', ['-a', `${from}/.`, to], { encoding: 'utf8' })
  if (status !== 0) throw new Error(stderr)
}

export async function removeDirectories(): Promise<void> {
  template = undefined
  for (const directory of made.splice(0)) {
    await stopEmbedded(directory).catch(() => undefined)
    await rm(directory, { recursive: true, force: true, maxRetries: 5 })
  }
}

/** Options of the version under test, with test settings. */
export function embeddedOptions(directory: string): EmbeddedOptions {
  return { directory, version: testVersion(), settings: testSettings }
}

export interface StartedElsewhere {
  readonly child: ChildProcess
  /** What startEmbedded gave or threw there. */
  readonly result: Promise<{ pid?: number; port?: number; adopted?: boolean; code?: string; message?: string }>
}

/** Calls startEmbedded in another process, which then stays until it is killed. `as` runs it as another user. */
export async function startElsewhere(
  options: Omit<EmbeddedOptions, 'onProgress'>,
  as: { uid?: number; gid?: number } = {},
): Promise<StartedElsewhere> {
  const script = await bundled(new URL('start-embedded.ts', import.meta.url))
  const child = spawn(process.execPath, [script, JSON.stringify(options)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, HOME: options.directory, XDG_CACHE_HOME: join(options.directory, 'cache') },
    ...as,
  })
  const result: StartedElsewhere['result'] = new Promise((resolve, reject) => {
    let output = ''
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString()
      if (output.endsWith('\n')) resolve(JSON.parse(output))
    })
    child.on('close', () => reject(new Error(`the process ended: ${output}`)))
  })
  result.catch(() => undefined)
  return { child, result }
}

async function makeTemplate(): Promise<string> {
  const directory = await makeDirectory()
  await (await startEmbedded(embeddedOptions(directory))).stop()
  return directory
}
