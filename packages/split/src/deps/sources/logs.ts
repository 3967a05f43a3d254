import type { SeenStatement } from '../statement-dependencies.ts'

type Lines = AsyncIterable<string> | Iterable<string>

const generalEntry =
  /^(\d{6} +\d{1,2}:\d\d:\d\d|\d{4}-\d\d-\d\dT\S+)?\t+ *(\d+) (Query|Execute|Prepare|Connect|Init DB|Quit|Close stmt|Reset stmt|Statistics|Field List|Ping|Change user|Refresh|Shutdown|Binlog Dump|Daemon|Fetch|Long Data|Set option|Kill|Sleep|Debug|Processlist|Create DB|Drop DB)(?:\t(.*))?$/

/** Statements of MariaDB's general log (`general_log_file`). */
export async function* fromGeneralLog(lines: Lines, file: string): AsyncGenerator<SeenStatement> {
  let current: { text: string; line: number } | undefined
  let time: Date | null = null
  let line = 0
  for await (const text of lines) {
    line++
    const entry = generalEntry.exec(text)
    if (!entry) {
      if (current) current.text += `\n${text}`
      continue
    }
    if (current) yield seen(current, file, time)
    time = entry[1] === undefined ? time : readTime(entry[1])
    // a prepared statement counts when it is executed
    const isSent = entry[3] === 'Query' || entry[3] === 'Execute'
    current = isSent ? { text: entry[4] ?? '', line } : undefined
  }
  if (current) yield seen(current, file, time)
}

/** Statements of MariaDB's slow log. */
export async function* fromSlowLog(lines: Lines, file: string): AsyncGenerator<SeenStatement> {
  let current: { text: string; line: number } | undefined
  let time: Date | null = null
  let line = 0
  for await (const text of lines) {
    line++
    const stamp = /^SET timestamp=(\d+)/i.exec(text)?.[1]
    if (stamp !== undefined) {
      time = new Date(Number(stamp) * 1000)
      continue
    }
    if (text.startsWith('# ') || /^use \S+;$/i.test(text) || /^(Tcp port|Time {2,}|\S+, Version:)/.test(text)) {
      if (current) yield seen(current, file, time)
      current = undefined
      continue
    }
    if (current) current.text += `\n${text}`
    else if (text.trim() !== '') current = { text, line }
  }
  if (current) yield seen(current, file, time)
}

const postgresEntry = /^(.*?)\b(LOG|ERROR|FATAL|PANIC|WARNING|NOTICE|DETAIL|HINT|STATEMENT|CONTEXT|QUERY): {2}(.*)$/
const logged = /^(?:duration: [\d.]+ ms {2})?(?:statement|execute [^:]*|execute fetch from [^:]*): ([^]*)$/

/** Statements of PostgreSQL's log in text form (`log_statement`, `log_min_duration_statement`), whatever `log_line_prefix`. */
export async function* fromPostgresLog(lines: Lines, file: string): AsyncGenerator<SeenStatement> {
  let current: { text: string; line: number } | undefined
  let time: Date | null = null
  let line = 0
  for await (const text of lines) {
    line++
    if (text.startsWith('\t')) {
      if (current) current.text += `\n${text.slice(1)}`
      continue
    }
    if (current) yield seen(current, file, time)
    current = undefined
    const [, prefix = '', level, message = ''] = postgresEntry.exec(text) ?? []
    const stamp = /\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?/.exec(prefix)?.[0]
    if (stamp !== undefined) time = new Date(`${stamp.replace(' ', 'T')}Z`)
    const statement = level === 'LOG' ? logged.exec(message)?.[1] : undefined
    if (statement !== undefined) current = { text: statement, line }
  }
  if (current) yield seen(current, file, time)
}

function seen({ text, line }: { text: string; line: number }, file: string, lastSeen: Date | null): SeenStatement {
  return { text: text.trimEnd(), evidence: `${file}:${line}`, count: 1, lastSeen }
}

/** `260726 10:00:00` in MariaDB's zone, taken as UTC, or ISO. */
function readTime(text: string): Date {
  const old = /^(\d\d)(\d\d)(\d\d) +(\d{1,2}):(\d\d):(\d\d)$/.exec(text)
  if (!old) return new Date(text)
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = old.slice(1).map(Number)
  return new Date(Date.UTC(2000 + year, month - 1, day, hour, minute, second))
}
