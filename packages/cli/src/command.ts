import type { Context, Options } from './context.ts'
import type { Page } from './output/page.ts'
import type { Target } from './target/target.ts'

/**
 * One command of `imhotep`: a record that program.ts turns into a parser, the help text and the reference page.
 * `run` calls one function of the library and returns plain data; `print` says it to a person, `--json` to a program.
 */
export interface Command<Data extends object = object> {
  readonly name: string
  readonly aliases?: readonly string[]
  /** One line, no full stop: what it does. */
  readonly summary: string
  /** A paragraph for `--help` and the reference: what it changes, what it refuses. */
  readonly description: string
  readonly arguments?: readonly ArgumentSpec[]
  readonly options?: readonly OptionSpec[]
  readonly examples: readonly Example[]
  /** True when what goes to stdout is a document for another program: the line that names the database goes to stderr. */
  printsDocument?(options: Options): boolean
  run(context: Context): Promise<Outcome<Data>>
  print(data: Data, page: Page): void | Promise<void>
}

export interface ArgumentSpec {
  /** `<kind>` when it must be given, `[dir]` when not. */
  readonly name: string
  readonly description: string
  readonly choices?: readonly string[]
}

export interface OptionSpec {
  /** As shown in the help: `--to <version>`; `<name...>` may be given more than once. */
  readonly flags: string
  readonly description: string
  readonly choices?: readonly string[]
}

export interface Example {
  readonly run: string
  readonly does: string
}

export interface Outcome<Data extends object = object> {
  /** False makes the exit code 1: the question was answered, and the answer is no. */
  readonly ok: boolean
  /** The database that was looked at, null for commands that need none. */
  readonly target: Target | null
  readonly data: Data
}

/** Keeps the type of `Data` between `run` and `print`; lists of commands hold `Command`. */
export function defineCommand<Data extends object>(command: Command<Data>): Command {
  return command
}
