import { createHash } from 'node:crypto'
import { isLocationKey } from './parse-sql.ts'
import { loadParser, parseRaw } from './parser.ts'

/**
 * sha256 (hex) of what a text means: of its parse trees without positions, so that comments, white space and line ends
 * do not count. A text that does not parse is hashed as it stands.
 */
export async function normalisedHash(text: string): Promise<string> {
  await loadParser()
  const parsed = text.includes('\0') ? null : parseRaw(text.replace(/^\ufeff/, ''))
  const content = Array.isArray(parsed)
    ? JSON.stringify(
        parsed.map((statement) => statement.node),
        dropLocations,
      )
    : text
  return createHash('sha256').update(content).digest('hex')
}

function dropLocations(key: string, value: unknown): unknown {
  return isLocationKey(key) && typeof value === 'number' ? undefined : value
}
