import { commands } from '../../packages/cli/src/commands/index.ts'
import type { Command } from '../../packages/cli/src/command.ts'
import { commonOptions, optionsOf } from '../../packages/cli/src/program.ts'

/** docs/reference/commands.md: a section for each command, from the same records as `--help`. */
export function commandsPage(): string {
  return [
    '# Commands',
    '<!-- Written by npm run docs from packages/cli/src/commands; do not edit. -->',
    'Exit code 0 means yes, 1 no, 2 could not tell. Every command first says which database it works on.\n' +
      'The database is `--url`, else `DATABASE_URL`, else the embedded server of the project.',
    table(
      ['command', 'what it does'],
      commands.map(({ name, summary }) => [`[${name}](#imhotep-${name})`, summary]),
    ),
    `Every command has: ${commonOptions.map(({ flags, description }) => `\`${flags}\` (${description})`).join(', ')}.`,
    ...commands.map(section),
    '',
  ]
    .join('\n\n')
    .replace(/\n+$/, '\n')
}

function section(command: Command): string {
  const { name, aliases = [], description, arguments: args = [], examples } = command
  const own = optionsOf(command).slice(0, -commonOptions.length)
  const rows = [
    ...args.map((argument) => [`\`${argument.name}\``, withChoices(argument)]),
    ...own.map((option) => [`\`${option.flags}\``, withChoices(option)]),
  ]
  return [
    `## imhotep ${name}`,
    description,
    ...(aliases.length === 0 ? [] : [`Also: ${aliases.map((alias) => `\`imhotep ${alias}\``).join(', ')}.`]),
    ...(rows.length === 0 ? [] : [table(['option', 'meaning'], rows)]),
    `\`\`\`sh\n${examples.map(({ run, does }) => `${run}  # ${does}`).join('\n')}\n\`\`\``,
  ].join('\n\n')
}

function withChoices({ description, choices }: { description: string; choices?: readonly string[] }): string {
  return choices === undefined ? description : `${description}: ${choices.map((choice) => `\`${choice}\``).join(', ')}`
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return [header, header.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n')
}
