import { lineColumns } from '../../../parse/offsets.ts'
import { sqlTokens } from '../../../parse/split-sql.ts'
import type { SourcePosition } from '../../../catalog/model.ts'
import type { LintRule } from '../../rule.ts'

const LIMIT = 63

export const identifierTooLong: LintRule = {
  id: 'identifier-too-long',
  family: 'structure',
  severity: 'warning',
  effect:
    'PostgreSQL cuts the name off without an error: two long names become one, and no query finds the name as written.',
  instead: 'Choose a name of at most 63 bytes.',
  *checkFile({ file, text, statements }) {
    const place = lineColumns(text)
    const seen = new Map<string, { name: string; position: SourcePosition }>()
    for (const { text: own, start } of statements) {
      if (!LONG.test(own)) continue
      for (const token of sqlTokens(own)) {
        const name = nameOf(token.text)
        if (name === null || Buffer.byteLength(name) <= LIMIT) continue
        const short = cut(name)
        const position = { file, ...place(start + token.start) }
        const first = seen.get(short)
        if (first?.name === name) continue
        if (!first) seen.set(short, { name, position })
        yield {
          position,
          object: short,
          message: first
            ? `'${name}' and '${first.name}' are the same name to PostgreSQL: '${short}'`
            : `'${name}' has ${Buffer.byteLength(name)} bytes and becomes '${short}'`,
          related: first ? [{ ...first.position, message: 'the other name' }] : [],
        }
      }
    }
  },
}

/** What may be too long: 64 plain characters, or 22 with one among them that takes more than a byte. */
const LONG = /(?<![\w$])[\w$]{64}|"[^"\n]{64}|(?<![\w$\u0080-\uffff])(?=[\w$]*[\u0080-\uffff])[\w$\u0080-\uffff]{22}/

function nameOf(token: string): string | null {
  if (token.startsWith('"')) return token.slice(1, -1).replaceAll('""', '"')
  return /^[\p{L}_]/u.test(token) ? token.toLowerCase() : null
}

/** As PostgreSQL does it: at a whole character. */
function cut(name: string): string {
  return Buffer.from(name)
    .subarray(0, LIMIT)
    .toString()
    .replace(/\uFFFD+$/, '')
}
