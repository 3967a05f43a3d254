/** No name is longer. */
const longestName = 300

/** Bits of sql_mode that tell where a text ends. */
export const sqlModes = { ansiQuotes: 1 << 2, noBackslashEscapes: 1 << 20 } as const

/** What begins a text, a name or a comment, and what ends a comment that the server carries out. */
const mark = /['"`#]|--(?=\s|$)|\/\*(?:M?!\d*)?|\*\//g

/**
 * A statement, written under this sql_mode, without comments and without what stands in texts, which may be anything and of
 * any length. What stands in a comment that the server carries out is kept, and so are double quotes, which may hold names.
 */
export function plainSql(sql: string, sqlMode: number): string {
  const escaping = quotesThatEscape(sqlMode)
  let plain = ''
  let from = 0
  for (const { 0: found, index } of sql.matchAll(mark)) {
    if (index < from) continue
    const end = endOf(sql, found, index + found.length, escaping)
    plain += sql.slice(from, index) + (/^['"`]/.test(found) ? nameOrEmpty(sql.slice(index, end), escaping) : ' ')
    from = end
  }
  return (plain + sql.slice(from)).trim()
}

/** Those between which a backslash takes the next character with it. */
function quotesThatEscape(sqlMode: number): string {
  if (sqlMode & sqlModes.noBackslashEscapes) return ''
  return sqlMode & sqlModes.ansiQuotes ? `'` : `'"`
}

function endOf(sql: string, begin: string, from: number, escaping: string): number {
  switch (begin) {
    case '#':
    case '--':
      return behind(sql, '\n', from)
    case '/*':
      return behind(sql, '*/', from)
    case '`':
    case `'`:
    case '"':
      return escaping.includes(begin) ? behindText(sql, begin, from) : behind(sql, begin, from)
    default:
      return from
  }
}

function behind(sql: string, end: string, from: number): number {
  const at = sql.indexOf(end, from)
  return at < 0 ? sql.length : at + end.length
}

/** Step by step: one pattern for a text of many megabytes would not fit in the stack. */
function behindText(sql: string, quote: string, from: number): number {
  const step = quote === '"' ? /\\[^]|"/g : /\\[^]|'/g
  step.lastIndex = from
  for (let found = step.exec(sql); found; found = step.exec(sql)) if (found[0] === quote) return step.lastIndex
  return sql.length
}

function nameOrEmpty(quoted: string, escaping: string): string {
  if (quoted.startsWith(`'`) || quoted.length > longestName) return `''`
  return escaping.includes(quoted.charAt(0)) && quoted.includes('\\') ? `''` : quoted
}
