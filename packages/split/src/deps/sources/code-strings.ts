/** A string literal of source code. */
export interface CodeString {
  readonly text: string
  /** Counted from 1. */
  readonly line: number
}

type Language = 'c' | 'python' | 'php'

const languages: Readonly<Record<string, Language>> = {
  ts: 'c',
  tsx: 'c',
  mts: 'c',
  cts: 'c',
  js: 'c',
  jsx: 'c',
  mjs: 'c',
  cjs: 'c',
  java: 'c',
  kt: 'c',
  py: 'python',
  php: 'php',
}

export function languageOf(file: string): Language | undefined {
  return languages[file.slice(file.lastIndexOf('.') + 1).toLowerCase()]
}

/**
 * The string literals of a file. What is put in while the program runs (`${x}`, `{x}` of an f-string) becomes `?`; literals
 * that are joined by + or . or by standing beside each other become one.
 */
export function codeStrings(source: string, language: Language): CodeString[] {
  const found: { text: string; line: number; end: number }[] = []
  let at = 0
  let line = 1
  let lineAt = 0
  const lineOf = (place: number) => {
    for (; lineAt < place; lineAt++) if (source[lineAt] === '\n') line++
    return line
  }
  while (at < source.length) {
    const skipped = commentEnd(source, at, language)
    if (skipped > at) {
      at = skipped
      continue
    }
    const literal = readLiteral(source, at, language)
    if (!literal) {
      at++
      continue
    }
    const last = found.at(-1)
    if (last && joins(source.slice(last.end, at), language)) {
      last.text += literal.text
      last.end = literal.end
    } else found.push({ text: literal.text, line: lineOf(at), end: literal.end })
    at = literal.end
  }
  return found.map(({ text, line }) => ({ text, line }))
}

function commentEnd(source: string, at: number, language: Language): number {
  const ends = (mark: string, from: number) => {
    const end = source.indexOf(mark, from)
    return end < 0 ? source.length : end + mark.length
  }
  if (language !== 'python' && source.startsWith('//', at)) return ends('\n', at)
  if (language !== 'python' && source.startsWith('/*', at)) return ends('*/', at + 2)
  if (language !== 'c' && source[at] === '#') return ends('\n', at)
  return at
}

function readLiteral(source: string, at: number, language: Language): { text: string; end: number } | undefined {
  const quote = source[at]
  if (quote === '<' && language === 'php') return readHeredoc(source, at)
  if (quote !== "'" && quote !== '"' && quote !== '`') return undefined
  if (quote === '`' && language !== 'c') return undefined
  const triple = quote.repeat(3)
  const mark = quote !== '`' && source.startsWith(triple, at) ? triple : quote
  const isFormatted = language === 'python' && /[fF]/.test(source.slice(Math.max(0, at - 2), at))
  let text = ''
  let place = at + mark.length
  while (place < source.length && !source.startsWith(mark, place)) {
    const char = source[place] as string
    if (char === '\\') {
      text += unescape(source[place + 1] ?? '')
      place += 2
    } else if (quote === '`' && source.startsWith('${', place)) {
      text += '?'
      place = braceEnd(source, place + 1)
    } else if (isFormatted && char === '{' && source[place + 1] !== '{') {
      text += '?'
      place = braceEnd(source, place)
    } else if (language === 'php' && quote === '"' && /^(\{\$|\$\w)/.test(source.slice(place, place + 2))) {
      text += '?'
      place =
        char === '{'
          ? braceEnd(source, place)
          : place + (/^\$\w+(->\w+|\[[^\]]*\])?/.exec(source.slice(place))?.[0].length ?? 1)
    } else {
      // a literal of one line that does not end is none: an apostrophe in a regular expression or in text
      if (char === '\n' && mark.length === 1 && quote !== '`') return undefined
      text += char
      place++
    }
  }
  return { text, end: place + mark.length }
}

function readHeredoc(source: string, at: number): { text: string; end: number } | undefined {
  const start = /^<<<["']?(\w+)["']?\r?\n/.exec(source.slice(at, at + 80))
  if (!start) return undefined
  const body = at + start[0].length
  const end = new RegExp(`^[ \\t]*${start[1]}\\b`, 'm').exec(source.slice(body))
  if (!end) return undefined
  return {
    text: source.slice(body, body + end.index).replace(/\{\$[^}]*\}|\$\w+/g, '?'),
    end: body + end.index + end[0].length,
  }
}

function braceEnd(source: string, open: number): number {
  let depth = 0
  for (let at = open; at < source.length; at++) {
    if (source[at] === '{') depth++
    if (source[at] === '}' && --depth === 0) return at + 1
  }
  return source.length
}

function unescape(char: string): string {
  return ({ n: '\n', t: '\t', r: '\r', '\n': '' } as Record<string, string>)[char] ?? char
}

function joins(between: string, language: Language): boolean {
  const bare = between
    .replace(/\/\/.*|#.*/g, '')
    .trim()
    .replace(/^[fFrRbBuU]{0,2}$/, '')
  if (language === 'python' && bare === '') return true
  return bare === '+' || (language === 'php' && bare === '.') || /^[+.]\s*[fFrR]?$/.test(bare)
}
