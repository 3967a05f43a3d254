import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { Location } from './location.ts'
import type { JournalCheck, WriterOptions, WriterReport } from './writer.ts'

/** What the process asks for, and what it answers. */
export type ProcessMessage =
  | { readonly kind: 'route'; readonly id: number; readonly service: string }
  | { readonly kind: 'answer'; readonly id: number; readonly value?: unknown; readonly error?: Error }
  | { readonly kind: 'ready' }

export type ProcessCall =
  | { readonly kind: 'location'; readonly id: number; readonly location: Location }
  | { readonly kind: 'call'; readonly id: number; readonly method: string; readonly args: readonly unknown[] }

/**
 * A writer in a process of its own: what the caller is busy with does not count as a gap. Same functions as `Writer`,
 * all of them asynchronous.
 */
export class WriterProcess {
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  #calls = 0

  private constructor(process: ChildProcess, route: WriterOptions['route']) {
    this.#process = process
    process.on('message', (message: ProcessMessage) => {
      if (message.kind === 'route') void this.#answerRoute(message.id, message.service, route)
      if (message.kind !== 'answer') return
      const waiting = this.#waiting.get(message.id)
      this.#waiting.delete(message.id)
      if (message.error) waiting?.reject(message.error)
      else waiting?.resolve(message.value)
    })
    process.on('exit', () => {
      for (const waiting of this.#waiting.values()) waiting.reject(new Error('the process of the writer has ended'))
    })
  }

  static async start({ route, ...options }: WriterOptions): Promise<WriterProcess> {
    const file = fileURLToPath(new URL('./writer-process-main.ts', import.meta.url))
    const process = fork(file, [JSON.stringify(options)], {
      serialization: 'advanced',
      execArgv: ['--conditions=source', '--import', 'tsx'],
    })
    const writer = new WriterProcess(process, route)
    await once(process, 'message')
    return writer
  }

  async focus(service: string | undefined): Promise<void> {
    await this.#call('focus', service)
  }

  longestGap(service: string, since?: number): Promise<number> {
    return this.#call('longestGap', service, since) as Promise<number>
  }

  report(): Promise<WriterReport> {
    return this.#call('report') as Promise<WriterReport>
  }

  stop(): Promise<WriterReport> {
    return this.#call('stop') as Promise<WriterReport>
  }

  /** The last call: ends the process, as `using` does. */
  async checkJournal(): Promise<JournalCheck> {
    const check = (await this.#call('checkJournal')) as JournalCheck
    this.#process.disconnect()
    return check
  }

  [Symbol.dispose](): void {
    this.#process.kill()
  }

  async #answerRoute(id: number, service: string, route: WriterOptions['route']): Promise<void> {
    const location = await route(service)
    this.#process.send({ kind: 'location', id, location } satisfies ProcessCall)
  }

  #call(method: string, ...args: readonly unknown[]): Promise<unknown> {
    const id = ++this.#calls
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#process.send({ kind: 'call', id, method, args } satisfies ProcessCall)
    })
  }
}
