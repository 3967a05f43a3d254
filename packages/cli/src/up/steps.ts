/** One step of `imhotep up`, as the table shows it. */
export interface Step {
  readonly step: string
  /** `new`: this run did it. `already there`: an earlier one had. `left out`: not for this database. */
  readonly state: 'new' | 'already there' | 'ok' | 'failed' | 'left out'
  readonly detail: string
  readonly ms: number
}

/** Runs the steps one behind the other, times each, and stops between two of them after Ctrl-C. */
export class StepList {
  readonly steps: Step[] = []
  readonly #signal: AbortSignal
  readonly #say: (text: string) => void

  constructor(signal: AbortSignal, say: (text: string) => void) {
    this.#signal = signal
    this.#say = say
  }

  async run<T>(
    name: string,
    work: () => Promise<T>,
    describe: (result: T) => Pick<Step, 'state' | 'detail'>,
  ): Promise<T> {
    this.#signal.throwIfAborted()
    this.#say(`${name} ...`)
    const started = performance.now()
    const result = await work()
    this.steps.push({ step: name, ...describe(result), ms: Math.round(performance.now() - started) })
    return result
  }

  leaveOut(name: string, detail: string): void {
    this.steps.push({ step: name, state: 'left out', detail, ms: 0 })
  }
}
