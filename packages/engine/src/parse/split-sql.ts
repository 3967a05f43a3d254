/** A piece of a text: `text.slice(start, end)`. UTF-16 units. */
export interface Span {
  readonly start: number
  readonly end: number
}

const WORD = /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y
const DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y
const NUMBER = /[0-9][0-9A-Za-z_$.]*/y
const SPACE = /\s+/y

/**
 * Splits a text at the semicolons that end statements, without parsing it: works on broken files too, which is what it
 * is for. Knows strings (also `E''`), quoted names, dollar quotes, nested comments, `BEGIN ATOMIC` bodies and the
 * parenthesised actions of rules. A line that begins with a backslash where a statement would begin is a span of its own: a
 * command of psql. A span runs from the first token to the last one, without the semicolon; empty statements are left out.
 */
export function splitSql(text: string): Span[] {
  const spans: Span[] = []
  let start = -1
  let end = 0
  let depth = 0
  let atomic = 0
  let previous = ''
  let words: string[] = []

  const finish = () => {
    if (start >= 0) spans.push({ start, end })
    start = -1
    depth = 0
    atomic = 0
    previous = ''
    words = []
  }

  for (let at = 0; at < text.length;) {
    const skipped = skipBlank(text, at)
    if (skipped > at) {
      at = skipped
      continue
    }
    if (text[at] === ';' && depth <= 0 && atomic === 0) {
      finish()
      at++
      continue
    }
    if (start < 0 && text[at] === '\\') {
      spans.push({ start: at, end: endOfLine(text, at) })
      at = endOfLine(text, at)
      continue
    }
    if (start < 0) start = at
    const behindWord = endOfWord(text, at)
    if (behindWord > at) {
      const lower = text.slice(at, behindWord).toLowerCase()
      if (atomic > 0) {
        if (lower === 'case') atomic++
        if (lower === 'end') atomic--
      } else if (lower === 'atomic' && previous === 'begin') atomic = 1
      previous = lower
      if (words.length < 4) words.push(lower)
      at = behindWord
    } else {
      // Only rules hold semicolons in parentheses; elsewhere an open parenthesis is a mistake that must not swallow the rest.
      if (words.includes('rule') && text[at] === '(') depth++
      if (text[at] === ')') depth--
      previous = ''
      at = endOfToken(text, at)
    }
    end = at
  }
  finish()
  return spans
}

/** The offset of the first token at or behind `from`: white space and comments are skipped. */
export function skipBlank(text: string, from: number): number {
  let at = from
  while (at < text.length) {
    const behindSpace = endOfMatch(SPACE, text, at)
    if (behindSpace > at) at = behindSpace
    else if (text.startsWith('--', at)) at = endOfLine(text, at)
    else if (text.startsWith('/*', at)) at = endOfComment(text, at)
    else break
  }
  return at
}

/** The offset behind the token that starts at `at`; words are not tokens here but single characters. */
function endOfToken(text: string, at: number): number {
  const char = text[at]
  if (char === "'") return endOfQuoted(text, at, "'", false)
  if (char === '"') return endOfQuoted(text, at, '"', false)
  if ((char === 'e' || char === 'E') && text[at + 1] === "'") return endOfQuoted(text, at + 1, "'", true)
  if (char === '$') {
    const behindTag = endOfMatch(DOLLAR_TAG, text, at)
    if (behindTag > at) return endAfter(text, text.slice(at, behindTag), behindTag)
  }
  // `1a$b$` is not a dollar quote: digits and what clings to them are one token.
  return Math.max(endOfMatch(NUMBER, text, at), at + 1)
}

/** The offset behind the word at `at`, else `at`: the `e` of `e'..'` is no word. */
function endOfWord(text: string, at: number): number {
  const end = endOfMatch(WORD, text, at)
  return end === at + 1 && text[end] === "'" && (text[at] === 'e' || text[at] === 'E') ? at : end
}

function endOfQuoted(text: string, open: number, quote: string, backslash: boolean): number {
  for (let at = open + 1; at < text.length; at++) {
    if (backslash && text[at] === '\\') at++
    else if (text[at] === quote) {
      if (text[at + 1] !== quote) return at + 1
      at++
    }
  }
  return text.length
}

function endOfLine(text: string, at: number): number {
  const end = text.indexOf('\n', at)
  return end < 0 ? text.length : end
}

function endOfComment(text: string, open: number): number {
  let depth = 0
  for (let at = open; at < text.length; at++) {
    if (text.startsWith('/*', at)) depth++
    else if (text.startsWith('*/', at)) depth--
    else continue
    at++
    if (depth === 0) return at + 1
  }
  return text.length
}

function endAfter(text: string, what: string, from: number): number {
  const at = text.indexOf(what, from)
  return at < 0 ? text.length : at + what.length
}

/** The offset behind what a sticky pattern matches at `at`, else `at`. */
function endOfMatch(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at
  return pattern.test(text) ? pattern.lastIndex : at
}

export interface SqlToken extends Span {
  readonly text: string
  /** How many parentheses and brackets are open around it; an opening one counts for what is behind it. */
  readonly depth: number
}

/** The tokens of one statement, without comments: names, strings, numbers and single characters. */
export function sqlTokens(text: string): SqlToken[] {
  const tokens: SqlToken[] = []
  let depth = 0
  for (let at = skipBlank(text, 0); at < text.length; at = skipBlank(text, at)) {
    const behindWord = endOfWord(text, at)
    const end = behindWord > at ? behindWord : endOfToken(text, at)
    const own = text.slice(at, end)
    if (own === ')' || own === ']') depth--
    tokens.push({ text: own, start: at, end, depth })
    if (own === '(' || own === '[') depth++
    at = end
  }
  return tokens
}
