import type { DecidedStatement, Decision, DiffFacts, FindingFacts, TableSize } from './decision.ts'

/** The text of a record in Markdown: context, decision and consequences, filled from facts. */
export function writeDecision(decision: Decision): string {
  const { number, title, status, facts } = decision
  const sections = facts === null ? EMPTY : facts.kind === 'diff' ? ofDiff(facts) : ofFinding(facts, number)
  return [
    `# ${number}: ${title}`,
    `Status: ${status}`,
    '## Context',
    ...sections.context,
    '## Decision',
    ...sections.decision,
    '## Consequences',
    ...sections.consequences,
  ]
    .join('\n\n')
    .concat('\n')
}

/** `0015-keys-are-uuids.md` */
export function decisionFile({ number, title }: Pick<Decision, 'number' | 'title'>): string {
  const words =
    title
      .normalize('NFKD')
      .toLowerCase()
      .match(/[a-z0-9]+/g) ?? []
  return `${number}-${words.join('-') || 'decision'}.md`
}

/** The number behind those of the files that are there: `0001` where there is none. */
export function nextNumber(files: readonly string[]): string {
  const numbers = files.map((file) => Number(/^(\d{4})-.*\.md$/.exec(file)?.[1] ?? 0))
  return String(Math.max(0, ...numbers) + 1).padStart(4, '0')
}

/** Paragraphs. */
interface Sections {
  readonly context: readonly string[]
  readonly decision: readonly string[]
  readonly consequences: readonly string[]
}

const EMPTY: Sections = {
  context: ['<!-- What is the case, and what forces a choice. -->'],
  decision: ['<!-- What is done. -->'],
  consequences: ['<!-- What is easier, what is harder, what checks it. -->'],
}

/** A record is read as a whole: longer lists are counted, and the command that prints them is named. */
const MOST = 12

function ofDiff({ left, right, statements, tables }: DiffFacts): Sections {
  if (statements.length === 0) {
    return {
      context: [`\`${left}\` and \`${right}\` have the same schema.`],
      decision: ['No statement is needed.'],
      consequences: ['None.'],
    }
  }
  const objects = [...new Set(statements.map(({ object }) => object))]
  const script = statements.map(({ sql }) => (sql.startsWith('--') ? sql : `${sql};`)).join('\n')
  const isShort = statements.length <= MOST
  const names = objects.length <= MOST ? objects.map(code) : countKinds(objects)
  return {
    context: [
      `\`${right}\` differs from \`${left}\` in ${count(objects.length, 'object')}:`,
      list(names),
      ...sizes(tables.slice(0, MOST)),
    ],
    decision: isShort
      ? [`${count(statements.length, 'statement')}, in this order:`, fence('sql', script)]
      : [`${count(statements.length, 'statement')}, as \`imhotep diff ${left} ${right} --sql\` prints them.`],
    consequences: hazards(statements),
  }
}

/** `column: 14`, by the first word of their names. */
function countKinds(objects: readonly string[]): string[] {
  const kinds = new Map<string, number>()
  for (const object of objects) {
    const kind = /^[a-z]+/.exec(object)?.[0] ?? 'other'
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  }
  return [...kinds].map(([kind, number]) => `${kind}: ${number}`)
}

function hazards(statements: readonly DecidedStatement[]): string[] {
  const risky = statements.filter(({ hazard }) => hazard !== null)
  const harmless = statements.length - risky.length
  const rows = risky.slice(0, MOST).map(({ hazard, object, reason }) => [hazard ?? '', code(object), reason ?? ''])
  const left = risky.length - rows.length
  return [
    ...(rows.length === 0 ? [] : [table(['hazard', 'object', 'why'], rows)]),
    ...(left > 0 ? [`${count(left, 'statement')} more with a hazard.`] : []),
    ...(harmless > 0 ? [`${count(harmless, 'statement')} without a hazard.`] : []),
  ]
}

function ofFinding({ finding, effect, excerpt, tables }: FindingFacts, number: string): Sections {
  const { rule, family, severity, file, line, object, message, related, help, fix } = finding
  const place = file === null ? (object ?? '') : `${file}:${line ?? 1}`
  const ends = related.map((end) => `\`${end.file}:${end.line}\`: ${end.message}`)
  const [mark, language] = file === null || file.endsWith('.sql') ? ['--', 'sql'] : ['//', 'js']
  const ignore = `${mark} imhotep:ignore ${rule} decision ${number}`
  const ways = [
    `To follow the rule: ${lowerFirst(help)}`,
    ...(fix === null ? [] : [fence('sql', fix)]),
    `To keep it as it is, above the statement:`,
    fence(language, ignore),
  ]
  return {
    context: [
      `\`imhotep lint\` reports \`${rule}\` (${family}, ${severity}) at \`${place}\`: ${message}.`,
      ...(excerpt === null ? [] : [fence('text', excerpt)]),
      ...(ends.length === 0 ? [] : [list(ends)]),
      ...sizes(tables),
    ],
    decision: ways,
    consequences: [
      list([
        `As it is: ${lowerFirst(effect)}`,
        `\`imhotep lint --only ${rule}\` reports it until it is changed or the comment stands there.`,
      ]),
    ],
  }
}

function sizes(tables: readonly TableSize[]): string[] {
  if (tables.length === 0) return []
  const rows = tables.map(({ table: name, rows: estimate, bytes }) => [
    code(name),
    estimate === null ? 'not analysed' : `about ${estimate.toLocaleString('en')}`,
    size(bytes),
  ])
  return [table(['table', 'rows', 'size'], rows)]
}

function size(bytes: number): string {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1)
  return `${Math.round(bytes / 1024 ** power)} ${units[power]}`
}

/** Columns as wide as their widest cell, as formatters of Markdown write them. */
function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [header, ...rows].map((row) =>
    row.map((cell) => cell.replaceAll('|', String.raw`\|`).replaceAll('\n', ' ')),
  )
  const widths = header.map((_, column) => Math.max(3, ...cells.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) => `| ${row.map((cell, n) => cell.padEnd(widths[n] ?? 0)).join(' | ')} |`
  const [first = [], ...others] = cells
  return [line(first), line(widths.map((width) => '-'.repeat(width))), ...others.map(line)].join('\n')
}

function list(items: readonly string[]): string {
  return items.map((item) => `- ${item.replaceAll('\n', ' ')}`).join('\n')
}

/** A fence longer than any that the text holds. */
function fence(language: string, text: string): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map(({ length }) => length))
  const mark = '`'.repeat(longest + 1)
  return `${mark}${language}\n${text.replace(/\n+$/, '')}\n${mark}`
}

function code(text: string): string {
  return `\`${text.replaceAll('`', "'")}\``
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}

/** The first word in lower case, unless it is a name in capitals. */
function lowerFirst(text: string): string {
  return /^[A-Z][a-z]/.test(text) ? text.charAt(0).toLowerCase() + text.slice(1) : text
}
