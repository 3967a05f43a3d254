import { fork } from 'node:child_process'
import { setTimeout as pause } from 'node:timers/promises'
import { bundled } from '../../support/bundled.ts'

export type Action = 'run' | 'cancel' | 'revert'

export interface Job {
  readonly service: string
  readonly action: Action
  readonly settings: {
    readonly sourceUrl: string
    readonly targetUrl: string
    readonly schemaDirectory: string
    readonly envDirectory: string
  }
}

export type MoverMessage =
  | { readonly kind: 'step'; readonly step: string }
  | { readonly kind: 'done'; readonly state: string }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string; readonly stack: string }

export type Outcome =
  | Exclude<MoverMessage, { readonly kind: 'step' }>
  | { readonly kind: 'killed' }
  /** It neither ended nor failed. */
  | { readonly kind: 'hangs'; readonly step: string }

/** A blow at some moment: so many milliseconds after a step. */
export interface Blow {
  readonly step: string
  readonly delayMs: number
  /** Kills a server and starts it again; absent: the process itself is killed. */
  readonly server?: () => Promise<void>
}

const patienceMs = 300_000

/** Carries out a job in a process of its own, which is or whose servers are killed at a moment. */
export async function move(job: Job, blow?: Blow): Promise<{ readonly outcome: Outcome; readonly struck: boolean }> {
  const program = await bundled(new URL('./mover-main.ts', import.meta.url))
  const child = fork(program, [JSON.stringify(job)], { execArgv: [] })
  let striking: Promise<void> | undefined
  let last = 'start'
  let ended = false
  async function strike({ delayMs, server }: Blow): Promise<void> {
    await pause(delayMs)
    if (server) await server()
    else child.kill('SIGKILL')
  }
  const outcome = await new Promise<Outcome>((resolve) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      resolve({ kind: 'hangs', step: last })
    }, patienceMs)
    child.on('message', (message: MoverMessage) => {
      if (message.kind !== 'step') {
        ended = true
        clearTimeout(timer)
        resolve(message)
        return
      }
      last = message.step
      if (blow && message.step === blow.step) striking ??= strike(blow)
    })
    child.on('exit', () => {
      clearTimeout(timer)
      if (!ended) resolve({ kind: 'killed' })
    })
  })
  await striking
  return { outcome, struck: striking !== undefined }
}
