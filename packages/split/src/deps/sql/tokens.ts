export type Dialect = 'mariadb' | 'postgres'

export interface Token {
  readonly kind: 'word' | 'name' | 'string' | 'number' | 'sign'
  /** A word in lower case, a quoted name without its quotes, a sign as it is; nothing of strings and numbers. */
  readonly text: string
  /** Of a word: as it is written. */
  readonly written: string
  readonly start: number
  readonly end: number
}

export interface Tokens {
  readonly tokens: readonly Token[]
  /** The text ends inside a string, a quoted name or a comment: it was cut. */
  readonly isCut: boolean
}

const wordStart = /[\p{L}_@]/u
const wordPart = /[\p{L}\p{N}_$@]/u

/** Takes SQL of either dialect apart. Comments are left out; what MariaDB executes in a comment is not. */
export function tokenise(text: string, dialect: Dialect): Tokens {
  const tokens: Token[] = []
  let at = 0
  const add = (kind: Token['kind'], start: number, end: number, value: string) => {
    tokens.push({ kind, text: kind === 'word' ? value.toLowerCase() : value, written: value, start, end })
    at = end
  }
  while (at < text.length) {
    const char = text[at] as string
    if (/\s/.test(char)) at++
    else if (startsComment(text, at, dialect)) {
      const end = text.indexOf('\n', at)
      at = end < 0 ? text.length : end
    } else if (text.startsWith('/*', at)) {
      const executed = dialect === 'mariadb' ? /^\/\*M?!\d*/.exec(text.slice(at, at + 12)) : null
      const end = executed ? at + executed[0].length : commentEnd(text, at, dialect)
      if (end < 0) return { tokens, isCut: true }
      at = end
    } else if (dialect === 'mariadb' && text.startsWith('*/', at)) at += 2
    else if (dialect === 'postgres' && /^\$([\p{L}_][\p{L}\p{N}_]*)?\$/u.test(text.slice(at, at + 64))) {
      const mark = /^\$[^$]*\$/.exec(text.slice(at))?.[0] as string
      const end = text.indexOf(mark, at + mark.length)
      if (end < 0) return { tokens, isCut: true }
      add('string', at, end + mark.length, text.slice(at + mark.length, end))
    } else if (char === "'" || char === '"' || char === '`') {
      const escapes = char !== '`' && (dialect === 'mariadb' || /[eE]/.test(text[at - 1] ?? ''))
      const end = quoteEnd(text, at, escapes)
      if (end < 0) return { tokens, isCut: true }
      const inside = text.slice(at + 1, end - 1)
      const isName = char === '`' || (char === '"' && dialect === 'postgres')
      add(isName ? 'name' : 'string', at, end, isName ? inside.replaceAll(char + char, char) : inside)
    } else if (wordStart.test(char)) {
      let end = at + 1
      while (end < text.length && wordPart.test(text[end] as string)) end++
      // the letter before a quote belongs to the string: E'', N'', x''
      if (end === at + 1 && text[end] === "'" && /[ebnxEBNX]/.test(char)) at = end
      else add('word', at, end, text.slice(at, end))
    } else if (/\d/.test(char)) {
      const end = at + (/^[\d.]+(?:[eE][-+]?\d+)?\w*/.exec(text.slice(at, at + 80))?.[0].length ?? 1)
      add('number', at, end, '')
    } else add('sign', at, at + 1, char)
  }
  return { tokens, isCut: false }
}

function startsComment(text: string, at: number, dialect: Dialect): boolean {
  if (text[at] === '#') return dialect === 'mariadb'
  if (!text.startsWith('--', at)) return false
  // to MariaDB `a--1` is arithmetic
  return dialect === 'postgres' || /^\s?$/.test(text[at + 2] ?? '')
}

function commentEnd(text: string, from: number, dialect: Dialect): number {
  let depth = 0
  for (let at = from; at < text.length; at++) {
    if (text.startsWith('*/', at)) {
      depth--
      if (depth === 0) return at + 2
      at++
    } else if (text.startsWith('/*', at) && (dialect === 'postgres' || depth === 0)) {
      depth++
      at++
    }
  }
  return -1
}

function quoteEnd(text: string, from: number, escapes: boolean): number {
  const quote = text[from]
  for (let at = from + 1; at < text.length; at++) {
    if (escapes && text[at] === '\\') at++
    else if (text[at] === quote) {
      if (text[at + 1] !== quote) return at + 1
      at++
    }
  }
  return -1
}
