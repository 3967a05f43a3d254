import type { Addition, Adopted, Advice, LeftOut, Proof } from '@imhotep/engine'
import { count, seconds, type Page } from './page.ts'

export interface BaselineData {
  /** Paths are relative to the working directory. */
  readonly input: string
  /** The file, or the directory of several. */
  readonly output: string
  readonly files: readonly string[]
  /** Of the export. */
  readonly tables: number
  /** Of the export, rows aside. */
  readonly statements: number
  /** Rows that were kept; null when they were not to be. */
  readonly rows: number | null
  readonly additions: readonly Addition[]
  /** What is left to a person. */
  readonly advice: readonly Advice[]
  /** Statements that stand in the files as the export has them. */
  readonly kept: readonly { readonly line: number; readonly reason: string }[]
  readonly leftOut: readonly LeftOut[]
  readonly proof: Proof | null
  readonly adopted: Adopted | null
  readonly ms: number
}

export function printBaseline(data: BaselineData, page: Page): void {
  page.line(
    `${data.input}: ${count(data.tables, 'table')}, ${count(data.statements, 'statement')}, ${seconds(data.ms)}`,
  )
  for (const file of data.files) page.line(`  ${file}`)
  if (data.rows !== null) page.line(`${count(data.rows, 'row')} kept as inserts`)
  for (const { line, reason } of data.kept) page.line(`line ${line} stands as it is written: ${reason}`)
  for (const { line, reason } of data.leftOut) page.line(page.paint(`line ${line} is left out: ${reason}`, 'warn'))
  if (data.additions.length > 0) {
    page.line(`${count(data.additions.length, 'addition')}:`)
    page.table([...countByRule(data.additions)].map(([rule, number]) => [rule, number]))
  }
  if (data.advice.length > 0) {
    page.line(page.paint(`${count(data.advice.length, 'thing')} left to you:`, 'warn'))
    for (const [message, objects] of groupByMessage(data.advice)) {
      page.line(`  ${message}`)
      page.line(page.paint(`    ${objects.slice(0, 20).join(', ')}${objects.length > 20 ? ', ...' : ''}`, 'dim'))
    }
  }
  if (data.proof !== null) printProof(data.proof, page)
  if (data.adopted !== null) {
    page.line(`${count(data.adopted.marked.length, 'version')} marked as applied: ${data.adopted.marked.join(', ')}`)
    if (data.adopted.differences.length > 0)
      page.line(page.paint(`although it differs in ${count(data.adopted.differences.length, 'place')}`, 'warn'))
  }
}

function countByRule(additions: readonly Addition[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { rule } of additions) counts.set(rule, (counts.get(rule) ?? 0) + 1)
  return counts
}

function groupByMessage(advice: readonly Advice[]): Map<string, string[]> {
  const groups = new Map<string, string[]>()
  for (const { object, message } of advice) groups.set(message, [...(groups.get(message) ?? []), object])
  return groups
}

function printProof({ equal, idempotent, exact, rows, differences }: Proof, page: Page): void {
  const verdicts: [string, boolean | null][] = [
    ['the export and the plain baseline make the same schema', equal],
    ['run twice it is the same as run once', idempotent],
    ['it differs from the export in the additions and in nothing else', exact],
    ['the rows are the same', rows],
  ]
  for (const [text, holds] of verdicts)
    if (holds !== null) page.line(`${page.paint(holds ? 'yes' : 'no ', holds ? 'good' : 'bad')} ${text}`)
  for (const { part, object, message } of differences.slice(0, 50)) page.line(`  ${part}: ${object} ${message}`)
  if (differences.length > 50) page.line(`  and ${differences.length - 50} more: see --json`)
}
