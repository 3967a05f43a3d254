import type { Addition, Advice } from './additions/addition.ts'
import type { Baseline } from './make-baseline.ts'
import type { Proof } from './prove.ts'

/** What the baseline is, what it adds and why, and what is left to a person, as Markdown. */
export function baselineReport(baseline: Baseline, proof: Proof | null): string {
  const { dump, plain, files, additions, advice, kept, cut } = baseline
  const from = dump.serverVersion === null ? '' : `, PostgreSQL ${dump.serverVersion}`
  return [
    `# Baseline of ${dump.file.split('/').at(-1)}`,
    '',
    `${plain.tables.size} tables, ${plain.views.size} views, ${plain.functions.size} functions from ${dump.lines} lines${from}.`,
    `Files: ${files.map(({ name }) => name).join(', ')}.`,
    ...(proof === null ? [] : ['', '## Proof', '', ...proofLines(proof)]),
    ...section(
      'Additions',
      byRule(additions, ({ object, sql }) => [`- \`${object}\``, ...sqlLines(sql)]),
    ),
    ...section(
      'Left to you',
      byRule(advice, ({ object, message }) => [`- \`${object}\` ${message}`]),
    ),
    ...section(
      'Kept as written',
      kept.map(({ line, statement }) => `- line ${line}: \`${firstLine(statement.text)}\``),
    ),
    ...section('Left out', [
      ...dump.leftOut.map(({ line, statement, reason }) => `- line ${line}: \`${firstLine(statement)}\` (${reason})`),
      ...cut.map(({ object, reason }) => `- \`${object}\` ${reason}`),
    ]),
    '',
  ].join('\n')
}

function proofLines({ equal, idempotent, exact, rows, differences }: Proof): string[] {
  const verdicts: [string, boolean | null][] = [
    ['The export run as it is and the plain baseline make the same schema', equal],
    ['The baseline run twice is the baseline run once', idempotent],
    ['The baseline differs from the export in the additions below and in nothing else', exact],
    ['The rows are the same', rows],
  ]
  return [
    ...verdicts.flatMap(([text, holds]) => (holds === null ? [] : [`- ${holds ? 'yes' : '**no**'}: ${text}.`])),
    ...differences.map(({ part, object, message }) => `- ${part}: \`${object}\` ${message}`),
  ]
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `## ${title}`, '', ...lines]
}

function byRule<Item extends Addition | Advice>(items: readonly Item[], print: (item: Item) => string[]): string[] {
  const groups = new Map<string, Item[]>()
  for (const item of items) groups.set(item.rule, [...(groups.get(item.rule) ?? []), item])
  return [...groups].flatMap(([rule, own]) => [`### ${rule} (${own.length})`, '', ...own.flatMap(print), ''])
}

/** SQL as a code block inside a list entry. */
function sqlLines(sql: string): string[] {
  return ['  ```sql', ...sql.split('\n').map((line) => `  ${line}`), '  ```']
}

function firstLine(text: string): string {
  const [line = ''] = text.split('\n')
  return line.length > 100 ? `${line.slice(0, 100)}...` : line
}
