import { Command as Parser, Option } from 'commander'
import type { Command } from './command.ts'
import { Options } from './context.ts'

/** Options of every command. */
export const commonOptions = [
  { flags: '--json', description: 'print one JSON object instead of text' },
  { flags: '--url <url>', description: 'the database (default: DATABASE_URL, else the embedded server of .imhotep/)' },
  { flags: '--verbose', description: 'print the stack and the cause of an error' },
] as const

export interface Call {
  readonly command: Command
  readonly args: readonly string[]
  readonly options: Options
}

export interface ProgramOptions {
  readonly version: string
  /** Takes the text of --help and --version. */
  readonly write: (text: string) => void
  readonly onCall: (call: Call) => Promise<void>
}

/** The parser of the whole command line. It throws commander's CommanderError and never ends the process. */
export function createProgram(commands: readonly Command[], options: ProgramOptions): Parser {
  const program = new Parser('imhotep')
    .description('Brings up, changes, checks and seeds the hospital database.')
    .version(options.version)
    .addHelpText('after', '\nExit codes: 0 yes, 1 no, 2 could not tell. `imhotep <command> --help` shows examples.')
    .configureOutput({ writeOut: options.write, writeErr: () => {} }) // main.ts words every error
    .exitOverride()
    .enablePositionalOptions()
  for (const command of commands) program.addCommand(createParser(command, options))
  return program
}

function createParser(command: Command, { write, onCall }: ProgramOptions): Parser {
  const parser = new Parser(command.name)
    .summary(command.summary)
    .description(command.description)
    .aliases([...(command.aliases ?? [])])
    .addHelpText('after', examplesText(command))
    .configureOutput({ writeOut: write, writeErr: () => {} })
    .exitOverride()
  for (const argument of command.arguments ?? []) {
    const spec = parser.createArgument(argument.name, argument.description)
    parser.addArgument(argument.choices === undefined ? spec : spec.choices([...argument.choices]))
  }
  for (const { flags, description, choices } of optionsOf(command)) {
    const option = new Option(flags, description)
    parser.addOption(choices === undefined ? option : option.choices([...choices]))
  }
  return parser.action(async () => {
    await onCall({ command, args: parser.args, options: new Options(parser.opts()) })
  })
}

export function optionsOf(
  command: Command,
): readonly { flags: string; description: string; choices?: readonly string[] }[] {
  return [...(command.options ?? []), ...commonOptions]
}

function examplesText({ examples }: Command): string {
  const width = Math.max(...examples.map(({ run }) => run.length))
  return `\nExamples:\n${examples.map(({ run, does }) => `  ${run.padEnd(width)}  ${does}`).join('\n')}`
}
