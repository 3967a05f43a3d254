import type { ParsedStatement } from '../parse/parse-sql.ts'

/** The text that can be run twice, or why there is none and what to write instead. */
export type Repeatable = { readonly text: string } | { readonly refused: string; readonly instead: string }

export function refuse(refused: string, instead: string): Repeatable {
  return { refused, instead }
}

/** Puts words at a place that the parse tree names (an offset in the file). */
export function insertAt(statement: ParsedStatement, offset: number | undefined, words: string): Repeatable {
  const at = (offset ?? 0) - statement.start
  if (at <= 0) return refuse('its name was not found', 'add IF NOT EXISTS')
  return { text: statement.text.slice(0, at) + words + statement.text.slice(at) }
}

const GAP = String.raw`(?:\s|--[^\n]*\n|/\*(?:[^*]|\*(?!/))*\*/)+`

/** Puts words behind the first keywords of a statement; a keyword with `?` may be absent. */
export function insertBehind(text: string, keywords: string[], words: string): Repeatable {
  const pattern = keywords
    .map((keyword, n) => {
      const gap = n === 0 ? '' : GAP
      return keyword.endsWith('?') ? `(?:${gap}${keyword.slice(0, -1)})?` : gap + keyword
    })
    .join('')
  const head = new RegExp(`^${pattern}\\b`, 'i').exec(text)?.[0]
  if (!head) return refuse(`it does not start with ${keywords.join(' ')}`, `add ${words.toUpperCase()}`)
  return { text: `${head} ${words}${text.slice(head.length)}` }
}

/** A DO block that runs the statement under a condition. */
export function guarded(condition: string, text: string): Repeatable {
  return { text: doBlock([{ condition, text }]) }
}

export interface GuardedStatement {
  readonly condition: string
  readonly text: string
}

/** One DO block for many statements, each under its own condition. */
export function doBlock(statements: readonly GuardedStatement[]): string {
  const tag = freeTag(statements.map((statement) => statement.text).join('\n'))
  const body = statements.map(({ condition, text }) => `  if ${condition} then\n    ${text};\n  end if;`).join('\n')
  return `do ${tag}\nbegin\n${body}\nend\n${tag}`
}

/** A dollar quote that does not occur in the text: `$$`, `$guard$`, `$guard2$` ... */
function freeTag(text: string): string {
  for (let n = 0; ; n++) {
    const tag = n === 0 ? '$$' : n === 1 ? '$guard$' : `$guard${n}$`
    if (!text.includes(tag)) return tag
  }
}
