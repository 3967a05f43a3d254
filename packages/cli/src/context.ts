import type { Page } from './output/page.ts'
import type { Target } from './target/target.ts'

/** What a command may know of the world around it: nothing reads process.* below main.ts. */
export interface Context {
  readonly cwd: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly args: readonly string[]
  readonly options: Options
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal
  /** Says which database is worked on, before anything is done to it. */
  readonly announce: (target: Target) => void
  /** Says on stderr what is being done right now. */
  readonly progress: (text: string) => void
  /** Shows a page in the place of the one shown before, for an answer that goes on changing. */
  readonly show: (print: (page: Page) => void) => void
  /** Asks a yes-or-no question; null when nobody is there to answer. */
  readonly confirm: (question: string) => Promise<boolean | null>
}

/** The options as typed by the user, by camelCase name. */
export class Options {
  readonly #values: Readonly<Record<string, unknown>>

  constructor(values: Readonly<Record<string, unknown>>) {
    this.#values = values
  }

  text(name: string): string | undefined {
    const value = this.#values[name]
    return typeof value === 'string' ? value : undefined
  }

  flag(name: string): boolean {
    return this.#values[name] === true
  }

  /** A `--no-x` option was given. */
  off(name: string): boolean {
    return this.#values[name] === false
  }

  list(name: string): readonly string[] {
    const value = this.#values[name]
    return Array.isArray(value) ? value.map(String) : []
  }
}
