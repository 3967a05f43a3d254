/** No name is longer. */
const longestName = 300

/** What begins a text, a name or a comment, and what ends a comment that the server carries out. */
const mark = /['"`#]|--(?=\s|$)|\/\*(?:M?!\d*)?|\*\//g

/**
 * A statement without comments and without what stands in texts, which may be anything and of any length. What stands in a
 * comment that the server carries out is kept, and so are double quotes: under ANSI_QUOTES they hold names.
 */
export function plainSql(sql: string): string {
  let plain = ''
  let from = 0
  for (const { 0: found, index } of sql.matchAll(mark)) {
    if (index < from) continue
    const end = endOf(sql, found, index + found.length)
    plain += sql.slice(from, index) + (/^['"`]/.test(found) ? nameOrEmpty(sql.slice(index, end)) : ' ')
    from = end
  }
  return (plain + sql.slice(from)).trim()
}

function endOf(sql: string, begin: string, from: number): number {
  switch (begin) {
    case '#':
    case '--':
      return behind(sql, '\n', from)
    case '/*':
      return behind(sql, '*/', from)
    case '`':
      return behind(sql, '`', from)
    case `'`:
    case '"':
      return behindText(sql, begin, from)
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

function nameOrEmpty(quoted: string): string {
  return quoted.startsWith(`'`) || quoted.length > longestName || /^".*\\/s.test(quoted) ? `''` : quoted
}
